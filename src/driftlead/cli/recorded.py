"""A recorded file through a monitor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from driftlead.calibration import Calibration
from driftlead.calibration import calibrate as find_thresholds
from driftlead.errors import InvalidDataError
from driftlead.monitor import Episode, Monitor, MonitorSettings
from driftlead.monitor.watch import detector_specs
from driftlead.reference import ReferenceProfile
from driftlead.reference.tables import Table, open_table

__all__ = ["Outcome", "replay_file"]

_FEATURE = "feature:"
_ROWS_AT_ONCE = 4_096
Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What was replayed, and what drifted.

    Attributes
    ----------
    data : Path
    rows : int
    profile : ReferenceProfile
    settings : MonitorSettings
    calibration : Calibration or None
    episodes : tuple of Episode
        In the order of their rows, as they stood at the end.
    """

    data: Path
    rows: int
    profile: ReferenceProfile
    settings: MonitorSettings
    calibration: Calibration | None
    episodes: tuple[Episode, ...]


def replay_file(
    data: Path,
    reference: Path,
    settings: MonitorSettings,
    columns: Sequence[str] | None = None,
    *,
    calibrate: bool = False,
    progress: Progress,
) -> Outcome:
    """Run a monitor over a file, a batch of rows at a time.

    Parameters
    ----------
    data, reference : Path
        Tables; the reference may be a profile that `ReferenceProfile.save` wrote.
    settings : MonitorSettings
    columns : sequence of str, optional
        Columns to watch; all of the reference's by default.
    calibrate : bool
        Whether thresholds are simulated from the reference's rows.
    progress : callable
        Told what is done, how much, and of how much.

    Raises
    ------
    InvalidDataError
        A file cannot be read, or lacks a column.
    """
    is_profile = reference.suffix not in (".csv", ".tsv", ".jsonl", ".parquet")
    if is_profile:
        profile = ReferenceProfile.load(reference)
        names = [signal.name.removeprefix(_FEATURE) for signal in profile.signals]
        if columns is not None and list(columns) != names:
            raise InvalidDataError(f"{reference} is a profile of {', '.join(names)}; leave --columns out")
    else:
        profile = ReferenceProfile.from_file(
            reference,
            columns=columns,
            model_hash="",
            progress=lambda done, total: progress("reference", done, total),
        )
    found = None
    if calibrate:
        if is_profile:
            raise InvalidDataError(f"--calibrate needs the reference's rows, and {reference} is a profile")
        rows = np.concatenate(list(_batches(_open(reference, profile), profile)))
        found = find_thresholds(
            profile,
            rows,
            false_alarm_every=settings.false_alarm_every,
            detectors=detector_specs(settings),
            guarantee=settings.guarantee,
            seed=settings.seed,
            progress=progress,
        )
    return _replay(data, profile, settings, found, progress)


def _replay(
    data: Path,
    profile: ReferenceProfile,
    settings: MonitorSettings,
    calibration: Calibration | None,
    progress: Progress,
) -> Outcome:
    episodes: dict[str, Episode] = {}
    monitor = Monitor(profile, settings, calibration=calibration)
    monitor.on_episode(lambda kind, episode: episodes.__setitem__(episode.id, episode))
    table = _open(data, profile)
    done = 0
    for batch in _batches(table, profile):
        monitor.process(batch)
        done += len(batch)
        progress("rows", done, table.n_rows)
    if not done:
        raise InvalidDataError(f"{data} must have at least one row")
    # What changed since the last event of an open one.
    episodes |= {episode.id: episode for episode in monitor.snapshot().open_episodes}
    monitor.close()
    ordered = tuple(sorted(episodes.values(), key=lambda episode: episode.opened_row))
    return Outcome(data, done, profile, settings, calibration, ordered)


def _open(path: Path, profile: ReferenceProfile) -> Table:
    """Open a table's columns of a profile, texts where it has texts."""
    names = [signal.name.removeprefix(_FEATURE) for signal in profile.signals]
    texts = [name.removeprefix(_FEATURE) for name in profile.categories]
    table = open_table(path, names, texts)
    for name, is_text in zip(table.columns, table.is_text, strict=True):
        if is_text and name not in texts:
            raise InvalidDataError(f"{path}: column {name!r} holds text, and numbers in the reference")
    return table


def _batches(table: Table, profile: ReferenceProfile) -> Iterator[NDArray[np.float64]]:
    prefixed = {signal.name.removeprefix(_FEATURE): signal.name for signal in profile.signals}
    for rows in table.rows(lambda column, texts: profile.encode(prefixed[column], texts)):
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            yield rows[start : start + _ROWS_AT_ONCE]
