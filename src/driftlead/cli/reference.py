"""The reference that commands compare with: a table's columns, or a profile of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftlead import state
from driftlead.calibration import Calibration, rows_per_false_alarm
from driftlead.errors import InvalidDataError, InvalidParameterError, ReferenceMismatchError
from driftlead.monitor import MonitorSettings
from driftlead.monitor.watch import detector_specs
from driftlead.reference import ReferenceProfile
from driftlead.reference.tables import Table, open_table

__all__ = [
    "Progress",
    "batches",
    "is_table",
    "load_profile",
    "load_settings",
    "open_columns",
    "require_output",
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


def require_output(output: Path) -> None:
    """Refuse a file that cannot be written before the work that it shall keep, not after.

    Raises
    ------
    InvalidParameterError
        Its folder does not exist, or it is one itself, or may not be written.
    """
    try:
        state.require_writable(output)
    except OSError as error:
        rule = f"a file that can be written ({error.strerror})"
        raise InvalidParameterError("--output", rule, str(output)) from None


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


def load_settings(
    profile: ReferenceProfile,
    calibration: Path | None,
    *,
    false_alarm_every: str | None = None,
    rows_per_second: float | None = None,
    **options: Any,
) -> tuple[Calibration | None, MonitorSettings]:
    """Make settings of options, and of the thresholds that ``driftlead calibrate`` wrote, if there are any.

    Parameters
    ----------
    profile : ReferenceProfile
        What is watched.
    calibration : Path, optional
    false_alarm_every, rows_per_second
        As for `driftlead.calibration.rows_per_false_alarm`; no budget: the calibration's, or the usual one.
    **options
        Other settings; None where the calibration's hold, or else the usual ones.

    Raises
    ------
    InvalidParameterError
        An option breaks its rule.
    StateError
        The calibration cannot be read.
    ReferenceMismatchError
        It is of another profile or for other settings; what differs is named.
    """
    given = {name: value for name, value in options.items() if value is not None}
    if false_alarm_every is not None:
        given["false_alarm_every"] = rows_per_false_alarm(false_alarm_every, rows_per_second)
    if calibration is None:
        return None, MonitorSettings(**given)
    found = Calibration.load(calibration)
    own: dict[str, Any] = {"guarantee": found.guarantee}
    for parameters in found.parameters.values():
        own |= {name: parameters[name] for name in ("window", "delta") if name in parameters}
    settings = MonitorSettings(**{**own, **given})
    if false_alarm_every is None:
        settings = settings.with_rows_budget(profile, found.false_alarm_every)
    rows = settings.for_rows(profile)
    try:
        found.require(profile, rows.false_alarm_every, detector_specs(rows), rows.guarantee)
    except ReferenceMismatchError as difference:
        raise ReferenceMismatchError(f"--calibration {calibration} does not fit: {difference}") from None
    return found, settings


def _names(profile: ReferenceProfile) -> list[str]:
    """Names of the columns that a profile's signals are."""
    return [signal.name.removeprefix(_FEATURE) for signal in profile.signals]
