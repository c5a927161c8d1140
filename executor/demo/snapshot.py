"""What ``GET /api/v1/monitor`` says, as the plain data that the demo reads."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Alarm", "DetectorState", "SignalState", "Snapshot", "parse_snapshot"]


@dataclass(frozen=True)
class SignalState:
    """One detector on one signal; ``ratio`` is statistic / threshold, 0 where no threshold can be reached."""

    signal: str
    ratio: float
    drifting: bool


@dataclass(frozen=True)
class DetectorState:
    """One detector over its signals, the strongest first."""

    detector: str
    drifting: bool
    signals: tuple[SignalState, ...]

    @property
    def peak(self) -> float:
        """Ratio of the strongest signal."""
        return max((signal.ratio for signal in self.signals), default=0.0)


@dataclass(frozen=True)
class Alarm:
    """One alarm; ``row`` counts the monitored rows from 1."""

    row: int
    signal: str
    detector: str
    ratio: float


@dataclass(frozen=True)
class Snapshot:
    """What ``GET /api/v1/monitor`` said at one moment."""

    rows: int
    dropped_rows: int
    errors: int
    detectors: tuple[DetectorState, ...]
    alarms: tuple[Alarm, ...]


def parse_snapshot(answer: Mapping[str, Any]) -> Snapshot:
    """Read the monitor's JSON."""
    return Snapshot(
        rows=answer["rows"],
        dropped_rows=sum(answer["dropped_rows"].values()),
        errors=sum(answer["errors"].values()),
        detectors=tuple(
            DetectorState(
                detector=detector["detector"],
                drifting=detector["drifting"],
                signals=tuple(
                    SignalState(signal["signal"], _ratio(signal), signal["drifting"])
                    for signal in detector["signals"]
                ),
            )
            for detector in answer["detectors"]
        ),
        alarms=tuple(
            Alarm(alarm["row"], alarm["signal"], alarm["detector"], _ratio(alarm))
            for alarm in answer["alarms"]
        ),
    )


def _ratio(state: Mapping[str, Any]) -> float:
    """Divide statistic by threshold; JSON has no infinity, null stands for it."""
    statistic, threshold = state["statistic"], state["threshold"]
    if threshold is None:
        return 0.0
    return math.inf if statistic is None else float(statistic) / float(threshold)
