"""``driftlead bench``: how fast the detectors are on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from driftlead.wording import counted

__all__ = ["EPILOG", "bench"]

EPILOG = """
**Examples**

- driftlead bench

- driftlead bench --signals 500 --window 1000

The kernels are compiled before anything is timed. Other work on the machine shows.
"""


def bench(
    signals: Annotated[int, typer.Option(min=1, max=10_000, help="Signals side by side.")] = 50,
    window: Annotated[int, typer.Option(min=2, help="Rows in the sliding windows.")] = 500,
    batch: Annotated[int, typer.Option(min=1, max=100_000, help="Rows at once.")] = 1_000,
    seconds: Annotated[
        float, typer.Option(min=0.05, max=60, help="Length of each measurement, in seconds.")
    ] = 0.5,
) -> None:
    """Time every detector for a moment: batches of rows, and rows one by one."""
    from rich.console import Console
    from rich.table import Table

    from driftlead.cli.timing import time_detectors

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("detector")
    for heading in ("values/s in batches", "ns per value", "rows/s one by one", "µs per row"):
        table.add_column(heading, justify="right")
    for timed in time_detectors(signals=signals, window=window, batch=batch, seconds=seconds):
        table.add_row(
            timed.name,
            f"{timed.values_per_second:,.0f}",
            f"{1e9 / timed.values_per_second:,.0f}",
            f"{timed.rows_per_second:,.0f}",
            f"{1e6 / timed.rows_per_second:,.1f}",
        )
    console = Console(highlight=False, soft_wrap=True)
    # Rich itself ends a process whose output nobody reads, with an exit code of its own.
    with console.capture() as written:
        sizes = f"windows of {counted(window, 'row')}, batches of {batch:,}"
        console.print(f"{counted(signals, 'signal')}, {sizes}, one core")
        console.print(table)
    typer.echo(written.get(), nl=False)
