"""Labels that come in: joined to their predictions, counted, measured and watched."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from driftlead.errors import StateError, StorageError
from driftlead.estimation import AccuracyAudit, AccuracyEstimate, bin_counts
from driftlead.monitor.detection import Detection
from driftlead.monitor.episode import EpisodeEvent
from driftlead.monitor.feedback_outcome import FeedbackOutcome
from driftlead.monitor.history import History, HistorySamples
from driftlead.monitor.labels import checked_labels, measurable
from driftlead.monitor.quality_baseline import QualityBaseline, Renewed, watch_errors
from driftlead.monitor.recorder import Recorder
from driftlead.monitor.records import JoinedLabels
from driftlead.monitor.settings import MonitorSettings
from driftlead.monitor.snapshot import LabelsSnapshot
from driftlead.monitor.wish import Wish
from driftlead.quality import QualityWindow, errors, losses
from driftlead.reference import ReferenceProfile, ReferenceQuality
from driftlead.signals import Signal

__all__ = ["Feedback"]

_CONFIDENCE = "prediction:confidence"

_AT_ONCE = 10_000  # labels in one transaction: others who write wait no longer than for one
_MOST_JOINS = 100  # calls of the store in a row: what is left then is joined a few seconds later


class Feedback:
    """The side of a monitor that labels reach.

    Parameters
    ----------
    profile : ReferenceProfile
        With its quality, if labels are to be measured and watched; without, they are only joined and counted.
    settings : MonitorSettings
    recorder : Recorder
        Of the predictions that labels belong to.
    on_error : callable
        Called with the name of the place, inside the ``except`` block of each failure.
    keep : callable
        `EpisodeLog.keep`: has what happened to episodes kept, in the order in which it happened.
    """

    def __init__(
        self,
        profile: ReferenceProfile,
        settings: MonitorSettings,
        recorder: Recorder,
        on_error: Callable[[str], None],
        keep: Callable[..., None],
    ) -> None:
        self._recorder = recorder
        self._keep = keep
        self._on_error = on_error
        self._deadline = settings.label_deadline_seconds
        self._lock = threading.Lock()
        self._outcomes: Counter[str] = Counter(asdict(FeedbackOutcome()))
        self._profile = profile
        self._settings = settings
        self._baseline = QualityBaseline(profile.quality, settings.quality_window)
        self.lag_seconds = self.received_at = math.nan
        self.quality: QualityWindow | None = None
        self._detection: Detection | None = None
        if self.reference is not None:
            self.quality = QualityWindow(self.reference.n_outputs, settings.quality_window)
            self._detection = self._watching(self.reference)

    @property
    def reference(self) -> ReferenceQuality | None:
        """What errors, losses and the estimate are judged by now."""
        return self._baseline.reference

    @property
    def outcomes(self) -> dict[str, int]:
        """Labels so far, by outcome."""
        with self._lock:
            return dict(self._outcomes)

    def add(
        self, ids: Sequence[str], labels: ArrayLike, now: float
    ) -> Iterator[tuple[FeedbackOutcome, list[EpisodeEvent]]]:
        """Take labels, piece by piece: those of every piece that is yielded are kept.

        Parameters
        ----------
        ids : sequence of str, length n
            Names of the predictions.
        labels : array_like, shape (n,)
            Class names or class indices; true values for a regression.
        now : float
            Seconds since the epoch.

        Raises
        ------
        InvalidDataError
            An id or a label cannot be one; nothing has been kept then.
        StorageError
            The store does not take labels now; nothing has been kept then, unless it is ``uncertain``.
        """
        names, values = checked_labels(ids, labels, self.reference)
        if self._recorder.holds(names):
            # Labelled at once: their predictions are still on their way to the store.
            self._recorder.flush()
        for start in range(0, len(names), _AT_ONCE):
            some = slice(start, start + _AT_ONCE)
            try:
                joined = self._recorder.store.add_labels(names[some], values[some], now)
            except StorageError as error:
                # What came before is kept, and a duplicate when it is sent again.
                error.uncertain |= start > 0
                raise
            outcome = self._count(joined, now)
            with self._lock:
                events = self._measure(joined, now)
            yield outcome, events

    def _count(self, joined: JoinedLabels, now: float) -> FeedbackOutcome:
        self._recorder.count_damaged(joined.damaged)
        late = int(self._is_late(joined, now).sum())
        with self._lock:
            self._outcomes["duplicate"] += joined.duplicate
            self._outcomes["unmatched"] += joined.unmatched
        return FeedbackOutcome(len(joined) - late, late, joined.duplicate, joined.unmatched)

    def join_waiting(self, now: float) -> list[EpisodeEvent]:
        """Join labels that came before their predictions.

        Raises
        ------
        StorageError
            The store does not answer.
        """
        events: list[EpisodeEvent] = []
        for _ in range(_MOST_JOINS):
            joined = self._recorder.store.join_waiting()
            self._recorder.count_damaged(joined.damaged)
            if not len(joined):
                break
            with self._lock:
                events += self._measure(joined, now)
        return events

    @contextmanager
    def detection(self) -> Iterator[Detection | None]:
        """Lend the detection of labelled rows, None where there is none; labels wait meanwhile."""
        with self._lock:
            yield self._detection

    def collect(self, wish: Wish) -> None:
        """Make labelled predictions since a person's wish the reference, once there are enough of them.

        Until then errors, losses and the estimate are judged by the reference that holds.
        """
        with self._lock:
            self._baseline.collect(wish)

    def shared(self) -> tuple[str, dict[str, Any]] | None:
        """Return the reference that a person asked for, by name, for other replicas; None without one."""
        with self._lock:
            return self._baseline.shared()

    def adopt(self, name: str, shared: Mapping[str, Any], now: float) -> list[EpisodeEvent]:
        """Take up a reference that another replica made.

        Raises
        ------
        StateError
            It is damaged, or of another model.
        """
        renewed = Renewed.from_state(name, shared)
        with self._lock:
            if self.reference is None or renewed.reference.n_outputs != self.reference.n_outputs:
                raise StateError("the reference of quality that another replica made has other outputs")
            return self._go_on(renewed, now)

    def snapshot(self, recent_rows: NDArray[np.float64], signals: Sequence[Signal]) -> LabelsSnapshot:
        """Return what is known from labels, and what is estimated without them.

        Parameters
        ----------
        recent_rows : ndarray, shape (rows, n_signals)
            The latest rows, whose labels may not have come yet.
        signals : sequence of Signal
            Their columns.
        """
        with self._lock:
            detection, quality = self._detection, self.quality
            return LabelsSnapshot(
                outcomes=dict(self._outcomes),
                lag_seconds=self.lag_seconds,
                received_at=self.received_at,
                class_names=() if self.reference is None else self.reference.class_names,
                metrics={} if quality is None else quality.metrics(),
                class_metrics={} if quality is None else quality.class_metrics(),
                reference_metrics={} if self.reference is None else self.reference.metrics,
                estimate=self._estimate(recent_rows, signals),
                audit=self._audit(),
                rows=0 if detection is None else detection.rows,
                rows_since_start=0 if detection is None else detection.rows_since_start,
                signals=() if detection is None else detection.profile.signals,
                detectors=() if detection is None else detection.detectors(),
                recent_alarms=() if detection is None else tuple(detection.recent_alarms),
                episode=None if detection is None else detection.tracker.current(),
            )

    def history(self) -> tuple[HistorySamples, tuple[tuple[str, str], ...]]:
        """Return how the errors of labelled rows stood over time, and the pair of each column."""
        with self._lock:
            if self._detection is None:
                return History(0).samples(), ()
            return self._detection.remembered()

    def _audit(self) -> AccuracyAudit | None:
        if self.reference is None or self.reference.calibration is None or not self.quality:
            return None
        right = int(self.quality.correct().sum())
        return self.reference.calibration.audit(bin_counts(self.quality.confidences()), right)

    def merge(self, states: Sequence[Mapping[str, Any]]) -> None:
        """Take over what `state` returned on several replicas.

        Raises
        ------
        StateError
            As for `restore`.
        """
        if self.quality is None or self._detection is None:
            return
        windows = [self._quality_of(state) for state in states]
        # Labels on their way to become a reference are each replica's own.
        baseline = self._baseline.restored({"renewed": states[0].get("renewed")}, self.quality.n_outputs)
        detection = self._judged_by(baseline)
        self._baseline = baseline
        self._detection = Detection.merged(
            detection.profile, detection.settings, [state["detection"] for state in states]
        )
        self.quality = QualityWindow.merged(windows)
        lags = [float(state["lag_seconds"]) for state in states]
        self.lag_seconds = max((lag for lag in lags if not math.isnan(lag)), default=math.nan)

    def _quality_of(self, state: Mapping[str, Any]) -> QualityWindow:
        assert self.quality is not None
        try:
            quality = QualityWindow.from_state(state["quality"])
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(f"what it holds of labels is incomplete ({error})") from error
        if (quality.n_outputs, quality.window) != (self.quality.n_outputs, self.quality.window):
            raise StateError("its window of labelled predictions has another size")
        return quality

    def _estimate(
        self, recent_rows: NDArray[np.float64], signals: Sequence[Signal]
    ) -> AccuracyEstimate | None:
        names = [signal.name for signal in signals]
        if self.reference is None or self.reference.calibration is None or _CONFIDENCE not in names:
            return None
        confidences = recent_rows[:, names.index(_CONFIDENCE)]
        # What a model of other people's calls confidence need not be one.
        usual = (confidences >= 0.0) & (confidences <= 1.0)
        return self.reference.calibration.estimate(bin_counts(confidences[usual]))

    def state(self) -> dict[str, Any]:
        """Return what goes on after a restart, as plain arrays and scalars."""
        with self._lock:
            return {
                "quality": None if self.quality is None else self.quality.state(),
                "detection": None if self._detection is None else self._detection.state(),
                "lag_seconds": self.lag_seconds,
                **self._baseline.state(),
            }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue where `state` was taken.

        Raises
        ------
        StateError
            It was taken for another reference or setting, or is damaged. Nothing has changed then.
        """
        if self.quality is None or self._detection is None:
            return
        quality = self._quality_of(state)
        try:
            lag = float(state["lag_seconds"])
            baseline = self._baseline.restored(state, quality.n_outputs)
            detection = self._judged_by(baseline)
            detection.restore(state["detection"])
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(f"what it holds of labels is incomplete ({error})") from error
        self.quality, self.lag_seconds = quality, lag
        self._baseline, self._detection = baseline, detection

    def _is_late(self, joined: JoinedLabels, now: float) -> NDArray[np.bool_]:
        return np.asarray(now - joined.made_at > self._deadline)

    def _measure(self, joined: JoinedLabels, now: float) -> list[EpisodeEvent]:
        """Count joined labels, measure and watch those in time; return what happened to episodes."""
        if not len(joined):
            return []
        timely = ~self._is_late(joined, now)
        self._outcomes["matched"] += int(timely.sum())
        self._outcomes["late"] += int((~timely).sum())
        # A clock that was set back must not make a label older than its prediction.
        self.lag_seconds = max(0.0, float((now - joined.made_at).mean()))
        self.received_at = now
        if self.quality is None or self._detection is None:
            return []
        # An earlier version's mistakes are not this one's. What has other outputs than the reference is none.
        width = self.quality.n_outputs
        usable = timely & joined.own & (joined.outputs.shape[1] >= width)
        if usable.any():
            usable &= np.isfinite(joined.outputs[:, :width]).all(axis=1)
            usable &= np.isnan(joined.outputs[:, width:]).all(axis=1)
        if not usable.any():
            return []
        outputs, labels = joined.outputs[usable, :width], joined.labels[usable]
        events: list[EpisodeEvent] = []
        try:
            measured = measurable(outputs, labels, self._on_error)
            if not measured.any():
                return []
            outputs, labels = outputs[measured], labels[measured]
            self.quality.add(outputs, labels)
            rows = np.column_stack([errors(outputs, labels), losses(outputs, labels)])
            rows = rows[:, : self._detection.profile.n_signals]
            events = self._detection.advance(rows, np.full(len(rows), now))
            self._keep(events)
            renewed = self._baseline.take(outputs, labels, joined.made_at[usable][measured], now)
            if renewed is not None:
                events += self._go_on(renewed, now)
        except Exception:
            self._on_error("quality")
        # What happened before a failure has happened.
        return events

    def _go_on(self, renewed: Renewed, now: float) -> list[EpisodeEvent]:
        """Go on with another reference, of which the open episode knows nothing."""
        assert self._detection is not None
        detection, before, wish = self._watching(renewed.reference), self._detection, renewed.wish
        event = before.tracker.resolve(now, "rebaselined", wish.by, wish.note)
        detection.succeed(before)
        self._baseline.adopt(renewed)
        self._detection = detection
        if event is None:
            return []
        self._keep([event])
        return [event]

    def _judged_by(self, baseline: QualityBaseline) -> Detection:
        """Return the detection at hand, or a new one where another reference is to be judged by."""
        assert self._detection is not None
        if baseline.reference is None or baseline.reference is self.reference:
            return self._detection
        return self._watching(baseline.reference)

    def _watching(self, reference: ReferenceQuality) -> Detection:
        return watch_errors(self._profile, reference, self._settings, self._on_error)
