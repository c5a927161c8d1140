"""Settings: ``DRIFTLEAD_*`` variables (environment, then ``.env``) over a YAML file over defaults.

A settings class is a plain pydantic model with ``extra="forbid"``. Its field names are the top-level
keys of its YAML file; a variable names a field by its path, levels joined by two underscores:
``DRIFTLEAD_SERVER__PORT=9000`` sets ``server.port``. Variables are walked here rather than by
pydantic-settings because one environment serves several settings classes: a variable of another class
must pass in silence, one of no class at all must not, and pydantic-settings cannot tell them apart.
"""

from __future__ import annotations

import difflib
import os
import re
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from dotenv import dotenv_values
from pydantic import BaseModel, ValidationError

__all__ = ["SECTIONS", "SWITCHES", "SettingsError", "load_settings"]

PREFIX = "DRIFTLEAD_"

#: Top-level keys of every settings file. A variable of any other name is a mistake and is reported.
SECTIONS: Mapping[str, frozenset[str]] = {
    "model.yaml": frozenset({"data", "split", "seed", "network", "training", "monitored_layers", "output"}),
    "monitor.yaml": frozenset({"server", "limits", "monitor", "storage", "webhooks", "logging"}),
    "demo.yaml": frozenset({"demo"}),
}

# What a text that is no YAML raises: values that look like a date or a number are made by their own types.
_NO_YAML = (
    yaml.YAMLError,
    ValueError,
    ArithmeticError,
    LookupError,
    AttributeError,
    TypeError,
    RecursionError,
)

#: Settings whose values no message shows; addresses may hold a password.
_SECRETS = frozenset({"api_key", "secret", "url"})

#: Variables with the prefix that are no settings.
SWITCHES = frozenset({"DRIFTLEAD_REQUIRE_SERVERS"})

#: What a value must be that is of another kind, in words of its user; pydantic speaks of parsing.
_KINDS = {
    **dict.fromkeys(("int_parsing", "int_type", "int_from_float"), "must be a whole number"),
    **dict.fromkeys(("float_parsing", "float_type"), "must be a number"),
    **dict.fromkeys(("bool_parsing", "bool_type"), "must be true or false"),
}

S = TypeVar("S", bound=BaseModel)


class SettingsError(ValueError):
    """A setting is unknown, malformed or unreadable; the message is one line that names it."""


def load_settings(
    settings_class: type[S],
    path: Path | str | None,
    *,
    overrides: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    env_file: Path | str | None = ".env",
) -> S:
    """Read and validate settings.

    Parameters
    ----------
    settings_class : type of pydantic.BaseModel
        What to read; declare it with ``extra="forbid"``.
    path : path, optional
        YAML file. ``None`` reads no file: defaults and variables alone.
    overrides : mapping, optional
        Values that win over everything, nested like the file; command line flags go here. ``None`` values are
        skipped, so that a flag that was not given changes nothing.
    environ : mapping of str to str, optional
        Instead of the process environment.
    env_file : path, optional
        A file of ``NAME=value`` lines beneath the environment; it need not exist, and names without the
        prefix belong to others.

    Raises
    ------
    SettingsError
        The file cannot be read or is not YAML; a key or a ``DRIFTLEAD_*`` variable is unknown; a value breaks
        its rule.

    Examples
    --------
    >>> from pydantic import create_model
    >>> Server = create_model("Server", port=(int, 8000))
    >>> Settings = create_model("Settings", server=(Server, Server()))
    >>> load_settings(Settings, None, environ={"DRIFTLEAD_SERVER__PORT": "9000"}).server.port
    9000
    >>> load_settings(Settings, None, environ={"DRIFTLEAD_SERVER__PRT": "9000"})
    Traceback (most recent call last):
    utils.environment.SettingsError: DRIFTLEAD_SERVER__PRT is no setting: did you mean DRIFTLEAD_SERVER__PORT?
    """
    values = _read_yaml(Path(path)) if path is not None else {}
    # A section whose every line is commented out reads as null; it means the defaults.
    values = {
        key: value
        for key, value in values.items()
        if value is not None or not _fields(_fields([settings_class]).get(key, []))
    }
    variables = _read_variables(os.environ if environ is None else environ, env_file)
    origins: dict[tuple[str, ...], str] = {}
    for name, text in variables.items():
        keys = tuple(name.removeprefix(PREFIX).lower().split("__"))
        if keys[0] not in settings_class.model_fields and keys[0] in frozenset().union(*SECTIONS.values()):
            continue
        values = _merge(values, _nest(keys, _decode(name, text, _annotations(settings_class, keys, name))))
        origins[keys] = name
    flags = _given(overrides or {})
    values = _merge(values, flags)
    origins |= dict.fromkeys(_leaves(flags), "")  # whoever typed the flag knows where it came from
    try:
        return settings_class.model_validate(values)
    except ValidationError as error:
        where = f"{path}: " if path is not None else ""
        found = [_explain(item, settings_class, values, origins, where) for item in error.errors()]
        raise SettingsError("; ".join(dict.fromkeys(found))) from None


# --- reading -----------------------------------------------------------------------------------------


class _UniqueKeys(yaml.SafeLoader):
    """YAML in which a key written twice is an error: the first value would be lost in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for position, key in enumerate(keys):
            if key in keys[:position]:
                mark = node.value[position][0].start_mark
                raise yaml.constructor.ConstructorError(None, None, f"key {key} is written twice", mark)
        return super().construct_mapping(node, deep=deep)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeys)
    except FileNotFoundError:
        folder = "" if path.is_absolute() else f" in {Path.cwd()}"
        raise SettingsError(f"{path} not found{folder}") from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path} is not a text file in UTF-8") from None
    except RecursionError:
        raise SettingsError(f"{path}: not valid YAML: nested too deeply") from None
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        # What it quotes, such as the alias that a text with a * in front is taken for, may be a secret.
        problem = re.sub("'[^']{2,}'", "'…'", str(error.problem))
        raise SettingsError(f"{path}{line}: not valid YAML: {problem}") from None
    except _NO_YAML as error:
        raise SettingsError(f"{path}: not valid YAML: {type(error).__name__}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise SettingsError(f"{path} must hold `key: value` lines, got a {type(content).__name__}")
    return content


def _read_variables(environ: Mapping[str, str], env_file: Path | str | None) -> dict[str, str]:
    """Variables with our prefix, the environment over the file, in a stable order."""
    from_file: Mapping[str, str | None] = {}
    if env_file is not None and Path(env_file).is_file():
        try:
            from_file = dotenv_values(env_file)
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{env_file} cannot be read: {error}") from None
    merged = {**from_file, **environ}
    return {
        name: value
        for name, value in sorted(merged.items())
        if name.startswith(PREFIX) and name not in SWITCHES and value is not None
    }


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one nested mapping over another; lists are replaced whole."""
    merged = dict(below)
    for key, value in above.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = _merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def _given(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the flags that were given."""
    inner = {key: _given(value) if isinstance(value, Mapping) else value for key, value in overrides.items()}
    return {key: value for key, value in inner.items() if value is not None and value != {}}


def _leaves(values: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterable[tuple[str, ...]]:
    for key, value in values.items():
        yield from _leaves(value, (*above, key)) if isinstance(value, Mapping) else [(*above, key)]


def _nest(keys: tuple[str, ...], value: Any) -> dict[str, Any]:
    return {keys[0]: _nest(keys[1:], value) if len(keys) > 1 else value}


# --- what a variable means ---------------------------------------------------------------------------


def _members(annotation: Any) -> Iterable[Any]:
    """List the types that an annotation allows, unions and ``Annotated`` opened."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        yield from _members(typing.get_args(annotation)[0])
    elif origin in (typing.Union, types.UnionType):
        for member in typing.get_args(annotation):
            yield from _members(member)
    else:
        yield annotation


def _fields(annotations: Iterable[Any]) -> dict[str, list[Any]]:
    """List the keys one level down, each with its annotations in the models that carry it."""
    found: dict[str, list[Any]] = {}
    for member in (member for annotation in annotations for member in _members(annotation)):
        if isinstance(member, type) and issubclass(member, BaseModel):
            for name, field in member.model_fields.items():
                found.setdefault(name, []).append(field.annotation)
    return found


def _annotations(settings_class: type[BaseModel], keys: tuple[str, ...], name: str) -> list[Any]:
    """Find the annotations of the setting at ``keys``; an unknown one raises with the nearest name."""
    level: list[Any] = [settings_class]
    for depth, key in enumerate(keys):
        if any(typing.get_origin(member) is dict for each in level for member in _members(each)):
            return [Any]
        below = _fields(level)
        if key not in below:
            known = {*below} if depth else {*below}.union(*SECTIONS.values())
            wrong = PREFIX + "__".join(keys[: depth + 1]).upper()
            # Without its section, or with one underscore behind it.
            near: list[tuple[str, ...]] = [
                (section, field)
                for section, kinds in below.items()
                for field in _fields(kinds)
                if key in (field, f"{section}_{field}")
            ]
            near += [(each,) for each in difflib.get_close_matches(key, known, n=1)]
            if near:
                right = PREFIX + "__".join((*keys[:depth], *near[0], *keys[depth + 1 :])).upper()
                raise SettingsError(f"{name} is no setting: did you mean {right}?")
            choices = f"known there: {', '.join(sorted(known))}" if known else f"nothing lies below {wrong}"
            raise SettingsError(f"{name} is no setting: {choices}")
        level = below[key]
    return level


def _decode(name: str, text: str, annotations: list[Any]) -> Any:
    """Turn a variable's text into a value: verbatim where only text is meant, else by YAML's rules."""
    members = [member for annotation in annotations for member in _members(annotation)]
    textual = (str, Path)
    required = [member for member in members if member is not types.NoneType]
    if all(member in textual or typing.get_origin(member) is typing.Literal for member in required):
        if len(required) == len(members):
            return text
        if not text:
            # Whoever meant to set a key or an address must not be left without.
            raise SettingsError(f"{name} is empty: leave it out, or set it to null")
        if text.lower() in ("null", "~"):
            return None
        # Quotes that a shell would have taken away, as `docker run --env-file` does not.
        return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text
    try:
        return yaml.safe_load(text)
    except _NO_YAML as error:
        # The text may hold secrets, and so may what YAML says of it.
        kind = "" if isinstance(error, yaml.YAMLError) else f": {type(error).__name__}"
        raise SettingsError(f"{name} is not valid YAML{kind}") from None


# --- what went wrong ---------------------------------------------------------------------------------


def _explain(
    item: Mapping[str, Any],
    settings_class: type[BaseModel],
    values: Mapping[str, Any],
    origins: Mapping[tuple[str, ...], str],
    where: str,
) -> str:
    """Reword one of pydantic's complaints: where it stands, which key, which rule, which value."""
    keys = _path_in(values, item["loc"])
    key = ".".join(str(part) for part in keys)
    source = next((name for prefix, name in origins.items() if keys[: len(prefix)] == prefix), None)
    if source is not None:
        where = ""
    subject = f"{source} ({key})" if source else f"{where}{key}"
    match item["type"]:
        case "extra_forbidden":
            near = difflib.get_close_matches(str(keys[-1]), _siblings(settings_class, keys), n=1)
            hint = f": did you mean {'.'.join([*map(str, keys[:-1]), near[0]])}?" if near else ""
            return f"{where}unknown key {key}{hint}"
        case "missing" | "union_tag_not_found":
            missing = item.get("ctx", {}).get("discriminator", "").strip("'")
            return f"{subject}{'.' + missing if missing else ''} is missing"
        case "value_error":
            error = item["ctx"]["error"]
            rule = str(error)
            if parameter := getattr(error, "parameter", ""):
                # What a section is made into knows its parameters, but not who set them.
                named = (*keys, *parameter.split("."))
                if source := origins.get(named):
                    return f"{source} ({'.'.join(map(str, named))}) must be {error.rule}, got {error.value!r}"
            return f"{subject}: {rule}" if key else f"{where}{rule}"
        case "union_tag_invalid":
            context = item["ctx"]
            tag = context["discriminator"].strip("'")
            return f"{subject}.{tag} must be one of {context['expected_tags']}, got {context['tag']!r}"
    rule = _KINDS.get(item["type"]) or (
        item["msg"].replace("Input should be", "must be").replace("Input should", "must")
    )
    return f"{subject} {rule}, got {_shown(keys, item['input'])}"


def _shown(keys: tuple[int | str, ...], value: Any) -> str:
    """Write a value as far as nobody's secret may lie in it."""
    if not _SECRETS.isdisjoint(keys):
        return "one that is not shown here"
    if isinstance(value, Mapping):
        return "a mapping"
    return "a list" if isinstance(value, list | tuple) else f"{value!r:.100}"


def _path_in(values: Any, location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Strip a complaint's location of the tags of unions, which the file does not show."""
    path: list[int | str] = []
    for position, part in enumerate(location):
        last = position == len(location) - 1
        if isinstance(values, Mapping) and (part in values or last):
            values = values.get(part)
            path.append(part)
        elif isinstance(values, list) and isinstance(part, int):
            values = values[part] if part < len(values) else None
            path.append(part)
    return tuple(path)


def _siblings(settings_class: type[BaseModel], keys: tuple[int | str, ...]) -> list[str]:
    level: list[Any] = [settings_class]
    for key in keys[:-1]:
        level = _fields(level).get(str(key), [])
    return list(_fields(level))
