"""One detector over the signals that it can watch, with the alarms that it raised."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from driftlead.calibration import Calibration, DetectorSpec, calibrate, specs
from driftlead.detectors import NMDDM, Detector, IncrementalKS, PageHinkley
from driftlead.errors import InvalidParameterError, StateError
from driftlead.monitor.drifted_signals import Activity
from driftlead.monitor.settings import MonitorSettings
from driftlead.monitor.snapshot import Alarm, DetectorSnapshot
from driftlead.ranks import SortedReference
from driftlead.reference import ReferenceProfile

__all__ = ["Alarms", "Detected", "Watch", "build_watches", "detector_specs", "excursions"]


class Detected(NamedTuple):
    """What one detector saw in one batch: the alarms that open an excursion, and all of them summed up."""

    alarms: list[Alarm]
    activity: Activity


class Alarms:
    """The alarms of one test over some of the monitor's signals, told apart into excursions.

    Parameters
    ----------
    name : str
        The test's.
    columns : ndarray of int64
        Which of the monitor's columns it watches.
    signals : tuple of str
        Their names.
    window : int
        Rows without an alarm after which an excursion is over.
    """

    def __init__(self, name: str, columns: NDArray[np.int64], signals: tuple[str, ...], window: int) -> None:
        self.name = name
        self.columns = columns
        self.signals = signals
        self.window = window
        self.alarms = np.zeros(len(columns), dtype=np.int64)
        self.alarms_before = np.zeros(len(columns), dtype=np.int64)
        self.first_alarm_row = np.zeros(len(columns), dtype=np.int64)
        self.last_alarm_row = np.zeros(len(columns), dtype=np.int64)

    def note(
        self,
        statistic: NDArray[np.float64],
        alarm: NDArray[np.bool_],
        threshold: NDArray[np.float64],
        rows_before: int,
        observed_at: NDArray[np.float64],
    ) -> Detected | None:
        """Take what the test said after each row, shape (rows, k); return what alarmed, None where none."""
        if not alarm.any():
            return None
        rows, columns, first = excursions(alarm, rows_before + 1, self.last_alarm_row, self.window)
        np.add.at(self.alarms, columns[first], 1)
        np.maximum.at(self.last_alarm_row, columns, rows)
        fresh = first & (self.first_alarm_row[columns] == 0)
        # Rows ascend within a column, so writing backwards leaves the earliest.
        self.first_alarm_row[columns[fresh][::-1]] = rows[fresh][::-1]
        offsets = rows - rows_before - 1
        reached, limit = statistic[offsets, columns], threshold[columns]
        alarms = [
            Alarm(
                row=int(rows[at]),
                at=float(observed_at[offsets[at]]),
                signal=self.signals[columns[at]],
                detector=self.name,
                statistic=float(reached[at]),
                threshold=float(limit[at]),
            )
            for at in np.flatnonzero(first)
        ]
        activity = Activity.from_alarms(self.name, self.columns[columns], rows, first, reached / limit)
        return Detected(alarms, activity)

    def snapshot_of(
        self, statistic: NDArray[np.float64], threshold: NDArray[np.float64], rows: int
    ) -> DetectorSnapshot:
        """Return the state after so many rows, as plain data."""
        raised = self.last_alarm_row > 0
        return DetectorSnapshot(
            name=self.name,
            columns=self.columns,
            statistic=statistic,
            threshold=threshold,
            drifting=raised & (rows - self.last_alarm_row < self.window),
            alarms=self.alarms.copy(),
            alarms_since_start=self.alarms - self.alarms_before,
            first_alarm_row=self.first_alarm_row.copy(),
            last_alarm_row=self.last_alarm_row.copy(),
        )

    def state(self) -> dict[str, Any]:
        """Return all that is needed to continue after a restart."""
        return {name: getattr(self, name).copy() for name in _KEPT}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue where `state` was taken.

        Raises
        ------
        StateError
            The state is of another number of signals.
        """
        for name in _KEPT:
            values = np.array(state[name], dtype=np.int64)
            if values.shape != self.columns.shape:
                raise StateError(f"{name} of {self.name} has another length than its signals")
            setattr(self, name, values)
        self.alarms_before = self.alarms.copy()


_KEPT = ("alarms", "first_alarm_row", "last_alarm_row")


class Watch(Alarms):
    """One detector over the columns that it can watch, and its alarms so far.

    Parameters
    ----------
    name : str
        The detector's, as in `MonitorSettings.detectors`.
    detector : Detector
        One object over all watched signals.
    columns, signals, window
        As for `Alarms`.
    """

    def __init__(
        self,
        name: str,
        detector: Detector,
        columns: NDArray[np.int64],
        signals: tuple[str, ...],
        window: int,
    ) -> None:
        super().__init__(name, columns, signals, window)
        self.detector = detector

    def detect(
        self, slots: NDArray[np.int32], rows_before: int, observed_at: NDArray[np.float64]
    ) -> Detected | None:
        """Take located rows of all the monitor's columns; return what alarmed, None where nothing did."""
        trace = self.detector.update_located(np.ascontiguousarray(slots[:, self.columns]))
        return self.note(trace.statistic, trace.alarm, self.detector.threshold, rows_before, observed_at)

    def snapshot(self, rows: int) -> DetectorSnapshot:
        """Return the state after so many rows, as plain data."""
        return self.snapshot_of(self.detector.statistic.copy(), self.detector.threshold.copy(), rows)

    def state(self) -> dict[str, Any]:
        """Return all that is needed to continue after a restart, the reference aside."""
        return {"detector": self.detector.state(with_reference=False), **super().state()}

    def restored(self, state: Mapping[str, Any]) -> Watch:
        """Return a watch like this one, with its thresholds, that continues where `state` was taken.

        Raises
        ------
        StateError, ReferenceMismatchError
            The state is not of such a watch.
        """
        current = {**state["detector"], "threshold": self.detector.threshold.copy()}
        detector = type(self.detector).from_state(current, self.detector.reference)
        watch = Watch(self.name, detector, self.columns, self.signals, self.window)
        watch.restore(state)
        return watch


def detector_specs(settings: MonitorSettings) -> tuple[DetectorSpec, ...]:
    """Return the tests that settings ask for, as `driftlead.calibration.calibrate` takes them."""
    known = {
        "page_hinkley": specs.page_hinkley(settings.delta, settings.direction, settings.seed),
        "incremental_ks": specs.incremental_ks(settings.window, settings.seed),
        "nmddm": specs.nmddm(settings.window, settings.bins, settings.seed),
    }
    return tuple(known[each] if isinstance(each, str) else each for each in settings.detectors)


def build_watches(
    profile: ReferenceProfile, settings: MonitorSettings, calibration: Calibration | None = None
) -> list[Watch]:
    """One detector object per test, over all the signals that it can watch, within the shared budget.

    Parameters
    ----------
    profile : ReferenceProfile
    settings : MonitorSettings
    calibration : Calibration, optional
        Thresholds found for this profile and these settings. Without it the budget is split evenly, and
        signals are taken to be independent of their past and of each other. A guarantee is kept, and a
        detector of one's own given thresholds, by calibrating so.

    Raises
    ------
    ReferenceMismatchError
        The calibration is for another profile or for other settings.
    InvalidParameterError
        No detector can watch any of the signals, or one's own is not what its specification says.
    """
    tests = detector_specs(settings)
    if calibration is not None:
        calibration.require(profile, settings.false_alarm_every, tests, settings.guarantee)
    elif settings.guarantee is not None or settings.own_detectors:
        calibration = calibrate(
            profile,
            false_alarm_every=settings.false_alarm_every,
            detectors=tests,
            guarantee=settings.guarantee,
            joint_budget=False,
        )
    categorical = np.array([signal.kind == "categorical" for signal in profile.signals])
    every, ordered = np.arange(profile.n_signals), np.flatnonzero(~categorical)
    watched = {spec.name: ordered if spec.ordered_only else every for spec in tests}
    pairs = sum(len(columns) for columns in watched.values())
    if not pairs:
        raise InvalidParameterError("detectors", "able to watch one of the signals", settings.detector_names)
    watches = []
    for spec in tests:
        columns = watched[spec.name]
        if not len(columns):
            continue
        reference = SortedReference([profile.samples[index] for index in columns])
        if calibration is None:
            detector = _detector(
                spec.name, reference, categorical[columns], settings, settings.false_alarm_every * pairs
            )
        else:
            detector = spec.make(reference, calibration.thresholds(spec.name), categorical[columns])
        names = tuple(profile.signals[index].name for index in columns)
        watches.append(Watch(spec.name, detector, columns, names, spec.window or settings.window))
    return watches


def _detector(
    name: str,
    reference: SortedReference,
    categorical: NDArray[np.bool_],
    settings: MonitorSettings,
    false_alarm_every: float,
) -> Detector:
    if name == "page_hinkley":
        return PageHinkley(
            reference,
            delta=settings.delta,
            direction=settings.direction,
            false_alarm_every=false_alarm_every,
            seed=settings.seed,
        )
    if name == "incremental_ks":
        return IncrementalKS(
            reference, window=settings.window, false_alarm_every=false_alarm_every, seed=settings.seed
        )
    return NMDDM(
        reference,
        window=settings.window,
        bins=settings.bins,
        categorical=categorical,
        false_alarm_every=false_alarm_every,
        seed=settings.seed,
    )


def excursions(
    alarm: NDArray[np.bool_], first_row: int, last_alarm_row: NDArray[np.int64], window: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Alarming rows by column, and which of them open an excursion: a window or more after the one before."""
    columns, offsets = np.nonzero(alarm.T)
    rows = offsets + first_row
    before = np.concatenate([[0], rows[:-1]])
    opens = np.concatenate([[True], columns[1:] != columns[:-1]])
    before = np.where(opens, last_alarm_row[columns], before)
    return rows, columns, (before == 0) | (rows - before >= window)
