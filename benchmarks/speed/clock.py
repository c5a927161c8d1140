"""Nanoseconds of CPU time per unit of work, measured in turn with what it is compared to."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

Probe = Callable[[], float]
"""One measurement: nanoseconds per unit of work."""

REPEATS = 3


def probe(draw: Callable[[], Any], work: Callable[[Any], Any], units: int) -> Probe:
    """Return a measurement of ``work`` on fresh data, after as much again to warm up.

    CPU time of the thread, because other programs on the machine must not count; fresh data, because
    branches and caches remember what they have seen; the fastest of a few, because all noise is upward.
    """

    def measure() -> float:
        fastest = math.inf
        for _ in range(REPEATS):
            data = draw()
            start = time.thread_time_ns()
            work(data)
            fastest = min(fastest, time.thread_time_ns() - start)
        return fastest / units

    work(draw())
    return measure


def in_turn(probes: dict[str, Probe], rounds: int, say: Callable[[str], None]) -> dict[str, float]:
    """Return the fastest of several rounds of each probe.

    A round takes every probe once, so that what is compared shares the machine's good and bad minutes.
    """
    fastest = dict.fromkeys(probes, math.inf)
    for number in range(rounds):
        say(f"round {number + 1} of {rounds}")
        for name, measure in probes.items():
            fastest[name] = min(fastest[name], measure())
    return fastest
