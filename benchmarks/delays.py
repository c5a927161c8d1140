"""Rows from a change to its alarm, at equal false-alarm rates, beside the best that any test could do.

    python -m benchmarks.delays

A hundred seconds on one core; every number is seeded. The oracle is the CUSUM that knows the change
(Moustakides 1986, Annals of Statistics 14(4)).
``peer_alarms.py`` measures the delays of other libraries on the same changes.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy import stats

from benchmarks.false_alarms import FAMILIES, SEED, Draw, detectors

CHANGES: dict[str, tuple[Draw, Draw, Callable[[np.ndarray], np.ndarray]]] = {
    # before, after, and the oracle's log-likelihood ratio of a value
    "location +1 sd": (
        lambda rng, size: rng.normal(size=size),
        lambda rng, size: rng.normal(loc=1.0, size=size),
        lambda x: x - 0.5,
    ),
    "scale x1.5": (
        lambda rng, size: rng.normal(size=size),
        lambda rng, size: rng.normal(scale=1.5, size=size),
        lambda x: stats.norm.logpdf(x, scale=1.5) - stats.norm.logpdf(x),
    ),
    "t3 +0.5 sd": (
        lambda rng, size: rng.standard_t(3, size=size),
        lambda rng, size: rng.standard_t(3, size=size) + 0.5 * math.sqrt(3.0),
        lambda x: stats.t.logpdf(x - 0.5 * math.sqrt(3.0), 3) - stats.t.logpdf(x, 3),
    ),
}
for family, change in (("normal", "location +1 sd"), ("t3", "t3 +0.5 sd")):
    CHANGES[f"{family}, none"] = (FAMILIES[family], FAMILIES[family], CHANGES[change][2])


def delay(n: int = 5_000, budget: int = 10_000, runs: int = 400, wait: int = 2_000) -> None:
    """Rows from the change to the alarm, of runs without an earlier alarm; the change comes at random."""
    print(f"\nmean delay at one false alarm per {budget} rows; a miss counts {wait}")
    for name, (before, after, likelihood) in CHANGES.items():
        rng = np.random.default_rng([SEED, 5])
        oracle = oracle_threshold(likelihood, before, budget, rng)
        found: dict[str, list[int]] = {"oracle": []}
        for run in range(runs // 40):
            reference, start = before(rng, (n, 40)), int(rng.integers(500, 800))
            stream = np.concatenate([before(rng, (start, 40)), after(rng, (wait, 40))])
            traces = {"oracle": cusum(likelihood(stream)) > oracle}
            for detector, test in detectors(budget, reference, run):
                traces[detector] = test.update_many(stream).alarm
            for detector, alarm in traces.items():
                early = alarm[:start].any(axis=0)
                late = np.where(alarm[start:].any(axis=0), alarm[start:].argmax(axis=0) + 1, wait)
                found.setdefault(detector, []).extend(late[~early].tolist())
        print(f"{name:15} " + " · ".join(f"{d} {np.mean(v):.1f}" for d, v in found.items()), flush=True)


def cusum(steps: np.ndarray) -> np.ndarray:
    total = np.cumsum(steps, axis=0)
    return total - np.minimum(0.0, np.minimum.accumulate(total, axis=0))


def oracle_threshold(
    likelihood: Callable[[np.ndarray], np.ndarray], before: Draw, budget: int, rng: np.random.Generator
) -> float:
    """Level of the oracle's CUSUM that restarts on average after the budget's rows, by bisection."""
    steps = likelihood(before(rng, (40 * budget, 8)))
    low, high = 2.0, 14.0
    for _ in range(14):
        middle = (low + high) / 2.0
        gap, count = np.zeros(8), 0
        for step in steps:
            gap = np.maximum(0.0, gap + step)
            over = gap > middle
            count += int(over.sum())
            gap[over] = 0.0
        low, high = (middle, high) if count > 8 * 40 else (low, middle)
    return high


if __name__ == "__main__":
    delay()
