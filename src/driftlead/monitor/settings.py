"""How a monitor watches: its budget, its tests and their windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from driftlead.detectors import DETECTORS
from driftlead.errors import InvalidParameterError
from driftlead.thresholds import Direction

__all__ = ["MonitorSettings"]


@dataclass(frozen=True, slots=True)
class MonitorSettings:
    """How a monitor watches.

    Parameters
    ----------
    false_alarm_every : float
        Budget: with nothing changed, one false alarm in this many rows on average, over all signals
        and detectors together.
    detectors : tuple of str
        Names in `driftlead.detectors.DETECTORS`.
    window : int
        Rows in the sliding windows; also the quiet time after which an alarm is over.
    delta : float
        Change of a signal's mean that Page-Hinkley tolerates, in standard deviations of its normal scores.
    direction : {"both", "up", "down"}
        Which changes Page-Hinkley looks for.
    bins : int
        Most bins per numeric signal in NM-DDM.
    queue_rows : int
        Most rows waiting between serving and monitoring; those beyond are dropped and counted.
    recent_alarms : int
        How many alarms a snapshot lists.
    seed : int
        Seed of the random ranks of tied values.

    Raises
    ------
    InvalidParameterError
        When a value breaks its rule.
    """

    false_alarm_every: float = 1_000_000.0
    detectors: tuple[str, ...] = tuple(DETECTORS)
    window: int = 500
    delta: float = 0.25
    direction: Direction = "both"
    bins: int = 8
    queue_rows: int = 100_000
    recent_alarms: int = 1_000
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.false_alarm_every > 1:
            raise InvalidParameterError(
                "false_alarm_every", "a number of rows above 1", self.false_alarm_every
            )
        if not self.detectors:
            raise InvalidParameterError(
                "detectors", "at least one of " + ", ".join(DETECTORS), self.detectors
            )
        for name in self.detectors:
            if name not in DETECTORS:
                raise InvalidParameterError("detectors", "among " + ", ".join(DETECTORS), name)
        if len(set(self.detectors)) != len(self.detectors):
            raise InvalidParameterError("detectors", "without repetition", self.detectors)
        if self.direction not in get_args(Direction):
            raise InvalidParameterError(
                "direction", "one of " + ", ".join(get_args(Direction)), self.direction
            )
        for field, least in (("window", 2), ("bins", 2), ("queue_rows", 1), ("recent_alarms", 1)):
            if getattr(self, field) < least:
                raise InvalidParameterError(field, f"at least {least}", getattr(self, field))
        if not self.delta >= 0:
            raise InvalidParameterError("delta", "at least 0", self.delta)
        # Beyond these lie no wishes, only slips: windows and lists would take all memory.
        for field, most in (("window", 1_000_000), ("recent_alarms", 100_000), ("delta", 100)):
            if getattr(self, field) > most:
                raise InvalidParameterError(field, f"at most {most}", getattr(self, field))
