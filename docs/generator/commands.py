"""The command line's page, from the commands themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer.main

from driftlead.cli import app

__all__ = ["page"]

_HEAD = """# Command line

Every command with its arguments and options, as `--help` shows them. [In short](../cli.md) says what they are
for.

"""


def page() -> str:
    """Return the page in Markdown."""
    group: Any = typer.main.get_command(app)
    context = group.context_class(group, info_name="driftlead")
    return _HEAD + "\n".join(_command(context, group.commands[name]) for name in group.list_commands(context))


def _command(parent: Any, command: Any) -> str:
    context = command.context_class(command, info_name=command.name, parent=parent)
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    parts = [f"## driftlead {command.name}", (command.help or "").strip(), f"```\n{usage}\n```"]
    parts.append("| | | default |\n|---|---|---|\n" + "\n".join(_rows(context, command)))
    parts.append(_fenced_examples((command.epilog or "").strip()))
    return "\n\n".join(part for part in parts if part) + "\n"


def _rows(context: Any, command: Any) -> Iterator[str]:
    for parameter in command.get_params(context):
        text = " ".join((getattr(parameter, "help", None) or "").split()).replace("|", "\\|")
        if parameter.param_type_name == "argument":
            yield f"| `{parameter.name.upper()}` | {text} | |"
            continue
        names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
        default = parameter.default
        shown = "" if default is None or default is False or callable(default) else f"`{default}`"
        yield f"| {names} | {text} | {shown} |"


def _fenced_examples(epilog: str) -> str:
    """Return an epilog with its list of command lines as one block of code."""
    lines = re.sub(r"^- (driftlead .*)\n?", r"\1", epilog, flags=re.MULTILINE)
    return re.sub(r"((?:^driftlead .*\n?)+)", r"```sh\n\1\n```\n", lines, flags=re.MULTILINE)
