"""``driftlead replay``: the detectors over a recorded file, and what they say about it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from driftlead.cli.options import Budget, Calibration, RowsPerSecond, Window
from driftlead.cli.progress import progress_bar

__all__ = ["EPILOG", "Format", "replay"]

EPILOG = """
**Examples**

- driftlead replay last_week.csv --reference train.csv

- driftlead replay last_week.parquet --reference reference.state --format json

- driftlead replay prices.csv --reference first_year.csv --calibrate --false-alarm-every 1e5

Exit code 0: no drift, 1: drift, 2: it could not be done. Files may be larger than memory. Rows must be in the
order of time. Without --calibrate thresholds hold for rows that do not depend on each other.

Of each signal that drifted come its mean before and after, or the share of the category that changed most;
its evidence, a log likelihood ratio in nats, by which signals are ranked; the row from which on it is
estimated to have changed; and the row at which a test alarmed.
"""


class Format(StrEnum):
    """How the outcome is written."""

    text = "text"
    json = "json"
    md = "md"


def replay(
    data: Annotated[Path, typer.Argument(help="Recorded rows: CSV, TSV, JSON Lines or Parquet.")],
    reference: Annotated[
        Path, typer.Option("--reference", "-r", help="Rows from when all was well, or a profile of them.")
    ],
    false_alarm_every: Budget = None,
    rows_per_second: RowsPerSecond = None,
    window: Window = None,
    columns: Annotated[
        str | None, typer.Option(help="Columns to watch, with commas between them; all by default.")
    ] = None,
    detectors: Annotated[
        str | None, typer.Option(help="Tests to run, with commas between them; all by default.")
    ] = None,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Simulate the dependence in the reference rows; takes longer.")
    ] = False,
    calibration: Calibration = None,
    output: Annotated[Format, typer.Option("--format", help="How to write the outcome.")] = Format.text,
    shown: Annotated[int, typer.Option(min=1, help="Most signals listed of each episode.")] = 8,
    seed: Annotated[int, typer.Option(help="Seed of the random ranks of tied values.")] = 0,
) -> None:
    """Run the detectors over a recorded file and say when what drifted."""
    from driftlead.cli.outcome import write_outcome
    from driftlead.cli.recorded import replay_file
    from driftlead.errors import InvalidParameterError

    if calibrate and calibration is not None:
        raise InvalidParameterError("--calibrate", "left out where --calibration is given", str(calibration))
    with progress_bar() as bar:
        outcome = replay_file(
            data,
            reference,
            columns.split(",") if columns else None,
            calibrate=calibrate,
            calibration=calibration,
            progress=bar,
            false_alarm_every=false_alarm_every,
            rows_per_second=rows_per_second,
            window=window,
            detectors=tuple(detectors.split(",")) if detectors else None,
            seed=seed,
        )
    write_outcome(outcome, output.value, shown)
    raise typer.Exit(1 if outcome.episodes else 0)
