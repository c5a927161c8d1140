"""The reference that commands compare with: a table's columns, or a profile of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from driftlead.calibration import Calibration
from driftlead.errors import InvalidDataError, InvalidParameterError, ReferenceMismatchError
from driftlead.monitor import MonitorSettings
from driftlead.monitor.watch import detector_specs
from driftlead.reference import ReferenceProfile
from driftlead.reference.tables import Table, open_table

__all__ = [
    "Progress",
    "batches",
    "is_table",
    "load_calibration",
    "load_profile",
    "open_columns",
    "take_profile",
]

Progress = Callable[[str, int, int | None], None]

_TABLES = (".csv", ".tsv", ".jsonl", ".parquet")
_FEATURE = "feature:"
_ROWS_AT_ONCE = 4_096


def is_table(path: Path) -> bool:
    """Return whether a file is a table by its ending; every other one is taken for a profile."""
    return path.suffix.lower() in _TABLES


def load_profile(path: Path) -> ReferenceProfile:
    """Load a profile, where a table does not do.

    Raises
    ------
    InvalidParameterError
        It is a table.
    StateError
        It cannot be read.
    """
    if is_table(path):
        advice = f"driftlead profile {path} -o {path.with_suffix('.state').name} takes one"
        raise InvalidParameterError("--reference", f"a profile ({advice})", str(path))
    return ReferenceProfile.load(path)


def take_profile(path: Path, columns: Sequence[str] | None, progress: Progress) -> ReferenceProfile:
    """Return the profile of a table as ``driftlead profile`` takes it, or the one that a file holds.

    Parameters
    ----------
    path : Path
    columns : sequence of str, optional
        Columns of a table; all by default.
    progress : callable
        Told what is done, how much, and of how much.

    Raises
    ------
    InvalidDataError, StateError
        The file cannot be read, lacks a column, or is a profile of other columns.
    """
    if is_table(path):
        return ReferenceProfile.from_file(
            path,
            columns=columns,
            model_hash="",
            progress=lambda done, total: progress("reference", done, total),
        )
    profile = ReferenceProfile.load(path)
    names = _names(profile)
    if columns is not None and list(columns) != names:
        raise InvalidDataError(f"{path} is a profile of {', '.join(names)}; leave --columns out")
    return profile


def open_columns(path: Path, profile: ReferenceProfile) -> Table:
    """Open a table's columns of a profile, texts where it has texts."""
    texts = [name.removeprefix(_FEATURE) for name in profile.categories]
    table = open_table(path, _names(profile), texts)
    for name, is_text in zip(table.columns, table.is_text, strict=True):
        if is_text and name not in texts:
            raise InvalidDataError(f"{path}: column {name!r} holds text, and numbers in the reference")
    return table


def batches(table: Table, profile: ReferenceProfile) -> Iterator[NDArray[np.float64]]:
    """Yield the rows of an opened table as the profile's signals, some thousand at once.

    Always as many, so that what is said of a file does not depend on its format.
    """
    prefixed = {signal.name.removeprefix(_FEATURE): signal.name for signal in profile.signals}
    rest = np.empty((0, profile.n_signals))
    for rows in table.rows(lambda column, texts: profile.encode(prefixed[column], texts)):
        rest = np.concatenate([rest, rows])
        while len(rest) >= _ROWS_AT_ONCE:
            yield rest[:_ROWS_AT_ONCE]
            rest = rest[_ROWS_AT_ONCE:]
    if len(rest):
        yield rest


def load_calibration(
    path: Path, profile: ReferenceProfile, settings: MonitorSettings
) -> tuple[Calibration, MonitorSettings]:
    """Load thresholds that ``driftlead calibrate`` wrote.

    Parameters
    ----------
    path : Path
    profile : ReferenceProfile
        What they must have been found for.
    settings : MonitorSettings
        As the options say.

    Returns
    -------
    calibration : Calibration
    settings : MonitorSettings
        With what only ``calibrate`` has options for: guarantee and Page-Hinkley's delta.

    Raises
    ------
    StateError
        It cannot be read.
    ReferenceMismatchError
        It was made for another profile or for other settings.
    """
    calibration = Calibration.load(path)
    delta = calibration.parameters.get("page_hinkley", {}).get("delta", settings.delta)
    settings = replace(settings, guarantee=calibration.guarantee, delta=delta)
    rows = settings.for_rows(profile)
    try:
        calibration.require(profile, rows.false_alarm_every, detector_specs(rows), rows.guarantee)
    except ReferenceMismatchError as difference:
        raise ReferenceMismatchError(f"--calibration {path} does not fit: {difference}") from None
    return calibration, settings


def _names(profile: ReferenceProfile) -> list[str]:
    """Names of the columns that a profile's signals are."""
    return [signal.name.removeprefix(_FEATURE) for signal in profile.signals]
