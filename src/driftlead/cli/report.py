"""``driftlead report``: what happened in a period, as one file."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["EPILOG", "ReportFormat", "report"]

EPILOG = """
**Examples**

- driftlead report http://127.0.0.1:8000 -o drift.html

- driftlead report http://127.0.0.1:8000 --hours 24 -o yesterday.md

- driftlead report var -o state.json

The file stands by itself: it needs no service and no network to be read.
"""


class ReportFormat(StrEnum):
    """What is written."""

    html = "html"
    json = "json"
    md = "md"


def report(
    source: Annotated[str, typer.Argument(help="Address of a running service, or a monitor's folder.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write; it is replaced.")],
    hours: Annotated[
        float | None, typer.Option(min=0, help="Only the latest hours; by default all that is known.")
    ] = None,
    format: Annotated[
        ReportFormat | None, typer.Option("--format", help="By default what the file's name ends with.")
    ] = None,
) -> None:
    """Write a report of a monitor's past into one file."""
    from driftlead.report import write_report

    since = None if hours is None else time.time() - 3600 * hours
    write_report(source, output, format=None if format is None else format.value, since=since)
    typer.echo(str(output))
