"""Measured over asked false-alarm rates, on streams that the calibration has not seen.

    python -m benchmarks.false_alarms [independent|autocorrelated|dependence|guarantee|correlated|speed] …

All parts by default, most of an hour on one core; every number is seeded. A ratio of 1 is a budget met
exactly, 2 twice as many alarms as asked. ``peer_alarms.py`` counts those of other libraries, ``delays.py``
says how soon changes are seen at equal rates.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
from scipy import stats

from driftlead import thresholds
from driftlead.calibration import (
    DetectorSpec,
    autoregression,
    calibrate,
    incremental_ks,
    nmddm,
    page_hinkley,
)
from driftlead.calibration.counting import excursions
from driftlead.calibration.laws import Law
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


def excursions_of(trace_statistic: np.ndarray, levels: np.ndarray, window: int) -> np.ndarray:
    """Excursions of each signal above each level, (d, l), those of the first, filling window aside."""
    counts = np.zeros(levels.shape, dtype=np.int64)
    excursions(np.ascontiguousarray(trace_statistic.T), np.ascontiguousarray(levels), window, window, counts)
    return counts


def shown(each: np.ndarray) -> str:
    """Mean over references and its standard error."""
    return f"{each.mean():.2f}±{each.std() / math.sqrt(len(each)):.2f}"


WINDOWS = {1_000: 100, 10_000: 500, 100_000: 500}  # a budget must be worth several windows


def detectors(budget: int, reference: np.ndarray, seed: int) -> Iterator[tuple[str, Detector]]:
    window = WINDOWS[budget]
    yield (
        "page_hinkley",
        PageHinkley(reference, delta=0.25, false_alarm_every=budget, seed=seed),
    )
    yield "incremental_ks", IncrementalKS(reference, window, false_alarm_every=budget, seed=seed)
    yield "nmddm", NMDDM(reference, window, false_alarm_every=budget, seed=seed)


def independent(n: int = 5_000, columns: int = 32) -> None:
    print(f"\nindependent data, n = {n}: measured / asked rate")
    for budget, total in ((1_000, 3_000_000), (10_000, 9_000_000), (100_000, 40_000_000)):
        table: dict[str, list[str]] = {}
        means: dict[str, list[float]] = {}
        window = WINDOWS[budget]
        rows = max(20_000, min(budget, 50_000))
        for number, (family, draw) in enumerate(FAMILIES.items()):
            rng = np.random.default_rng([SEED, budget, number])
            ratios: dict[str, list[float]] = {}
            for turn in range(math.ceil(total / rows / columns)):
                reference = draw(rng, (n, columns))
                stream = draw(rng, (rows + window, columns))
                for name, detector in detectors(budget, reference, turn):
                    trace = detector.update_many(stream)
                    if name == "page_hinkley":
                        count = trace.alarm[window:].sum(axis=0)
                    else:
                        level = detector.threshold[:, np.newaxis]
                        count = excursions_of(trace.statistic, level, window)[:, 0]
                    ratios.setdefault(name, []).extend((count / rows * budget).tolist())
            for name, each in ratios.items():
                table.setdefault(name, []).append(f"{family} {shown(np.array(each))}")
                means.setdefault(name, []).append(float(np.mean(each)))
        for name, cells in table.items():
            print(f"{budget:>7} {name:15} mean {np.mean(means[name]):.3f} | " + " · ".join(cells), flush=True)


def autocorrelated(n: int = 5_000, columns: int = 96, rows: int = 200_000) -> None:
    """Every reference calibrated by itself, as a user's is."""
    print(f"\nautocorrelated data, n = {n}, {columns} references, each calibrated: measured / asked rate")
    for window, budgets in ((100, (1_000, 10_000, 100_000)), (500, (10_000, 100_000))):
        specs = (page_hinkley(), incremental_ks(window), nmddm(window))
        for phi in (0.3, 0.6, 0.9):
            rng = np.random.default_rng([SEED, 1, int(phi * 10)])
            reference = autoregressive(rng, n, columns, phi)
            stream = autoregressive(rng, rows + window, columns, phi)
            fitted = autoregression.fit(autoregression.normal_scores(reference, seed=0))
            models = [
                (SignalModel(n, int(order), row), specs)
                for order, row in zip(fitted.order, fitted.coefficients, strict=True)
            ]
            laws = simulate_laws(models, rows=600_000, seed=1)
            located = SortedReference(reference)
            for spec in specs:
                levels = np.array([levels_of(law[spec.name], budgets) for law in laws])
                counts = counts_of(spec, located, located.locate(stream), levels, window)
                print_ratios(f"AR {phi} window {window} {spec.name:15}", budgets, counts / rows)


def dependence(n: int = 5_000, references: int = 1_600, rows: int = 100_000) -> None:
    """Many more references, their levels read off laws simulated for eight autoregressions in their midst."""
    print(f"\nautocorrelated data, n = {n}, {references} references: measured / asked rate")
    for phi, window, budgets in (
        (0.3, 100, (1_000, 10_000, 100_000)),
        (0.6, 100, (1_000, 10_000, 100_000)),
        (0.9, 500, (10_000, 100_000)),
        (0.9, 100, (1_000, 10_000, 100_000)),
    ):
        specs = (page_hinkley(), incremental_ks(window), nmddm(window))
        middle, error = math.atanh(phi), 1.0 / math.sqrt(n * (1.0 - phi * phi))
        grid = middle + np.linspace(-4.0, 4.0, 8) * error
        coefficients = np.zeros((8, autoregression.MAX_ORDER))
        coefficients[:, 0] = np.tanh(grid)
        models = [(SignalModel(n, 1, row), specs) for row in coefficients]
        laws = simulate_laws(models, rows=3_000_000, seed=1)
        curves = {
            spec.name: np.polyfit(
                grid - middle, np.log([levels_of(law[spec.name], budgets) for law in laws]), 2
            )
            for spec in specs
        }
        rng = np.random.default_rng([SEED, 7, int(phi * 10), window])
        counts: dict[str, list[np.ndarray]] = {spec.name: [] for spec in specs}
        for _ in range(references // 16):
            reference = autoregressive(rng, n, 16, phi)
            scores = autoregression.normal_scores(reference, seed=0)
            found = np.arctanh(autoregression.autocorrelations(scores, 1)[:, 1]) - middle
            located = SortedReference(reference)
            slots = located.locate(autoregressive(rng, rows + window, 16, phi))
            for spec in specs:
                powers = np.stack([found**2, found, np.ones_like(found)], axis=1)
                levels = np.exp(powers @ curves[spec.name])
                counts[spec.name].append(counts_of(spec, located, slots, levels, window))
        for name, each in counts.items():
            print_ratios(f"AR {phi} window {window} {name:15}", budgets, np.concatenate(each) / rows)


def levels_of(law: Law, budgets: tuple[int, ...]) -> list[float]:
    return [thresholds.level_at_rate(law.log_rate, budget, law.lowest) for budget in budgets]


def counts_of(
    spec: DetectorSpec, located: SortedReference, slots: np.ndarray, levels: np.ndarray, warm_up: int
) -> np.ndarray:
    """Alarms of each signal at each of its levels, (d, l), those of the first rows aside."""
    categorical = np.zeros(len(levels), dtype=bool)
    if spec.window is None:
        runs = [spec.build(located, level.copy(), categorical).update_located(slots) for level in levels.T]
        return np.stack([run.alarm[warm_up:].sum(axis=0) for run in runs], axis=1)
    detector = spec.build(located, np.full(len(levels), np.inf), categorical)
    return excursions_of(detector.update_located(slots).statistic, levels, spec.window)


def print_ratios(what: str, budgets: tuple[int, ...], rates: np.ndarray) -> None:
    cells = (f"{budget} {shown(each * budget)}" for budget, each in zip(budgets, rates.T, strict=True))
    print(f"{what} " + " · ".join(cells), flush=True)


def guarantee() -> None:
    for n in (1_000, 5_000):
        guaranteed(n)


def guaranteed(
    n: int, columns: int = 300, rows: int = 2_000_000, budgets: tuple[int, ...] = (1_000, 4_000)
) -> None:
    """Streams so long that a rate is known to 2 to 4 %: counting noise would take references across."""
    print(f"\nguarantee 0.9, n = {n}: share of {columns} references within the budget")
    rng = np.random.default_rng([SEED, 2, n])
    window, block, piece = 100, 10, 200_000
    levels = {
        "page_hinkley": [thresholds.page_hinkley(budget, n, 0.25, "both", 0.9) for budget in budgets],
        "incremental_ks": [thresholds.incremental_ks(budget, n, window, 0.9) for budget in budgets],
        "nmddm": [thresholds.nmddm(budget, n, window, 8, 0.9) for budget in budgets],
    }
    specs = (page_hinkley(), incremental_ks(window), nmddm(window))
    counts: dict[str, list[np.ndarray]] = {name: [] for name in levels}
    for start in range(0, columns, block):
        located = SortedReference(rng.random((n, block)))
        chosen = specs if start < columns // 5 else specs[:2]  # the references of NM-DDM are all alike
        totals = {spec.name: np.zeros((block, len(budgets))) for spec in chosen}
        for _ in range(rows // piece):
            slots = located.locate(rng.random((piece + window, block)))
            for spec in chosen:
                level = np.tile(levels[spec.name], (block, 1))
                totals[spec.name] += counts_of(spec, located, slots, level, window)
        for name, total in totals.items():
            counts[name].append(total)
    for name, each in counts.items():
        for budget, count in zip(budgets, np.concatenate(each).T, strict=True):
            print(f"{name:15} {budget}: {within(count, rows / budget)}", flush=True)


def within(count: np.ndarray, expected: float) -> str:
    """Say how many references alarmed no more often than expected, with and without the noise of counting."""
    # What is left of the spread without that noise, as a log-normal law.
    mean, excess = count.mean(), max(count.var() - count.mean(), 0.0)
    sigma = math.sqrt(math.log1p(excess / mean**2))
    share = float(stats.norm.cdf((math.log(expected / mean) + sigma**2 / 2.0) / max(sigma, 1e-3)))
    kept = np.mean(count <= expected)
    return (
        f"counted {kept:.1%}±{math.sqrt(kept * (1 - kept) / len(count)):.1%}, without the noise of counting"
        f" {share:.1%}; rates: mean {mean / expected:.2f}, deviation {sigma:.0%}"
    )


def profile_of(rows: np.ndarray) -> ReferenceProfile:
    signals = [Signal(f"feature:{j}") for j in range(rows.shape[1])]
    return ReferenceProfile.from_rows(signals, rows, model_hash="benchmark")


def together(rng: np.random.Generator, rows: int, columns: int, rho: float) -> np.ndarray:
    common = rng.normal(size=(rows, 1))
    return math.sqrt(rho) * common + math.sqrt(1.0 - rho) * rng.normal(size=(rows, columns))


def correlated() -> None:
    for budget, turns in ((1_000, 100), (10_000, 200)):
        correlated_at(budget, turns)


def correlated_at(budget: int, turns: int, n: int = 5_000, columns: int = 100, window: int = 100) -> None:
    """One budget of episodes over many signals, split evenly and jointly, on the same streams."""
    print(f"\n{columns} signals, window {window}, one episode per {budget} rows over all of them")
    specs = (page_hinkley(), incremental_ks(window), nmddm(window))
    names = (*(spec.name for spec in specs), "all three")
    for rho in (0.0, 0.5, 0.9):
        rng = np.random.default_rng([SEED, 3, int(rho * 10), budget])
        reference = together(rng, n, columns, rho)
        profile = profile_of(reference)
        monitors: dict[str, list[dict[str, np.ndarray]]] = {}
        for name in names:
            chosen = [spec for spec in specs if name in (spec.name, "all three")]
            kinds = [
                calibrate(profile, reference, detectors=chosen, false_alarm_every=budget,
                          joint_budget=share, episode_gap=window)
                for share in (False, True)
            ]  # fmt: skip
            monitors[name] = [{s.name: kind.thresholds(s.name) for s in chosen} for kind in kinds]
            print(f"rho {rho} {name}: {kinds[1].episode_share:.3f} episodes per alarm", flush=True)
        rates = correlated_rates(rng, specs, monitors, rho, n, window, turns)
        delays = correlated_delays(rng, specs, monitors, rho, n, window)
        for name in names:
            even, jointly = (shown(of_kind * budget) for of_kind in rates[name].T)
            said = "; ".join(delays[name])
            print(f"rho {rho} {name:15} rate even {even}, joint {jointly}; {said}", flush=True)


def alarmed(
    specs: tuple[DetectorSpec, ...],
    monitors: dict[str, list[dict[str, np.ndarray]]],
    located: SortedReference,
    stream: np.ndarray,
) -> dict[str, list[np.ndarray]]:
    """Whether any pair of each monitor alarms at each row, split evenly and jointly."""
    slots, found = located.locate(stream), {}
    categorical = np.zeros(located.n_signals, dtype=bool)
    paths = {
        spec.name: spec.build(located, np.full(located.n_signals, np.inf), categorical)
        .update_located(slots).statistic
        for spec in specs if spec.window is not None
    }  # fmt: skip
    for name, kinds in monitors.items():
        found[name] = [np.zeros(len(stream), dtype=bool) for _ in kinds]
        for any_alarm, levels in zip(found[name], kinds, strict=True):
            for spec in specs:
                if spec.name in paths and spec.name in levels:
                    any_alarm |= (paths[spec.name] > levels[spec.name]).any(axis=1)
                elif spec.name in levels:
                    detector = spec.build(located, levels[spec.name], categorical)
                    any_alarm |= detector.update_located(slots).alarm.any(axis=1)
    return found


def correlated_rates(
    rng: np.random.Generator,
    specs: tuple[DetectorSpec, ...],
    monitors: dict[str, list[dict[str, np.ndarray]]],
    rho: float,
    n: int,
    window: int,
    turns: int,
    rows: int = 20_000,
    columns: int = 100,
) -> dict[str, np.ndarray]:
    """Episodes per row of each monitor, split evenly and jointly, on fresh references: (turns, 2)."""
    rates = {name: np.zeros((turns, 2)) for name in monitors}
    for turn in range(turns):
        located = SortedReference(together(rng, n, columns, rho))
        stream = together(rng, rows + 2 * window, columns, rho)
        for name, kinds in alarmed(specs, monitors, located, stream).items():
            for number, any_alarm in enumerate(kinds):
                at = np.flatnonzero(any_alarm)
                opened = at[np.diff(at, prepend=-window) >= window]
                rates[name][turn, number] = int((opened >= 2 * window).sum()) / rows
    return rates


def correlated_delays(
    rng: np.random.Generator,
    specs: tuple[DetectorSpec, ...],
    monitors: dict[str, list[dict[str, np.ndarray]]],
    rho: float,
    n: int,
    window: int,
    runs: int = 150,
    wait: int = 400,
    columns: int = 100,
) -> dict[str, list[str]]:
    """Mean rows to the alarm, even and joint on the same runs, of those without an alarm before."""
    said: dict[str, list[str]] = {name: [] for name in monitors}
    for moved, shift in ((1, 0.5), (1, 1.0), (columns, 0.5), (columns, 1.0)):
        delays: dict[str, list[tuple[int, int]]] = {name: [] for name in monitors}
        for run in range(runs):
            if run % 10 == 0:
                located = SortedReference(together(rng, n, columns, rho))
            start = int(rng.integers(2 * window, 3 * window))
            stream = together(rng, start + wait, columns, rho)
            stream[start:, :moved] += shift
            for name, kinds in alarmed(specs, monitors, located, stream).items():
                if not any(any_alarm[:start].any() for any_alarm in kinds):
                    first = [int(a[start:].argmax()) + 1 if a[start:].any() else wait for a in kinds]
                    delays[name].append((first[0], first[1]))
        for name, pairs in delays.items():
            even, jointly = np.array(pairs).mean(axis=0)
            saved = 1.0 - jointly / even
            error = float(np.std(np.array(pairs) @ [1.0 - saved, -1.0])) / math.sqrt(len(pairs)) / even
            who = "all" if moved > 1 else "one"
            said[name].append(f"{who} +{shift}: {even:.1f} → {jointly:.1f} rows ({-saved:+.0%}±{error:.0%})")
    return said


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


PARTS = {
    part.__name__: part for part in (independent, autocorrelated, dependence, guarantee, correlated, speed)
}

if __name__ == "__main__":
    for chosen in sys.argv[1:] or PARTS:
        PARTS[chosen]()
