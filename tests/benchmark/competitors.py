"""Competitors and scenarios so simple that every number about them is known beforehand."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np

from driftlead.benchmark import Competitor, Drawn, Scenario, of_detector
from driftlead.detectors import IncrementalKS, PageHinkley
from driftlead.streams import Change, Stream

PROGRAM = Path(__file__).with_name("peer_program.py")
CHANGE = 700


class Threshold:
    """Alarms at every value above its level, so that its false-alarm rate is the tail of the distribution."""

    def __init__(self, reference, level, seed, traced):
        self.level = 2.0 if level is None else level
        self.seconds = 0.0

    def feed(self, rows):
        self.seconds += len(rows) * 1e-6
        return rows[:, 0] > self.level

    def held(self):
        return 1_000


class Broken(Threshold):
    def feed(self, rows):
        raise RuntimeError("no")


def uniform(seed: int) -> Drawn:
    rng = np.random.default_rng(seed)
    changed = rng.random((1_000, 1))
    changed[CHANGE:] = np.arange(300)[:, np.newaxis] / 100.0  # exceeds the level 0.99 after 100 rows
    never = rng.random((1_000, 1))
    changes = (Change(CHANGE, "sudden", 1, (0,)),)
    return Drawn(
        rng.random((50, 1)),
        Stream(rng.random((2_000, 1)), None, (), "unchanged"),
        {"rises": Stream(changed, None, changes, "rises"), "not": Stream(never, None, changes, "not")},
    )


UNIFORM = Scenario("uniform", uniform)
THRESHOLD = Competitor("threshold", Threshold, levels=(0.5, 1.0))


def page_hinkley(reference, level, seed):
    return PageHinkley(reference, delta=0.25, threshold=level, false_alarm_every=1_000, seed=seed)


def incremental_ks(reference, level, seed):
    return IncrementalKS(reference, 50, threshold=level, false_alarm_every=1_000)


OURS = [
    of_detector("page_hinkley", page_hinkley, levels=(2.0, 60.0)),
    of_detector("incremental_ks", incremental_ks, gap=50, levels=(0.1, 0.9)),
]


def sleep(reference, level, seed, traced):
    """Leave word of the process, then work for ever."""
    Path(os.environ["DRIFTLEAD_TEST_PIDS"], f"{os.getpid()}.pid").touch()
    time.sleep(600)


SLEEPER = Competitor("sleeper", sleep)
