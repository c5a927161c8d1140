"""What a row changes: bins, detectors, alarms. Plain state without a thread; the monitor's worker runs it."""

from __future__ import annotations

import functools
import hashlib
import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftlead.calibration import Calibration
from driftlead.errors import DriftleadError, ReferenceMismatchError, StateError
from driftlead.monitor.batch_rows import BatchRows
from driftlead.monitor.bins import BinCounter, SignalBins
from driftlead.monitor.drifted_signals import Activity
from driftlead.monitor.episode import EpisodeEvent
from driftlead.monitor.episodes import EpisodeTracker
from driftlead.monitor.history import History, HistorySamples
from driftlead.monitor.missing import MissingWatch
from driftlead.monitor.settings import MonitorSettings
from driftlead.monitor.snapshot import Alarm, DetectorSnapshot
from driftlead.monitor.watch import Detected, build_watches
from driftlead.ranks import SortedReference
from driftlead.reference import ReferenceProfile

__all__ = ["Detection"]


class Detection:
    """All detectors over all signals, the bins, and the latest window of rows.

    Parameters
    ----------
    profile : ReferenceProfile
        The reference of every signal.
    settings : MonitorSettings
        How to watch.
    calibration : Calibration, optional
        Thresholds; without one the budget is split evenly, as for independent rows.
    on_error : callable
        Called with the name of the place, inside the ``except`` block, for every part that fails on a batch;
        the others go on.

    Attributes
    ----------
    rows : int
        Rows so far, those before a restart included.
    history : History
        Statistic over threshold of every pair of signal and detector over time, watch after watch.
    """

    def __init__(
        self,
        profile: ReferenceProfile,
        settings: MonitorSettings,
        calibration: Calibration | None = None,
        on_error: Callable[[str], None] = lambda where: None,
    ) -> None:
        self.profile = profile
        self.settings = settings
        self.rows = 0
        self._rows_before = 0
        self.reference = SortedReference(profile.samples)
        self.watches = build_watches(profile, settings, calibration)
        self.missing = MissingWatch(profile, settings)
        self.bins = BinCounter(
            [
                # As many missing values as go with the sample, which is thinned where the reference is large.
                SignalBins.from_sample(signal, sample, missing * len(sample) / (profile.n_rows - missing))
                for signal, sample, missing in zip(
                    profile.signals, profile.samples, profile.missing, strict=True
                )
            ]
        )
        self.tracker = EpisodeTracker(*self._tracked())
        self.recent_alarms: deque[Alarm] = deque(maxlen=settings.recent_alarms)
        self.history = History(len(self.pairs))
        self._recent_rows = np.full((settings.window, profile.n_signals), np.nan)
        self._recent_times = np.full(settings.window, np.nan)
        self._on_error = on_error

    def compile(self) -> None:
        """Compile all kernels by feeding copies of the detectors, so that no traffic ever waits for it."""
        slots = self.reference.locate(np.full((2, self.profile.n_signals), np.nan))
        for watch in self.watches:
            watch.restored(watch.state()).detect(slots, 0, np.zeros(2))

    def advance(self, rows: NDArray[np.float64], observed_at: NDArray[np.float64]) -> list[EpisodeEvent]:
        """Take rows through bins, detectors and episodes; return what happened to episodes.

        Parameters
        ----------
        rows : ndarray, shape (n, n_signals)
            At least one.
        observed_at : ndarray, shape (n,)
            Seconds since the epoch.
        """
        # An episode can end and another one begin within a long batch, not within its quiet time.
        step = self.tracker.quiet_rows
        return [
            event
            for start in range(0, len(rows), step)
            for event in self._advance(rows[start : start + step], observed_at[start : start + step])
        ]

    def _advance(self, rows: NDArray[np.float64], observed_at: NDArray[np.float64]) -> list[EpisodeEvent]:
        slots = self.reference.locate(rows)
        try:
            self.bins.add(slots)
        except Exception:
            self._on_error("bins")
        alarms: list[Alarm] = []
        activity: list[Activity] = []
        tests: list[tuple[str, Callable[[int, NDArray[np.float64]], Detected | None]]] = [
            *((watch.name, functools.partial(watch.detect, slots)) for watch in self.watches),
            (self.missing.name, functools.partial(self.missing.detect, rows, lambda: self.recent()[0])),
        ]
        for name, detect in tests:
            try:
                found = detect(self.rows, observed_at)
            except Exception:
                self._on_error(name)
                continue
            if found is not None:
                alarms += found.alarms
                activity.append(found.activity)
        self.recent_alarms.extend(sorted(alarms, key=lambda alarm: alarm.row))
        # A copy of the window, which this batch overwrites, is only looked at while something drifts.
        drifts = bool(activity) or self.tracker.open_id is not None
        before = self.recent()[0] if drifts else rows[:0]
        self._remember(rows, observed_at)
        try:
            self._extend_history(activity, float(observed_at[-1]))
        except Exception:
            self._on_error("history")
        try:
            recent = BatchRows(self.reference, self.bins, before, slots, self.window_mean)
            return self.tracker.advance(self.rows, float(observed_at[-1]), activity, recent)
        except Exception:
            self._on_error("episodes")
            return []

    def _remember(self, rows: NDArray[np.float64], observed_at: NDArray[np.float64]) -> None:
        window = self.settings.window
        kept = rows[-window:]
        places = (self.rows + len(rows) - len(kept) + np.arange(len(kept))) % window
        self._recent_rows[places] = kept
        self._recent_times[places] = observed_at[-len(kept) :]
        self.rows += len(rows)

    def _extend_history(self, activity: Sequence[Activity], now: float) -> None:
        # Between two samples an alarm may come and go: Page-Hinkley starts anew after each.
        peaks = {each.detector: each for each in activity}
        first = 0
        for test in (*self.watches, self.missing):
            if peak := peaks.get(test.name):
                self.history.note(first + np.searchsorted(test.columns, peak.signals), peak.peak)
            first += len(test.columns)
        if self.history.due(now):
            self.history.add(now, self.rows, self._ratios())

    def _ratios(self) -> NDArray[np.float64]:
        ratios = [watch.detector.statistic / watch.detector.threshold for watch in self.watches]
        return np.concatenate([*ratios, self.missing.ratio])

    def _samples(self) -> HistorySamples:
        """Return the history until the latest row: where no more came, it was in no sample yet."""
        samples = self.history.samples()
        if not len(samples) or samples.row[-1] == self.rows:
            return samples
        return self.history.samples_until(float(self.recent()[1][-1]), self.rows, self._ratios())

    def _tracked(self) -> tuple[ReferenceProfile, tuple[SignalBins, ...], int]:
        """Return what a tracker of episodes is made of."""
        return self.profile, self.bins.bins, self.settings.quiet_rows or self.settings.window

    def recent(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the latest rows, at most a window, oldest first, and when each was observed."""
        count = min(self.rows, self.settings.window)
        places = (self.rows - count + np.arange(count)) % self.settings.window
        return self._recent_rows[places], self._recent_times[places]

    def window_mean(self) -> NDArray[np.float64]:
        """Return the mean of each signal over the latest window of rows; NaN without values."""
        present = ~np.isnan(self._recent_rows)
        counts = present.sum(axis=0)
        # +inf and -inf in one window have no mean, and the sum of huge values is infinite.
        with np.errstate(invalid="ignore", over="ignore"):
            sums = np.where(present, self._recent_rows, 0.0).sum(axis=0)
        means = np.full(len(counts), np.nan)
        np.divide(sums, counts, out=means, where=counts > 0)
        return means

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Signal and detector of each column of the history."""
        return tuple((signal, test.name) for test in (*self.watches, self.missing) for signal in test.signals)

    def remembered(self) -> tuple[HistorySamples, tuple[tuple[str, str], ...]]:
        """Return the history of what is shown, and the pair of each column."""
        samples, pairs = self._samples(), self.pairs
        always = len(pairs) - len(self.missing.met)
        shown = np.flatnonzero(np.append(np.ones(always, dtype=np.bool_), self.missing.met))
        return replace(samples, values=samples.values[:, shown]), tuple(pairs[place] for place in shown)

    @property
    def rows_since_start(self) -> int:
        """Rows that this process has seen."""
        return self.rows - self._rows_before

    def acknowledge(self, episode_id: str, now: float, by: str, note: str | None) -> EpisodeEvent | None:
        """Acknowledge the open episode, if it has this id."""
        return self.tracker.acknowledge(now, by, note) if self.tracker.open_id == episode_id else None

    def resolve(self, episode_id: str, now: float, by: str, note: str | None) -> EpisodeEvent | None:
        """End the open episode at a person's word, if it has this id."""
        return self.tracker.resolve(now, "closed", by, note) if self.tracker.open_id == episode_id else None

    def succeed(self, before: Detection) -> None:
        """Take over from a detection with another reference: rows are numbered on, windows begin anew."""
        self.rows, self._rows_before = before.rows, before._rows_before
        self._recent_rows, self._recent_times = before._recent_rows, before._recent_times
        self.recent_alarms.extend(before.recent_alarms)
        self.history = before.history

    def detectors(self) -> tuple[DetectorSnapshot, ...]:
        """Return every detector's state as plain data."""
        return (*(watch.snapshot(self.rows) for watch in self.watches), *self.missing.snapshots(self.rows))

    # --- across restarts -----------------------------------------------------------------------------

    @functools.cached_property
    def fingerprint(self) -> str:
        """A digest of all that must be equal for a state to be continued; thresholds need not be."""
        settings = self.settings
        parts = {
            "model": self.profile.model_hash,
            "signals": [[signal.name, signal.kind] for signal in self.profile.signals],
            "reference": self.reference.digest(),
            "watches": [[watch.name, watch.columns.tolist()] for watch in self.watches],
            "settings": [
                settings.window,
                settings.delta,
                settings.direction,
                settings.bins,
                settings.seed,
            ],
        }
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def state(self) -> dict[str, Any]:
        """Return all that is needed to continue after a restart, as plain arrays and scalars."""
        alarms = list(self.recent_alarms)
        samples, pairs = self.remembered()
        return {
            "fingerprint": self.fingerprint,
            "rows": self.rows,
            "recent_rows": self._recent_rows.copy(),
            "recent_times": self._recent_times.copy(),
            "bins": self.bins.counts.copy(),
            "alarms": {
                "signal": [alarm.signal for alarm in alarms],
                "detector": [alarm.detector for alarm in alarms],
                "row": np.array([alarm.row for alarm in alarms], dtype=np.int64),
                "numbers": np.array([[a.at, a.statistic, a.threshold] for a in alarms]).reshape(-1, 3),
            },
            "watches": [watch.state() for watch in self.watches],
            "missing": self.missing.state(),
            "episodes": self.tracker.state(),
            # Whoever reads the file without the model finds out what the history's columns are.
            "pairs": [list(pair) for pair in pairs],
            "history": dict(vars(samples)),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue where `state` was taken.

        Raises
        ------
        StateError
            The state belongs to another model, reference or setting, or is damaged. Nothing has changed then.
        """
        try:
            if state["fingerprint"] != self.fingerprint:
                raise StateError("it was saved for another model, reference or setting of the detectors")
            rows = int(state["rows"])
            recent_rows = np.asarray(state["recent_rows"], dtype=np.float64)
            recent_times = np.asarray(state["recent_times"], dtype=np.float64)
            counts = np.asarray(state["bins"], dtype=np.int64)
            shapes = (recent_rows.shape, recent_times.shape, counts.shape)
            expected = (self._recent_rows.shape, self._recent_times.shape, self.bins.counts.shape)
            if shapes != expected or rows < 0:
                raise StateError("its windows or bins are those of another version, or inconsistent")
            alarms = [
                Alarm(int(row), float(numbers[0]), signal, detector, float(numbers[1]), float(numbers[2]))
                for signal, detector, row, numbers in zip(
                    state["alarms"]["signal"],
                    state["alarms"]["detector"],
                    state["alarms"]["row"],
                    state["alarms"]["numbers"],
                    strict=True,
                )
            ]
            restored = [
                watch.restored(each) for watch, each in zip(self.watches, state["watches"], strict=True)
            ]
            tracker = EpisodeTracker.from_state(state["episodes"], *self._tracked())
            # A state of an earlier version has neither.
            if "missing" in state:
                self.missing.restore(state["missing"])
            if "history" in state:
                self.history.restore(self._of_all_pairs(state))
        except (StateError, ReferenceMismatchError):
            raise
        except (DriftleadError, KeyError, TypeError, ValueError, IndexError) as error:
            raise StateError(f"it is incomplete or inconsistent ({error})") from error
        self.rows = self._rows_before = rows
        self._recent_rows, self._recent_times = recent_rows.copy(), recent_times.copy()
        self.bins.continue_from(counts)
        self.recent_alarms.extend(alarms)
        self.watches = restored
        self.tracker = tracker

    def _of_all_pairs(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """Return a saved history with a column for every pair, also for those that were not shown."""
        saved = np.asarray(state["history"]["values"])
        place = {pair: column for column, pair in enumerate(self.pairs)}
        pairs = [tuple(pair) for pair in state.get("pairs", self.pairs[: saved.shape[1]])]
        values = np.zeros((len(saved), len(place)), dtype=saved.dtype)
        values[:, [place[pair] for pair in pairs]] = saved
        return {**state["history"], "values": values}

    @classmethod
    def merged(
        cls,
        profile: ReferenceProfile,
        settings: MonitorSettings,
        states: Sequence[Mapping[str, Any]],
        calibration: Calibration | None = None,
    ) -> Detection:
        """Return the detection of one monitor that has seen what several replicas saw.

        Counts and bins add. The rows that the replicas remember are put in the order of time and fed to fresh
        detectors, from the first moment on that every replica remembers: at least a window of rows.
        Statistics of windows are then those of a single monitor; Page-Hinkley, which sums over all time,
        starts there.

        Parameters
        ----------
        profile, settings, calibration
            As all of the replicas had them.
        states : sequence of mapping
            What `state` returned on each.

        Raises
        ------
        StateError
            A state belongs to another model, reference or setting, or is damaged.
        """
        parts = []
        for state in states:
            part = cls(profile, settings, calibration)
            part.restore(state)
            parts.append(part)
        whole = cls(profile, settings, calibration)
        remembered = [part.recent() for part in parts if part.rows]
        if remembered:
            # A replica that has not filled its window yet remembers everything.
            start = max(
                (times[0] for part, (_, times) in zip([p for p in parts if p.rows], remembered, strict=True)
                 if part.rows > len(times)),
                default=-np.inf,
            )  # fmt: skip
            rows = np.concatenate([rows for rows, _ in remembered])
            times = np.concatenate([times for _, times in remembered])
            order = np.argsort(times, kind="stable")
            order = order[times[order] >= start]
            whole.rows = sum(part.rows for part in parts) - len(order)
            whole.advance(rows[order], times[order])
            whole.tracker = EpisodeTracker(*whole._tracked())  # the replicas' own episodes are in their store
        whole.bins.counts[:] = np.sum([part.bins.counts for part in parts], axis=0)
        whole.recent_alarms.clear()
        whole.recent_alarms.extend(
            sorted((alarm for part in parts for alarm in part.recent_alarms), key=lambda alarm: alarm.at)
        )
        for index, watch in enumerate(whole.watches):
            watch.alarms = np.sum([part.watches[index].alarms for part in parts], axis=0)
        whole.missing.merge([part.missing for part in parts])
        return whole
