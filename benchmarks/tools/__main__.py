"""Measure, print the tables, write ``docs/tools.md``: `make tools`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown

from benchmarks.tools import page
from benchmarks.tools.measure import measure, missing
from benchmarks.tools.summary import summarise
from benchmarks.tools.tools import TOOLS
from driftlead.errors import DriftleadError


def main(
    peers: Annotated[Path, typer.Option(help="Folder with one environment per tool.")] = Path(".venv-peers"),
    docs: Annotated[Path, typer.Option(help="Folder to write the page into.")] = Path("docs"),
    results: Annotated[
        Path, typer.Option(help="File that grows by every tool and stream; a second run goes on from it.")
    ] = Path("var/tools.jsonl"),
    streams: Annotated[Path, typer.Option(help="Folder for the streams, 44 MB each.")] = Path("var/tools"),
    seeds: Annotated[int, typer.Option(help="How many streams.")] = 5,
) -> None:
    """Measure the monitoring tools at one job, each in its own environment."""
    absent = missing(TOOLS, peers)
    if absent:
        print(f"no environment in {absent[0]}: run make tools", file=sys.stderr)
        raise typer.Exit(2)
    console = Console(stderr=True)
    try:
        with console.status("starting") as status:
            records = measure(peers, results, streams, seeds=seeds, say=status.update)
        rows = summarise(TOOLS, records)
        page.write(docs, rows, records)
    except DriftleadError as error:
        print(f"benchmarks.tools: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    Console().print(Markdown(page.page(rows, records)))
    print(f"written: {docs / 'tools.md'}")


if __name__ == "__main__":
    typer.run(main)
