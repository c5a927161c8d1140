"""``driftlead calibrate``: what one budget means for every column of a table."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

import typer

from driftlead.cli.progress import progress_bar

__all__ = ["EPILOG", "calibrate"]

EPILOG = """
**Examples**

- driftlead calibrate reference.csv

- driftlead calibrate reference.csv --false-alarm-every '30 days' --rows-per-second 12

Columns of text are categories. Rows must be in the order of time: a dependence between them is simulated.
"""


def calibrate(
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
    from driftlead import calibration as budget
    from driftlead import state
    from driftlead.cli.tables import read_table
    from driftlead.reference import ReferenceProfile

    signals, rows = read_table(reference)
    digest = hashlib.sha256(reference.read_bytes()).hexdigest()[:12]
    profile = ReferenceProfile.from_rows(signals, rows, model_hash=digest)
    with progress_bar() as bar:
        calibration = budget.calibrate(
            profile,
            rows,
            false_alarm_every=false_alarm_every,
            rows_per_second=rows_per_second,
            detectors=[
                budget.page_hinkley(delta),
                budget.incremental_ks(window),
                budget.nmddm(window),
            ],
            guarantee=guarantee,
            seed=seed,
            progress=bar,
        )
    if output is not None:
        state.save(output, "calibration", 1, calibration.to_state())
    typer.echo(calibration.report(shown))
