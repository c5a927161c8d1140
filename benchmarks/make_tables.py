"""Simulate the false-alarm rates of IncrementalKS and NMDDM and fit the tables in src/driftlead/tables.

    python benchmarks/make_tables.py

About a quarter of an hour on one core. Uniform data, fresh references, seeds derived from SEED: the same
machine and numpy give the same tables. What is fitted is the logarithm of simulated over theoretical rate,
as a sum of smooth terms (driftlead.rates), by least squares weighted by the number of excursions counted.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

from driftlead import rates
from driftlead.calibration.counting import excursions
from driftlead.detectors import NMDDM, IncrementalKS

SEED = 20240
TABLES = Path(__file__).parents[1] / "src" / "driftlead" / "tables"
SIGNALS = 4
BEYOND = np.inf  # a threshold that nothing exceeds: the path itself is wanted

KS_LEVELS = np.arange(1.2, 3.6, 0.05)
KS_CELLS = [
    *((window, ratio, 60_000_000) for window in (20, 50, 100, 200) for ratio in (2, 5, 10, 20, 50, 200)),
    *((window, ratio, 40_000_000) for window in (500, 1000) for ratio in (2, 10, 50)),
]
SPREAD_RATIOS = (2, 5, 10, 20, 50, 200)
SPREAD_REFERENCES, SPREAD_ROWS = 640, 400_000
NMDDM_CELLS = [
    (window, bins, 40_000_000 if window <= 200 else 100_000_000)
    for window in (50, 100, 200, 500, 1000)
    for bins in (2, 3, 4, 6, 8, 12, 20, 32)
    if window >= 6 * bins
]


def main() -> None:
    started = time.process_time()
    TABLES.mkdir(exist_ok=True)
    ks = simulate_ks()
    coefficients, misfit = fit_ks(ks)
    spread, spread_misfit = fit_spread(simulate_spread())
    note = f"benchmarks/make_tables.py, seed {SEED}, numpy {np.__version__}"
    write("incremental_ks", {"made_by": note, "coefficients": coefficients, "misfit": misfit,
                             "spread": spread, "spread_misfit": spread_misfit})  # fmt: skip
    coefficients, misfit = fit_nmddm(simulate_nmddm())
    write("nmddm", {"made_by": note, "coefficients": coefficients, "misfit": misfit})
    print(f"{(time.process_time() - started) / 60:.0f} minutes of one core")


def write(name: str, table: dict) -> None:
    text = json.dumps({key: np.round(value, 6).tolist() if isinstance(value, np.ndarray) else value
                       for key, value in table.items()})  # fmt: skip
    (TABLES / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    print(f"{name}: {len(text)} bytes, misfit {table['misfit']:.3f}", flush=True)


def simulate_ks() -> np.ndarray:
    """Rows (window, n, h, count, rows): n is not a multiple of the window, so that D is nearly continuous."""
    records = []
    for window, ratio, rows in KS_CELLS:
        n = ratio * window + 1
        levels = np.tile(KS_LEVELS / np.sqrt(n * window / (n + window)), (SIGNALS, 1))
        length = min(max(40 * window, 2 * n, 4_000), 400_000)
        rng = np.random.default_rng([SEED, 1, window, ratio])
        counts, seen = np.zeros(levels.shape, dtype=np.int64), 0
        while seen < rows:
            detector = IncrementalKS(rng.random((n, SIGNALS)), window, threshold=BEYOND)
            path = detector.update_many(rng.random((length + 2 * window, SIGNALS))).statistic
            excursions(path.T, levels, window, 2 * window, counts)
            seen += SIGNALS * length
        records += [(window, n, h, count, seen) for h, count in zip(KS_LEVELS, counts.sum(0), strict=True)]
        progress("incremental_ks", window, n)
    return np.array(records, dtype=np.float64)


def simulate_spread() -> np.ndarray:
    """Rows (window, n, h, standard deviation over references of the log rate, mean count)."""
    records, window = [], 100
    for ratio in SPREAD_RATIOS:
        n = ratio * window + 1
        levels = np.tile(KS_LEVELS / np.sqrt(n * window / (n + window)), (8, 1))
        rng = np.random.default_rng([SEED, 2, window, ratio])
        each = []
        for _ in range(SPREAD_REFERENCES // 8):
            detector = IncrementalKS(rng.random((n, 8)), window, threshold=BEYOND)
            counts = np.zeros(levels.shape, dtype=np.int64)
            path = detector.update_many(rng.random((SPREAD_ROWS, 8))).statistic
            excursions(path.T, levels, window, 2 * window, counts)
            each.append(counts)
        counts = np.concatenate(each)
        mean = counts.mean(0)
        kept = mean >= 1.0
        # What varies beyond the counting noise, whose variance is the mean.
        excess = np.maximum((counts.var(0, ddof=1) - mean)[kept] / mean[kept] ** 2, 0.0)
        spread = np.sqrt(np.log1p(excess))
        records += [(window, n, *row) for row in zip(KS_LEVELS[kept], spread, mean[kept], strict=True)]
        progress("spread", window, n)
    return np.array(records)


def simulate_nmddm() -> np.ndarray:
    """Rows (window, bins, g, count, rows): the reference is even, so that bins are equally probable."""
    records = []
    for window, bins, rows in NMDDM_CELLS:
        reference = np.tile(np.arange(1_000.0 * bins)[:, np.newaxis], (1, SIGNALS))
        grid = rates.nmddm_lowest(window, bins) + np.arange(0.0, 40.0, 0.5)
        levels = np.tile(grid, (SIGNALS, 1))
        length = min(max(200 * window, 20_000), 200_000)
        rng = np.random.default_rng([SEED, 3, window, bins])
        counts, seen = np.zeros(levels.shape, dtype=np.int64), 0
        detector = NMDDM(reference, window, bins, threshold=BEYOND)
        while seen < rows:
            detector.reset()
            path = detector.update_many(
                rng.integers(0, len(reference), (length + 2 * window, SIGNALS))
            ).statistic
            excursions(path.T, levels, window, 2 * window, counts)
            seen += SIGNALS * length
        records += [(window, bins, g, count, seen) for g, count in zip(grid, counts.sum(0), strict=True)]
        progress("nmddm", window, bins)
    return np.array(records, dtype=np.float64)


def fit_ks(records: np.ndarray) -> tuple[np.ndarray, float]:
    window, n, h, count, rows = records[records[:, 3] >= 20].T
    log_ratio = np.log(count / rows) - rates.ks_formula(h, n, window)
    # Between values that D can take the true rate is flat: steps of about this size are no misfit.
    steps = np.where(n < 5.5 * window, 0.3, 0.1) * h * window / n / np.sqrt(window)
    return least_squares(rates.ks_features(h, n, window), log_ratio, 1.0 / count + 0.003**2 + steps**2, 0.3)


def fit_spread(records: np.ndarray) -> tuple[np.ndarray, float]:
    window, n, h, spread, mean = records.T
    noise = 0.03**2 + 0.2 / (mean * SPREAD_REFERENCES)
    return least_squares(rates.spread_features(h, n, window), spread, noise, 0.0)


def fit_nmddm(records: np.ndarray) -> tuple[np.ndarray, float]:
    window, bins, g, count, rows = records[records[:, 3] >= 20].T
    log_ratio = np.log(count / rows) - rates.nmddm_formula(g, window, bins)
    # With few bins the statistic takes few values, between which the true rate is flat.
    steps = np.where(bins == 2, 0.1, np.where(bins == 3, 0.02, 0.015))
    return least_squares(rates.nmddm_features(g, window, bins), log_ratio, 1.0 / count + steps**2, 0.05)


def least_squares(
    features: np.ndarray, values: np.ndarray, variance: np.ndarray, ridge: float
) -> tuple[np.ndarray, float]:
    """Coefficients, and the root mean square of what they leave, in units of the expected noise."""
    weight = 1.0 / np.sqrt(variance)
    terms = features.shape[1]
    left = np.concatenate([features * weight[:, np.newaxis], ridge * np.eye(terms)])
    coefficients = np.linalg.lstsq(left, np.concatenate([values * weight, np.zeros(terms)]), rcond=None)[0]
    left_over = (values - features @ coefficients) * weight
    return coefficients, float(np.sqrt(np.mean(left_over**2)))


def progress(*what: object) -> None:
    print(*what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
