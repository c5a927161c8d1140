"""Measure, print the tables, write ``docs/detection.md``: `make evaluate`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.detection import page
from benchmarks.detection.competitors import PEERS, ours, peers
from benchmarks.detection.scenarios import SCENARIOS
from driftlead.benchmark import rich_table, run, summarise, write_parquet
from driftlead.benchmark.peer import versions
from driftlead.errors import DriftleadError


def main(
    peers_folder: Annotated[
        Path, typer.Option("--peers", help="Folder with one environment per peer.")
    ] = Path(".venv-peers"),
    docs: Annotated[Path, typer.Option(help="Folder to write the page into.")] = Path("docs"),
    results: Annotated[
        Path, typer.Option(help="File that grows by every unit of work; a second run goes on from it.")
    ] = Path("var/detection.jsonl"),
    budget: Annotated[float, typer.Option(help="Rows per false alarm that everyone is tuned to.")] = 1_000.0,
    seeds: Annotated[int, typer.Option(help="Draws of each scenario.")] = 30,
    jobs: Annotated[int, typer.Option(help="Processes.")] = os.cpu_count() or 1,
) -> None:
    """Measure delays, misses and false alarms of our tests and the peers' at one false-alarm rate."""
    folders = [peers_folder / name for name in ("river", "frouros", "alibi-detect-torch")]
    missing = [folder for folder in folders if not (folder / "bin" / "python").exists()]
    if missing:
        print(f"no environment in {missing[0]}: run make evaluate", file=sys.stderr)
        raise typer.Exit(2)
    try:
        with _bar() as bar:
            task = bar.add_task("", total=None)
            records = run(
                [*ours(budget), *peers(peers_folder, budget)],
                SCENARIOS,
                seeds=seeds,
                budget=budget,
                results=results,
                jobs=jobs,
                progress=lambda what, done, total: bar.update(
                    task, description=what, completed=done, total=total
                ),
            )
        write_parquet(records, results.with_suffix(".parquet"))
        found = page.our_versions()
        for folder in folders:
            found |= page.peer_versions(versions((folder / "bin" / "python").absolute(), PEERS))
        rows = summarise(records)
        page.write(docs, rows, records, budget, found)
    except DriftleadError as error:
        print(f"benchmarks.detection: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    console = Console()
    console.print(rich_table(page.at_the_budget(rows)))
    console.print(f"written: {docs / 'detection.md'}, {results.with_suffix('.parquet')}")


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )


if __name__ == "__main__":
    typer.run(main)
