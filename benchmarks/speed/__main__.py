"""Measure, print the bars, write ``docs/benchmarks.md``: `make bench`."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.speed import page
from benchmarks.speed.bars import Measured, bars
from benchmarks.speed.measure import measure
from benchmarks.speed.ours import Sizes
from benchmarks.speed.peer import Peer

_VERDICT = {True: "green", False: "red", None: "dim"}


def main(
    peers: Annotated[Path, typer.Option(help="Folder with one environment per peer.")] = Path(".venv-peers"),
    docs: Annotated[Path, typer.Option(help="Folder to write the page into.")] = Path("docs"),
) -> None:
    """Measure the detectors next to np.searchsorted, river, frouros and SciPy."""
    console = Console()
    pythons = {name: peers / name / "bin" / "python" for name in ("river", "frouros")}
    for name, python in pythons.items():
        if not python.exists():
            Console(stderr=True).print(
                f"no environment for {name} in {peers}: run make bench", soft_wrap=True
            )
            raise typer.Exit(2)
    with ExitStack() as stack, console.status("starting the peers") as status:
        river, frouros = (stack.enter_context(Peer(python.absolute())) for python in pythons.values())
        got = measure(Sizes(), {"river": river, "scipy": river, "frouros": frouros}, status.update)
        versions = page.our_versions() | {
            "river": river.versions["river"],
            "SciPy": river.versions["scipy"],
            "frouros": f"{frouros.versions['frouros']} (on NumPy {frouros.versions['numpy']})",
        }
    page.write(docs, got, Sizes(), versions)
    console.print(_table(got))
    console.print(f"written: {docs / 'benchmarks.md'}")


def _table(got: Measured) -> Table:
    table = Table("work", "measured as", "measured", "bar", "", box=None, header_style="bold")
    for bar in bars(got):
        *texts, verdict = page.cells(bar)
        table.add_row(*texts, f"[{_VERDICT[bar.met]}]{verdict}[/]")
    return table


if __name__ == "__main__":
    typer.run(main)
