"""``driftlead calibrate``: what one budget means for every column of a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from driftlead.cli.options import RowsPerSecond
from driftlead.cli.progress import progress_bar

__all__ = ["EPILOG", "calibrate"]

EPILOG = """
**Examples**

- driftlead calibrate reference.csv

- driftlead calibrate reference.csv --false-alarm-every '30 days' --rows-per-second 12

- driftlead calibrate train.csv -o thresholds.state

- driftlead replay today.csv --reference train.csv --calibration thresholds.state

Columns of text are categories. Rows must be in the order of time: a dependence between them is simulated.
"""


def calibrate(
    reference: Annotated[
        Path,
        typer.Argument(
            help="Rows in the order of time: CSV, TSV, JSON Lines or Parquet. Or their profile: then they "
            "are taken not to depend on each other."
        ),
    ],
    columns: Annotated[
        str | None, typer.Option(help="Columns to calibrate, with commas between them; all by default.")
    ] = None,
    false_alarm_every: Annotated[
        str,
        typer.Option(
            help="Budget: rows per false alarm of all signals and tests together, or '30 days'.",
            show_default="1,000,000",
        ),
    ] = "1e6",
    rows_per_second: RowsPerSecond = None,
    guarantee: Annotated[
        float | None,
        typer.Option(help="Share of references for which it shall hold, e.g. 0.9; default: on average."),
    ] = None,
    window: Annotated[int, typer.Option(help="Rows in the sliding windows.")] = 500,
    delta: Annotated[
        float, typer.Option(help="Change of the mean that Page-Hinkley tolerates, in standard deviations.")
    ] = 0.25,
    seed: Annotated[int, typer.Option(help="Seed of everything simulated.")] = 0,
    shown: Annotated[int, typer.Option(min=1, help="Most signals listed; the others are counted.")] = 60,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write, for --calibration of replay, serve and watch."),
    ] = None,
) -> None:
    """Print the threshold of every test on every column of a reference table."""
    import numpy as np

    from driftlead import calibration as budget
    from driftlead.cli.reference import batches, is_table, open_columns, require_output, take_profile
    from driftlead.monitor import MonitorSettings
    from driftlead.monitor.watch import detector_specs

    if output is not None:
        require_output(output)
    settings = MonitorSettings(
        false_alarm_every=budget.rows_per_false_alarm(false_alarm_every, rows_per_second),
        guarantee=guarantee,
        window=window,
        delta=delta,
        seed=seed,
    )
    with progress_bar() as bar:
        profile = take_profile(reference, columns.split(",") if columns else None, bar)
        rows = None
        if is_table(reference):
            rows = np.concatenate(list(batches(open_columns(reference, profile), profile)))
        settings = settings.for_rows(profile)
        calibration = budget.calibrate(
            profile,
            rows,
            false_alarm_every=settings.false_alarm_every,
            detectors=detector_specs(settings),
            guarantee=settings.guarantee,
            seed=seed,
            progress=bar,
        )
    if output is not None:
        calibration.save(output)
    typer.echo(calibration.report(shown))
