"""Rates of thresholds that are simulated as if the test were unknown, by the tables that know it.

    python benchmarks/own_detectors.py

The three tests of the library are given to `calibrate` as a user's own. Half a minute.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from driftlead import rates
from driftlead.calibration import DetectorSpec, calibrate
from driftlead.detectors import NMDDM, IncrementalKS, PageHinkley
from driftlead.reference import ReferenceProfile
from driftlead.signals import Signal

SEED = 4_2024
N, WINDOW, SIGNALS = 5_000, 100, 16
UNIT = math.sqrt(1.0 / N + 1.0 / WINDOW)  # of a KS distance

TESTS: tuple[tuple[DetectorSpec, Callable[[float], float]], ...] = (
    (
        DetectorSpec("page_hinkley", lambda r, t, _: PageHinkley(r, delta=0.25, threshold=t), None),
        lambda level: rates.page_hinkley(level, N, 0.25, "both"),
    ),
    (
        DetectorSpec(
            "incremental_ks", lambda r, t, _: IncrementalKS(r, WINDOW, threshold=t, ties="random"), WINDOW
        ),
        lambda level: rates.incremental_ks(level / UNIT, N, WINDOW),
    ),
    (
        DetectorSpec("nmddm", lambda r, t, _: NMDDM(r, WINDOW, threshold=t, ties="random"), WINDOW),
        lambda level: rates.nmddm(level, WINDOW, 8),
    ),
)


def main() -> None:
    rows = np.random.default_rng([SEED, 9]).normal(size=(N, SIGNALS))
    profile = ReferenceProfile.from_rows(
        [Signal(f"s{j}") for j in range(SIGNALS)], rows, model_hash="benchmark"
    )
    for spec, log_rate in TESTS:
        cells = []
        for budget in (1e3, 1e4, 1e5, 1e6):
            found = calibrate(
                profile, false_alarm_every=budget / SIGNALS, detectors=[spec], joint_budget=False
            ).thresholds(spec.name)
            met = [math.exp(log_rate(float(level))) * budget for level in found]
            cells.append(f"{budget:,.0f} {np.mean(met):.2f}, {min(met):.2f} to {max(met):.2f}")
        print(f"{spec.name}: one alarm of a signal per " + " · ".join(cells), flush=True)


if __name__ == "__main__":
    main()
