"""Measured over asked false-alarm rates, on streams that the calibration has not seen.

    python benchmarks/false_alarms.py [independent|autocorrelated|guarantee|correlated|speed|delay|peers] …

All parts by default, about half an hour on one core; every number is seeded. A ratio of 1 is a budget met
exactly, 2 twice as many alarms as asked. ``peers`` needs river and frouros in the environment.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
from scipy import stats

from driftlead import thresholds
from driftlead.calibration import autoregression, calibrate, incremental_ks, nmddm, page_hinkley
from driftlead.calibration.counting import excursions
from driftlead.calibration.simulation import SignalModel, simulate_laws
from driftlead.detectors import NMDDM, Detector, IncrementalKS, PageHinkley
from driftlead.ranks import SortedReference
from driftlead.reference import ReferenceProfile
from driftlead.signals import Signal

SEED = 4_2024
Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


def bimodal(rng: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
    return rng.normal(size=size) + np.where(rng.random(size) < 0.5, -2.0, 2.0)


def mostly_zero(rng: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
    return np.where(rng.random(size) < 0.9, 0.0, rng.exponential(size=size))


FAMILIES: dict[str, Draw] = {
    "normal": lambda rng, size: rng.normal(size=size),
    "t3": lambda rng, size: rng.standard_t(3, size=size),
    "lognormal": lambda rng, size: rng.lognormal(size=size),
    "exponential": lambda rng, size: rng.exponential(size=size),
    "uniform": lambda rng, size: rng.random(size),
    "bimodal": bimodal,
    "Poisson(2)": lambda rng, size: rng.poisson(2.0, size=size).astype(float),
    "Bernoulli(.05)": lambda rng, size: (rng.random(size) < 0.05).astype(float),
    "90 % zeros": mostly_zero,
}


def autoregressive(rng: np.random.Generator, rows: int, columns: int, phi: float) -> np.ndarray:
    """Stationary AR(1) of unit variance with log-normal margins: only its ranks are Gaussian."""
    steps = rng.normal(size=(rows + 300, columns)) * math.sqrt(1.0 - phi * phi)
    path = np.empty_like(steps)
    value = rng.normal(size=columns)
    for row, step in enumerate(steps):
        value = phi * value + step
        path[row] = value
    return np.exp(path[300:])


def alarms(detector: Detector, rows: np.ndarray, window: int | None) -> np.ndarray:
    """Alarms of each signal; excursions less than a window apart count once."""
    trace = detector.update_many(rows)
    if window is None:
        return trace.alarm.sum(axis=0)
    counts = np.zeros((rows.shape[1], 1), dtype=np.int64)
    statistic = np.ascontiguousarray(trace.statistic.T)
    excursions(statistic, detector.threshold[:, np.newaxis].copy(), window, 0, counts)
    return counts[:, 0]


WINDOWS = {1_000: 100, 10_000: 500, 100_000: 500}  # a budget must be worth several windows


def detectors(budget: int, reference: np.ndarray, seed: int) -> Iterator[tuple[str, Detector, int | None]]:
    window = WINDOWS[budget]
    yield (
        "page_hinkley",
        PageHinkley(reference, delta=0.25, threshold=None, false_alarm_every=budget, seed=seed),
        None,
    )
    yield "incremental_ks", IncrementalKS(reference, window, false_alarm_every=budget, seed=seed), window
    yield "nmddm", NMDDM(reference, window, false_alarm_every=budget, seed=seed), window


def independent(n: int = 5_000, columns: int = 32) -> None:
    print(f"\nindependent data, n = {n}: measured / asked rate")
    for budget, total in ((1_000, 3_000_000), (10_000, 9_000_000), (100_000, 40_000_000)):
        table: dict[str, list[str]] = {}
        means: dict[str, list[float]] = {}
        for number, (family, draw) in enumerate(FAMILIES.items()):
            rng = np.random.default_rng([SEED, budget, number])
            counts: dict[str, list[int]] = {}
            rows = max(10_000, 4 * WINDOWS[budget] * 10, min(budget, 50_000))
            for turn in range(math.ceil(total / rows / columns)):
                reference = draw(rng, (n, columns))
                stream = draw(rng, (rows, columns))
                for name, detector, window in detectors(budget, reference, turn):
                    counts.setdefault(name, []).extend(alarms(detector, stream, window).tolist())
            for name, each in counts.items():
                ratio = float(np.mean(each)) / rows * budget
                error = float(np.std(each)) / math.sqrt(len(each)) / rows * budget
                table.setdefault(name, []).append(f"{family} {ratio:.2f}±{error:.2f}")
                means.setdefault(name, []).append(ratio)
        for name, cells in table.items():
            print(f"{budget:>7} {name:15} mean {np.mean(means[name]):.2f} | " + " · ".join(cells), flush=True)


def autocorrelated(n: int = 5_000, columns: int = 96, rows: int = 200_000, window: int = 100) -> None:
    print(f"\nautocorrelated data, n = {n}, window {window}, {columns} references: measured / asked rate")
    specs = (page_hinkley(), incremental_ks(window), nmddm(window))
    for phi in (0.3, 0.6, 0.9):
        rng = np.random.default_rng([SEED, 1, int(phi * 10)])
        reference = autoregressive(rng, n, columns, phi)
        stream = autoregressive(rng, rows, columns, phi)
        fitted = autoregression.fit(autoregression.normal_scores(reference, seed=0))
        models = [
            (SignalModel(n, int(order), row), specs)
            for order, row in zip(fitted.order, fitted.coefficients, strict=True)
        ]
        laws = simulate_laws(models, rows=600_000, seed=1)
        for budget in (1_000, 10_000, 100_000):
            measured = []
            for spec in specs:
                levels = [thresholds.level_at_rate(law[spec.name].log_rate, budget, law[spec.name].lowest)
                          for law in laws]  # fmt: skip
                detector = spec.build(
                    SortedReference(reference), np.array(levels), np.zeros(columns, dtype=bool)
                )
                count = alarms(detector, stream, spec.window)
                measured.append(f"{spec.name} {ratio(count, rows, budget)}")
            print(f"AR {phi} {budget:>7} " + " · ".join(measured), flush=True)


def ratio(count: np.ndarray, rows: int, budget: float) -> str:
    each = count / rows * budget
    return f"{each.mean():.2f}±{each.std() / math.sqrt(len(each)):.2f}"


def guarantee(n: int = 5_000, columns: int = 200, rows: int = 600_000, budget: int = 1_000) -> None:
    print(f"\nguarantee 0.9, n = {n}, budget {budget}: share of {columns} references within the budget")
    rng = np.random.default_rng([SEED, 2])
    reference = rng.random((n, columns))
    window = 100
    levels = {
        "page_hinkley": thresholds.page_hinkley(budget, n, 0.25, "both", 0.9),
        "incremental_ks": thresholds.incremental_ks(budget, n, window, 0.9),
        "nmddm": thresholds.nmddm(budget, n, window, 8, 0.9),
    }
    counts = dict.fromkeys(levels, 0)
    for _ in range(10):  # the same references again
        stream = rng.random((rows // 10, columns))
        for spec in (page_hinkley(), incremental_ks(window), nmddm(window)):
            level = np.full(columns, levels[spec.name])
            detector = spec.build(SortedReference(reference), level, np.zeros(columns, dtype=bool))
            counts[spec.name] = counts[spec.name] + alarms(detector, stream, spec.window)
    for name, count in counts.items():
        noise = math.sqrt(rows / budget)
        kept = np.mean(count <= rows / budget)
        print(f"{name:15} {kept:.1%} (each reference's rate is known to ±{noise / rows * budget:.0%})")


def profile_of(rows: np.ndarray) -> ReferenceProfile:
    signals = [Signal(f"feature:{j}") for j in range(rows.shape[1])]
    return ReferenceProfile.from_rows(signals, rows, model_hash="benchmark")


def together(rng: np.random.Generator, rows: int, columns: int, rho: float) -> np.ndarray:
    common = rng.normal(size=(rows, 1))
    return math.sqrt(rho) * common + math.sqrt(1.0 - rho) * rng.normal(size=(rows, columns))


def correlated(n: int = 5_000, columns: int = 100, window: int = 200, budget: int = 10_000) -> None:
    print(f"\n{columns} correlated signals, KS window {window}, one budget of {budget} over all")
    for rho in (0.0, 0.5, 0.9):
        rng = np.random.default_rng([SEED, 3, int(rho * 10)])
        row = []
        for joint in (False, True):
            episodes, rows, delays, share = 0, 0, [], 1.0
            for turn in range(4):
                reference = together(rng, n, columns, rho)
                if turn == 0:
                    calibration = calibrate(
                        profile_of(reference),
                        reference,
                        detectors=[incremental_ks(window)],
                        false_alarm_every=budget,
                        joint_budget=joint,
                    )
                    share = calibration.episode_share
                    levels = calibration.thresholds("incremental_ks")
                detector = IncrementalKS(reference, window, threshold=levels)
                stream = together(rng, 100_000, columns, rho)
                stream[-2_000:, 0] += 1.0  # one signal moves
                trace = detector.update_many(stream)
                alarmed = np.flatnonzero(trace.alarm[:-2_000].any(axis=1))
                episodes += int((np.diff(alarmed, prepend=-window) >= window).sum())
                rows += len(stream) - 2_000
                for _ in range(40):
                    fresh = IncrementalKS(reference, window, threshold=levels)
                    change = together(rng, window + 400, columns, rho)
                    change[window:] += 0.5  # all move
                    late = fresh.update_many(change).alarm[window:].any(axis=1)
                    delays.append(int(np.argmax(late)) if late.any() else 400)
            rate, error = episodes / rows * budget, math.sqrt(max(episodes, 1)) / rows * budget
            kind = "joint" if joint else "even split"
            row.append(
                f"{kind}: rate {rate:.2f}±{error:.2f}, episodes per alarm {share:.2f},"
                f" delay {np.mean(delays):.1f}"
            )
        print(f"rho {rho} | " + " | ".join(row), flush=True)


def speed(columns: int = 500, n: int = 5_000) -> None:
    print(f"\ncalibrating {columns} signals, three detectors each")
    rng = np.random.default_rng([SEED, 4])
    for name, rows in (
        ("independent", rng.normal(size=(n, columns))),
        ("AR 0.6", autoregressive(rng, n, columns, 0.6)),
    ):
        profile = profile_of(rows)
        calibrate(
            profile_of(rows[:, :1]), rows[:, :1]
        )  # compiled kernels are loaded, as in a running service
        started = time.perf_counter()
        calibrate(profile, rows)
        print(f"{name}: {time.perf_counter() - started:.1f} s", flush=True)


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
            for detector, test, _ in detectors(budget, reference, run):
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


def peers(rows: int = 5_000, streams: int = 20) -> None:
    """False alarms of other libraries' defaults on unchanging normal data."""
    from frouros.detectors.concept_drift import PageHinkley as FrourosPageHinkley
    from river import drift

    print(f"\npeers at their defaults, standard normal data, {streams} streams of {rows} rows")
    rng = np.random.default_rng([SEED, 6])
    data = rng.normal(size=(streams, rows))
    makers: dict[str, Callable[[], object]] = {
        "river PageHinkley": drift.PageHinkley,
        "river ADWIN": drift.ADWIN,
        "river KSWIN": lambda: drift.KSWIN(seed=1),
    }
    for name, make in makers.items():
        count, streams_with = 0, 0
        for stream in data:
            detector, mine = make(), 0
            for x in stream:
                detector.update(float(x))
                mine += detector.drift_detected
            count += mine
            streams_with += mine > 0
        print(f"{name}: one alarm per {rows * streams / max(count, 1):,.0f} rows,"
              f" {streams_with} of {streams} streams alarm", flush=True)  # fmt: skip
    count = 0
    for stream in data:
        detector = FrourosPageHinkley()
        for x in stream:
            detector.update(value=float(x))
            if detector.drift:
                count += 1
                detector.reset()
    print(f"frouros PageHinkley: one alarm per {rows * streams / max(count, 1):,.0f} rows")
    pairs = rng.normal(size=(streams, 100 + 2_000))
    wrong = 0
    for stream in pairs:
        p = [stats.ks_2samp(stream[:100], stream[at : at + 100]).pvalue for at in range(100, 2_000, 20)]
        wrong += min(p) < 0.05
    print(
        f"two-sample KS at p < 0.05 every 20 rows, windows of 100:"
        f" {wrong} of {streams} alarm within 2,000 rows"
    )


PARTS = {
    part.__name__: part for part in (independent, autocorrelated, guarantee, correlated, speed, delay, peers)
}

if __name__ == "__main__":
    for chosen in sys.argv[1:] or PARTS:
        PARTS[chosen]()
