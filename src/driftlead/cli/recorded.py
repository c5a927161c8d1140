"""A recorded file through a monitor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from driftlead.calibration import Calibration
from driftlead.calibration import calibrate as find_thresholds
from driftlead.cli.reference import (
    Progress,
    batches,
    is_table,
    load_settings,
    open_columns,
    take_profile,
)
from driftlead.errors import InvalidDataError
from driftlead.monitor import Episode, Monitor, MonitorSettings
from driftlead.monitor.watch import detector_specs
from driftlead.reference import ReferenceProfile

__all__ = ["Outcome", "replay_file"]


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
    rising : tuple of str
        Signals that rose with every row.
    """

    data: Path
    rows: int
    profile: ReferenceProfile
    settings: MonitorSettings
    calibration: Calibration | None
    episodes: tuple[Episode, ...]
    rising: tuple[str, ...]


def replay_file(
    data: Path,
    reference: Path,
    columns: Sequence[str] | None = None,
    *,
    calibrate: bool = False,
    calibration: Path | None = None,
    progress: Progress,
    **options: Any,
) -> Outcome:
    """Run a monitor over a file, a batch of rows at a time.

    Parameters
    ----------
    data, reference : Path
        Tables; the reference may be a profile that `ReferenceProfile.save` wrote.
    columns : sequence of str, optional
        Columns to watch; all of the reference's by default.
    calibrate : bool
        Whether thresholds are simulated from the reference's rows.
    calibration : Path, optional
        Thresholds that ``driftlead calibrate`` wrote for this reference.
    progress : callable
        Told what is done, how much, and of how much.
    **options
        As for `driftlead.cli.reference.load_settings`.

    Raises
    ------
    InvalidParameterError
        An option breaks its rule.
    InvalidDataError
        A file cannot be read, or lacks a column.
    StateError, ReferenceMismatchError
        The calibration cannot be read, or does not fit.
    """
    profile = take_profile(reference, columns, progress)
    found, settings = load_settings(profile, calibration, **options)
    if calibrate:
        if not is_table(reference):
            raise InvalidDataError(f"--calibrate needs the reference's rows, and {reference} is a profile")
        rows = np.concatenate(list(batches(open_columns(reference, profile), profile)))
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
    table = open_columns(data, profile)
    done = 0
    rising = np.full(profile.n_signals, True)
    last = np.full((1, profile.n_signals), -np.inf)
    for batch in batches(table, profile):
        monitor.process(batch)
        rising &= (batch > np.concatenate([last, batch[:-1]])).all(axis=0)
        last = batch[-1:]
        done += len(batch)
        progress("rows", done, max(done, table.expected_rows))
    if not done:
        raise InvalidDataError(f"{data} must have at least one row")
    # What changed since the last event of an open one.
    episodes |= {episode.id: episode for episode in monitor.snapshot().open_episodes}
    monitor.close()
    ordered = tuple(sorted(episodes.values(), key=lambda episode: episode.opened_row))
    counters = tuple(signal.name for signal, rises in zip(profile.signals, rising, strict=True) if rises)
    return Outcome(data, done, profile, settings, calibration, ordered, counters)
