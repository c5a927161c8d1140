"""The page of settings: keys, rules and defaults of the classes, and what the files' comments say of them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from griffe import Docstring
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from executor.demo.scenario import DemoSettings
from executor.settings import ServingSettings
from model.config import ModelSettings

__all__ = ["FILES", "page"]

FILES: dict[str, tuple[str, type[BaseModel]]] = {
    "monitor.yaml": ("Serving and monitoring", ServingSettings),
    "model.yaml": ("Training", ModelSettings),
    "demo.yaml": ("The demo", DemoSettings),
}

_HEAD = """# Settings

Flags win over the environment, the environment over `.env`, that over `configs/*.yaml`, and those over
the defaults shown here. A variable is the key in capitals after `DRIFTLEAD_`, with two underscores for
each level: `DRIFTLEAD_SERVER__PORT=9000` is `server.port`. A key that does not exist, or a value that
breaks its rule, is an error that names it.
"""


def page(configs: Path) -> str:
    """Return the page in Markdown."""
    parts = [_HEAD]
    for name, (title, settings) in FILES.items():
        comments = dict(_comments((configs / name).read_text("utf-8")))
        parts.append(f"## {title}\n\nIn `configs/{name}`.\n\n| key | value | default | |\n|---|---|---|---|")
        parts[-1] += "".join(
            f"\n| `{'.'.join(keys)}` | {rule} | {default} | {comments.get(keys) or told} |"
            for keys, rule, default, told in _leaves(settings)
        )
    return "\n\n".join(parts) + "\n"


def _comments(text: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the comment behind each key of a YAML file, or the lines of comment above it."""
    path: list[tuple[int, str]] = []
    above: list[str] = []
    for line in text.splitlines():
        if alone := re.match(r" +# (.*)", line):
            above.append(alone[1])
        elif found := re.match(r"( *)(\w+):[^#]*(?:# (.*))?$", line):
            indent, key, behind = len(found[1]), found[2], found[3]
            path = [*((depth, name) for depth, name in path if depth < indent), (indent, key)]
            if comment := behind or " ".join(above):
                yield tuple(name for _, name in path), comment.replace("|", "\\|")
            above = []
        else:
            above = []


def _leaves(
    settings: type[BaseModel], keys: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], str, str, str]]:
    """Yield path, rule, default and docstring's words of every setting that is no section."""
    rules = settings.model_json_schema(mode="validation")
    told = _told(settings)
    for name, field in settings.model_fields.items():
        inner = _sections(field)
        if len(inner) == 1:
            yield from _leaves(inner[0], (*keys, name))
        elif inner:
            for section in inner:
                yield from _leaves(section, (*keys, name))
        else:
            rule = _rule(rules["properties"][name], rules.get("$defs", {}))
            yield (*keys, name), rule, _default(field), told.get(name, "")


def _told(settings: type[BaseModel]) -> dict[str, str]:
    """Return what a class's docstring says of its fields."""
    sections = Docstring(inspect.getdoc(settings) or "").parse("numpy", warnings=False)
    listed = [section for section in sections if section.kind.value in ("attributes", "parameters")]
    return {
        name.strip(): " ".join(each.description.split())
        for section in listed
        for each in section.value
        for name in each.name.split(",")
    }


def _sections(field: FieldInfo) -> list[type[BaseModel]]:
    """Return the settings classes that a field may hold one of."""
    kinds = [field.annotation, *get_args(field.annotation)]
    return [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    value: Any = field.get_default(call_default_factory=True)
    if value is None:
        return "`null`"
    value = list(value) if isinstance(value, tuple) else value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _rule(schema: dict[str, Any], known: dict[str, Any]) -> str:
    """Return a JSON schema in words."""
    if "$ref" in schema:
        schema = known[schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        return " or ".join(_rule(each, known) for each in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    kind = {"integer": "whole number", "number": "number", "string": "text", "boolean": "`true` or `false`",
            "array": "list", "object": "section"}.get(schema.get("type", ""), "null")  # fmt: skip
    bounds = [
        f"{sign} {schema[key]:,}".replace(",", " ")
        for sign, key in (
            ("≥", "minimum"),
            (">", "exclusiveMinimum"),
            ("≤", "maximum"),
            ("<", "exclusiveMaximum"),
        )
        if key in schema
    ]
    return " ".join([kind, ", ".join(bounds)]).strip()
