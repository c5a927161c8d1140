"""What a monitor knows at one moment, as plain data: for metrics, pages and reports alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftlead.monitor.bins import SignalBins
from driftlead.signals import Signal

__all__ = ["Alarm", "DetectorSnapshot", "MonitorSnapshot"]


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm: the first row of one excursion of one detector on one signal.

    Attributes
    ----------
    row : int
        Number of the monitored row, from 1.
    signal, detector : str
        Which pair alarmed.
    statistic, threshold : float
        The statistic at that row and the threshold that it exceeded.
    """

    row: int
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
        The detector's name in `driftlead.detectors.DETECTORS`.
    columns : ndarray of int64
        Index of each watched signal among the monitor's signals.
    statistic, threshold : ndarray of float64
        After the last row.
    drifting : ndarray of bool
        Whether an alarm lies less than a window of rows back.
    alarms : ndarray of int64
        Excursions counted so far.
    first_alarm_row, last_alarm_row : ndarray of int64
        Row of the first alarm and of the latest alarming row, 0 when there was none.
    """

    name: str
    columns: NDArray[np.int64]
    statistic: NDArray[np.float64]
    threshold: NDArray[np.float64]
    drifting: NDArray[np.bool_]
    alarms: NDArray[np.int64]
    first_alarm_row: NDArray[np.int64]
    last_alarm_row: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class MonitorSnapshot:
    """Everything a monitor knows after some row.

    Attributes
    ----------
    signals : tuple of Signal
        What is watched.
    rows : int
        Rows that went through the detectors.
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
        Observations per bin, for each signal.
    """

    signals: tuple[Signal, ...]
    rows: int
    queue_rows: int
    dropped_rows: dict[str, int]
    errors: dict[str, int]
    detectors: tuple[DetectorSnapshot, ...]
    recent_alarms: tuple[Alarm, ...]
    window_mean: NDArray[np.float64]
    reference_mean: NDArray[np.float64]
    bins: tuple[SignalBins, ...]
    bin_counts: tuple[NDArray[np.int64], ...]

    @property
    def drifting(self) -> bool:
        """Whether any detector is drifting on any signal."""
        return any(detector.drifting.any() for detector in self.detectors)

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready data; signals come strongest first, by the ratio of statistic to threshold."""
        return {
            "rows": self.rows,
            "queue_rows": self.queue_rows,
            "dropped_rows": self.dropped_rows,
            "errors": self.errors,
            "drifting": self.drifting,
            "detectors": [_detector_json(detector, self.signals) for detector in self.detectors],
            "alarms": [
                {
                    "row": alarm.row,
                    "signal": alarm.signal,
                    "detector": alarm.detector,
                    "statistic": _finite(alarm.statistic),
                    "threshold": _finite(alarm.threshold),
                }
                for alarm in self.recent_alarms
            ],
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
