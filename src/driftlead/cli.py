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
    shown: Annotated[int, typer.Option(help="Longest table; signals beyond it are counted.")] = 60,
    output: Annotated[Path | None, typer.Option(help="File to keep the calibration in.")] = None,
) -> None:
    """Print the threshold of every test on every column of a reference table."""
    try:
        signals, rows = read_table(reference)
        digest = hashlib.sha256(reference.read_bytes()).hexdigest()[:12]
        profile = ReferenceProfile.from_rows(signals, rows, model_hash=digest)
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
    typer.echo(calibration.report(shown))


def read_table(path: Path) -> tuple[list[Signal], NDArray[np.float64]]:
    """Read a CSV file with a header; an empty cell is a missing value.

    A column without a single number is categorical: its texts are coded 0, 1, … in alphabetical order.

    Returns
    -------
    signals : list of Signal
    rows : float64 array, shape (n, len(signals))

    Raises
    ------
    InvalidDataError
        The file is empty, a row has another length, or a column mixes numbers and text; the line is named.
    OSError
        The file cannot be read.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.reader(file)
            names = next(reader, [])
            table = [(reader.line_num, cells) for cells in reader if cells]
    except UnicodeDecodeError:
        raise InvalidDataError(f"{path} is not a text file") from None
    if not names or not table:
        raise InvalidDataError(f"{path} must hold a header and at least one row")
    for line, cells in table:
        if len(cells) != len(names):
            raise InvalidDataError(f"{path}, line {line}: {len(cells)} cells, the header has {len(names)}")
    columns = [[cells[j].strip() for _, cells in table] for j in range(len(names))]
    rows, signals = np.empty((len(table), len(names))), []
    for j, (name, column) in enumerate(zip(names, columns, strict=True)):
        values = [_number(cell) for cell in column]
        texts = [row for row, value in enumerate(values) if value is None]
        if texts and any(value is not None and cell for cell, value in zip(column, values, strict=True)):
            raise InvalidDataError(f"{path}, line {table[texts[0]][0]}: {column[texts[0]]!r} is not a number")
        codes = {text: code for code, text in enumerate(sorted(set(column) - {""}))}
        rows[:, j] = [codes.get(cell, np.nan) for cell in column] if texts else values
        signals.append(Signal(name, "categorical" if texts else "numeric"))
    return signals, rows


def _number(cell: str) -> float | None:
    """Return a cell's number, NaN for an empty one, None for text."""
    try:
        return float(cell) if cell else float("nan")
    except ValueError:
        return None


def _bar() -> Progress:
    """Return a progress bar on a terminal's standard error, which goes away when the work is done."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
