"""The command line: parse, call one function, exit code.

driftlead calibrate reference.csv --false-alarm-every 1e6
"""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from driftlead import state
from driftlead.calibration import calibrate, incremental_ks, nmddm, page_hinkley
from driftlead.errors import DriftleadError, InvalidDataError
from driftlead.reference import ReferenceProfile
from driftlead.signals import Signal

__all__ = ["app", "read_table"]

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def _main() -> None:
    """Drift detection within one false-alarm budget."""


@app.command("calibrate")
def _calibrate(
    reference: Annotated[
        Path, typer.Argument(help="CSV with a header: one row per observation, in order of time.")
    ],
    false_alarm_every: Annotated[
        str, typer.Option(help="Budget: rows per false alarm of all signals together, or e.g. '30 days'.")
    ] = "1e6",
    rows_per_second: Annotated[
        float | None, typer.Option(help="Traffic, where the budget is a time.")
    ] = None,
    guarantee: Annotated[
        float | None,
        typer.Option(help="Share of references for which it shall hold, e.g. 0.9; default: on average."),
    ] = None,
    window: Annotated[int, typer.Option(help="Rows in the sliding windows.")] = 500,
    delta: Annotated[
        float, typer.Option(help="Change of the mean that Page-Hinkley tolerates, in sd.")
    ] = 0.25,
    seed: Annotated[int, typer.Option(help="Of everything simulated.")] = 0,
    output: Annotated[Path | None, typer.Option(help="File to keep the calibration in.")] = None,
) -> None:
    """Print the threshold of every test on every column of a reference table."""
    try:
        names, rows = read_table(reference)
        digest = hashlib.sha256(reference.read_bytes()).hexdigest()[:12]
        profile = ReferenceProfile.from_rows([Signal(name) for name in names], rows, model_hash=digest)
        with _bar() as bar:
            task = bar.add_task("", total=None)
            calibration = calibrate(
                profile,
                rows,
                false_alarm_every=false_alarm_every,
                rows_per_second=rows_per_second,
                detectors=[page_hinkley(delta), incremental_ks(window), nmddm(window)],
                guarantee=guarantee,
                seed=seed,
                progress=lambda what, done, total: bar.update(
                    task, description=what, completed=done, total=total
                ),
            )
        if output is not None:
            state.save(output, "calibration", 1, calibration.to_state())
    except (DriftleadError, OSError) as error:
        typer.echo(f"driftlead calibrate: {error}", err=True)
        raise typer.Exit(2) from None
    typer.echo(calibration.report())


def read_table(path: Path) -> tuple[list[str], NDArray[np.float64]]:
    """Read a CSV file of numbers with a header; an empty cell is a missing value.

    Returns
    -------
    names : list of str
    rows : float64 array, shape (n, len(names))

    Raises
    ------
    InvalidDataError
        The file is empty, a row has another length, or a cell is not a number; the line is named.
    OSError
        The file cannot be read.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = csv.reader(file)
            names = next(lines, [])
            rows = [_row(cells, len(names), f"{path}, line {lines.line_num}") for cells in lines if cells]
    except UnicodeDecodeError:
        raise InvalidDataError(f"{path} is not a text file") from None
    if not names or not rows:
        raise InvalidDataError(f"{path} must hold a header and at least one row")
    return names, np.array(rows, dtype=np.float64)


def _row(cells: list[str], width: int, where: str) -> list[float]:
    if len(cells) != width:
        raise InvalidDataError(f"{where}: {len(cells)} cells, the header has {width}")
    values = []
    for cell in cells:
        try:
            values.append(float(cell) if cell.strip() else float("nan"))
        except ValueError:
            raise InvalidDataError(f"{where}: {cell!r} is not a number") from None
    return values


def _bar() -> Progress:
    """Return a progress bar on standard error, which goes away when the work is done."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
