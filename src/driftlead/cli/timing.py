"""A short measurement of the detectors' speed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from driftlead.detectors import DETECTORS
from driftlead.monitor import MonitorSettings
from driftlead.monitor.watch import build_watches
from driftlead.reference import ReferenceProfile
from driftlead.signals import Signal

__all__ = ["Timed", "time_detectors"]

_REFERENCE_ROWS = 5_000


@dataclass(frozen=True)
class Timed:
    """How fast one detector is.

    Attributes
    ----------
    name : str
    values_per_second : float
        Of many rows given at once.
    rows_per_second : float
        Of rows given one by one.
    """

    name: str
    values_per_second: float
    rows_per_second: float


def time_detectors(*, signals: int, window: int, batch: int, seconds: float) -> Iterator[Timed]:
    """Time each detector, on normal values, with what locates them in the reference included."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(batch, signals))
    profile = ReferenceProfile.from_rows(
        [Signal(f"x{number}") for number in range(signals)],
        rng.normal(size=(_REFERENCE_ROWS, signals)),
        model_hash="",
    )
    for name in DETECTORS:
        (watch,) = build_watches(profile, MonitorSettings(detectors=(name,), window=window))
        detector = watch.detector
        detector.update_many(rows)
        detector.update(rows[0])
        batches = _rate(lambda: detector.update_many(rows), seconds)  # noqa: B023 - called at once
        single = _rate(lambda: detector.update(rows[0]), seconds)  # noqa: B023
        yield Timed(name, batches * rows.size, single)


def _rate(act: Callable[[], object], seconds: float) -> float:
    """Return how often per second something can be done."""
    count, began = 0, time.perf_counter()
    while (passed := time.perf_counter() - began) < seconds or not count:
        act()
        count += 1
    return count / passed
