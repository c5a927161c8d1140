"""What a monitor knows at one moment, as plain data: for metrics, pages and reports alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftlead.estimation import AccuracyAudit, AccuracyEstimate
from driftlead.monitor.bins import SignalBins
from driftlead.monitor.episode import Episode
from driftlead.reference import ReferenceProfile
from driftlead.signals import Signal

__all__ = ["Alarm", "DetectorSnapshot", "LabelsSnapshot", "MonitorSnapshot"]


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm: the first row of one excursion of one detector on one signal.

    Attributes
    ----------
    row : int
        Number of the monitored row, from 1.
    at : float
        When that row was observed, in seconds since the epoch.
    signal, detector : str
        Which pair alarmed.
    statistic, threshold : float
        The statistic at that row and the threshold that it exceeded.
    """

    row: int
    at: float
    signal: str
    detector: str
    statistic: float
    threshold: float


@dataclass(frozen=True, eq=False)
class DetectorSnapshot:
    """One detector over the signals that it watches; all arrays have one entry per watched signal.

    Attributes
    ----------
    name : str
        The detector's name in `driftlead.detectors.DETECTORS`, that of one of one's own, or ``missing_rate``.
    columns : ndarray of int64
        Index of each watched signal among the monitor's signals.
    statistic, threshold : ndarray of float64
        After the last row.
    drifting : ndarray of bool
        Whether an alarm lies less than a window of rows back.
    alarms, alarms_since_start : ndarray of int64
        Excursions counted so far, and of those the ones since this process started.
    first_alarm_row, last_alarm_row : ndarray of int64
        Row of the first alarm and of the latest alarming row, 0 when there was none.
    """

    name: str
    columns: NDArray[np.int64]
    statistic: NDArray[np.float64]
    threshold: NDArray[np.float64]
    drifting: NDArray[np.bool_]
    alarms: NDArray[np.int64]
    alarms_since_start: NDArray[np.int64]
    first_alarm_row: NDArray[np.int64]
    last_alarm_row: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LabelsSnapshot:
    """What a monitor knows of labelled rows.

    Attributes
    ----------
    outcomes : dict of str to int
        Labels since this process started, by what became of them: `driftlead.monitor.FeedbackOutcome`.
    lag_seconds : float
        Mean age of the predictions that were labelled last; NaN before the first.
    received_at : float
        When labels were joined last, in seconds since the epoch; NaN before the first.
    class_names : tuple of str
    metrics, reference_metrics : dict of str to float
        Quality over the latest window of labelled rows, and of the reference; empty where it has no labels.
    class_metrics : dict of str to ndarray, shape (n_classes,)
        As `driftlead.quality.class_metrics` measures that window; empty for a regression.
    estimate : AccuracyEstimate or None
        Accuracy of the latest window of rows, estimated without labels.
    audit : AccuracyAudit or None
        What would have been estimated of the labelled window, against what its labels say.
    rows, rows_since_start : int
        Labelled rows that were measured, and of those the ones in this process.
    signals, detectors, recent_alarms, episode
        As in `MonitorSnapshot`, of the labelled rows' errors.
    """

    outcomes: dict[str, int]
    lag_seconds: float
    received_at: float
    class_names: tuple[str, ...]
    metrics: dict[str, float]
    reference_metrics: dict[str, float]
    class_metrics: dict[str, NDArray[Any]]
    estimate: AccuracyEstimate | None
    audit: AccuracyAudit | None
    rows: int
    rows_since_start: int
    signals: tuple[Signal, ...]
    detectors: tuple[DetectorSnapshot, ...]
    recent_alarms: tuple[Alarm, ...]
    episode: Episode | None

    @property
    def class_labels(self) -> tuple[str, ...]:
        """Names of the classes that `class_metrics` measures, their numbers where they have none."""
        count = len(next(iter(self.class_metrics.values()), ()))
        return self.class_names or tuple(map(str, range(count)))


@dataclass(frozen=True, eq=False)
class MonitorSnapshot:
    """Everything a monitor knows after some row.

    Attributes
    ----------
    profile : ReferenceProfile
        What signals are compared with.
    signals : tuple of Signal
        What is watched.
    rows, rows_since_start : int
        Rows that went through the detectors, and of those the ones in this process.
    queue_rows : int
        Rows waiting.
    dropped_rows : dict of str to int
        Rows that never reached the detectors, by reason.
    errors : dict of str to int
        Failures inside the monitor, by place.
    detectors : tuple of DetectorSnapshot
    recent_alarms : tuple of Alarm
        Oldest first; bounded.
    window_mean, reference_mean : ndarray of float64, shape (n_signals,)
        Mean over the latest window of rows, and over the reference; NaN without values.
    bins : tuple of SignalBins
    bin_counts : tuple of ndarray of int64
        Observations per bin since this process started, for each signal.
    open_episodes : tuple of Episode
        At most one of served rows and one of labelled rows.
    episodes_since_start : int
        Episodes that opened in this process.
    labels : LabelsSnapshot
    waiting_predictions : int
        Predictions on their way to the store.
    dropped_predictions : dict of str to int
        Predictions that no label will find, by reason.
    saved_at : float or None
        When the state was last saved, in seconds since the epoch.
    collecting : tuple of int, or None
        Rows collected and wanted, while a new reference is on its way.
    """

    profile: ReferenceProfile
    signals: tuple[Signal, ...]
    rows: int
    rows_since_start: int
    queue_rows: int
    dropped_rows: dict[str, int]
    errors: dict[str, int]
    detectors: tuple[DetectorSnapshot, ...]
    recent_alarms: tuple[Alarm, ...]
    window_mean: NDArray[np.float64]
    reference_mean: NDArray[np.float64]
    bins: tuple[SignalBins, ...]
    bin_counts: tuple[NDArray[np.int64], ...]
    open_episodes: tuple[Episode, ...]
    episodes_since_start: int
    labels: LabelsSnapshot
    waiting_predictions: int
    dropped_predictions: dict[str, int]
    saved_at: float | None
    collecting: tuple[int, int] | None

    @property
    def drifting(self) -> bool:
        """Whether any detector is drifting on any signal."""
        return any(detector.drifting.any() for detector in self.detectors)

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready data; signals come strongest first, by the ratio of statistic to threshold."""
        return {
            **self.to_brief_json(),
            "drifting": self.drifting,
            "episodes": [episode.to_document() for episode in self.open_episodes],
            "labels": {
                **_labels_json(self.labels),
                "detectors": [_detector_json(each, self.labels.signals) for each in self.labels.detectors],
                "alarms": [_alarm_json(alarm) for alarm in self.labels.recent_alarms],
            },
            "detectors": [_detector_json(detector, self.signals) for detector in self.detectors],
            "alarms": [_alarm_json(alarm) for alarm in self.recent_alarms],
        }

    def to_brief_json(self) -> dict[str, Any]:
        """Return JSON-ready data of the monitor as a whole, without its signals, alarms and episodes."""
        return {
            "rows": self.rows,
            "queue_rows": self.queue_rows,
            "dropped_rows": self.dropped_rows,
            "errors": self.errors,
            "labels": _labels_json(self.labels),
            "predictions": {
                "waiting": self.waiting_predictions,
                "dropped": self.dropped_predictions,
            },
            "state_saved_at": self.saved_at,
            "rebaseline": None
            if self.collecting is None
            else dict(zip(("rows", "of"), self.collecting, strict=True)),
        }


def _alarm_json(alarm: Alarm) -> dict[str, Any]:
    return {
        "row": alarm.row,
        "at": alarm.at,
        "signal": alarm.signal,
        "detector": alarm.detector,
        "statistic": _finite(alarm.statistic),
        "threshold": _finite(alarm.threshold),
    }


def _labels_json(labels: LabelsSnapshot) -> dict[str, Any]:
    estimate = labels.estimate
    return {
        "outcomes": labels.outcomes,
        "lag_seconds": _finite(labels.lag_seconds),
        "rows": labels.rows,
        "quality": {name: _finite(value) for name, value in labels.metrics.items()},
        "reference": {name: _finite(value) for name, value in labels.reference_metrics.items()},
        "classes": [
            {
                "class": name,
                **{metric: _finite(values[index]) for metric, values in labels.class_metrics.items()},
            }
            for index, name in enumerate(labels.class_labels)
        ],
        "estimated_accuracy": None
        if estimate is None
        else {
            "estimate": _finite(estimate.estimate),
            "low": _finite(estimate.low),
            "high": _finite(estimate.high),
            "rows": estimate.rows,
        },
        "audit": None if labels.audit is None else _audit_json(labels.audit),
    }


def _audit_json(audit: AccuracyAudit) -> dict[str, Any]:
    return {
        "rows": audit.rows,
        "estimate": _finite(audit.estimate),
        "accuracy": _finite(audit.accuracy),
        "difference": _finite(audit.difference),
        "standard_error": _finite(audit.standard_error),
        "significant": audit.significant,
    }


def _detector_json(detector: DetectorSnapshot, signals: tuple[Signal, ...]) -> dict[str, Any]:
    ratio = detector.statistic / detector.threshold
    raised = detector.first_alarm_row[detector.first_alarm_row > 0]
    return {
        "detector": detector.name,
        "drifting": bool(detector.drifting.any()),
        "alarms": int(detector.alarms.sum()),
        "first_alarm_row": int(raised.min()) if len(raised) else None,
        "signals": [
            {
                "signal": signals[detector.columns[index]].name,
                "statistic": _finite(detector.statistic[index]),
                "threshold": _finite(detector.threshold[index]),
                "ratio": _finite(ratio[index]),
                "drifting": bool(detector.drifting[index]),
                "alarms": int(detector.alarms[index]),
                "last_alarm_row": int(detector.last_alarm_row[index]) or None,
            }
            for index in np.argsort(-ratio, kind="stable")
        ],
    }


def _finite(value: float) -> float | None:
    """JSON has no infinity: a threshold that cannot be reached is null."""
    return float(value) if np.isfinite(value) else None
