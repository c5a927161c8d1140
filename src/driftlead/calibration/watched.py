"""One pair of signal and test, with the law of its false alarms."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

from driftlead import thresholds
from driftlead.calibration.laws import Law
from driftlead.calibration.simulation import SignalModel
from driftlead.calibration.specs import DetectorSpec

__all__ = ["Progress", "Watched"]

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many steps are done, and how many there are."""


@dataclass(frozen=True)
class Watched:
    """One pair: its column and test, its signal's model, and the law of its rate, simulated or by table."""

    column: int
    spec: DetectorSpec
    model: SignalModel
    law: Law
    simulated: bool

    def level(self, log_rate: float, guarantee: float | None = None) -> float:
        """Return the level at a log rate per row, which the statistic may not be able to reach."""
        return _level(self.law, log_rate, guarantee)


@functools.lru_cache(maxsize=1024)
def _level(law: Law, log_rate: float, guarantee: float | None) -> float:
    return thresholds.level_at_rate(lambda level: law.at(level, guarantee), math.exp(-log_rate), law.lowest)
