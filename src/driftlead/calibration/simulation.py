"""Tests run on simulated streams of independent or autocorrelated ranks, and the laws fitted to them.

Every simulated reference is fresh, and so is the dependence it and its stream are drawn with: one that
could have given the fit to the reference at hand. The finite reference is thus a part of the rate, as it
is in use.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from driftlead import rates
from driftlead.calibration import autoregression, counting, laws
from driftlead.calibration.autoregression import Autoregressions
from driftlead.calibration.laws import Law
from driftlead.calibration.specs import DetectorSpec
from driftlead.detectors._bins import CATEGORIES
from driftlead.ranks import SortedReference

__all__ = ["SignalModel", "simulate_laws"]

_CHUNK = 8  # signals simulated side by side; fixed, so that threads cannot change the numbers
_LEVELS = 48
_RESTART_RATES = (1 / 200, 1 / 700, 1 / 2_500, 1 / 9_000)  # levels at which a restarting test is run
_RESTART_LEVELS = 10  # at which an unknown one is
_BEYOND = np.inf
_SPARSE = 0.15  # excursions per window above which they run into each other


@dataclass(frozen=True)
class SignalModel:
    """What is known of a signal when nothing changes.

    Attributes
    ----------
    n : int
        Size of its reference sample.
    order : int
        Lags of its autoregression, 0 for independent observations.
    coefficients : float64 array, shape (8,)
    categories : float64 array or None
        Upper end of each category's share of [0, 1], for a categorical signal.
    """

    n: int
    order: int
    coefficients: NDArray[np.float64]
    categories: NDArray[np.float64] | None = None


@dataclass
class _Tally:
    """Alarms of one spec on one chunk: levels (d, l), counts per reference (b, d, l), its errors (b, d)."""

    levels: NDArray[np.float64]
    counts: list[NDArray[np.int64]]
    means: list[NDArray[np.float64]]
    spreads: list[NDArray[np.float64]]


def simulate_laws(
    pairs: Sequence[tuple[SignalModel, Sequence[DetectorSpec]]],
    rows: int,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> list[dict[str, Law]]:
    """Return the law of each spec on each signal, by its name.

    Parameters
    ----------
    pairs : sequence of (SignalModel, specs)
        The signals and the tests to run on each.
    rows : int
        Rows to simulate per signal.
    seed : int
    progress : callable, optional
        Called with signals done and signals in all.
    """
    # Signals with the same tests and like sizes go side by side.
    order = sorted(range(len(pairs)), key=lambda i: ([s.name for s in pairs[i][1]], pairs[i][0].n, i))
    chunks: list[list[int]] = []
    for i in order:
        same = chunks and [s.name for s in pairs[chunks[-1][0]][1]] == [s.name for s in pairs[i][1]]
        if same and len(chunks[-1]) < _CHUNK:
            chunks[-1].append(i)
        else:
            chunks.append([i])
    found: list[dict[str, Law]] = [{} for _ in pairs]
    done = 0
    if progress is not None:
        progress(0, len(pairs))

    def run(number: int) -> tuple[list[int], list[dict[str, Law]]]:
        chunk = chunks[number]
        models = [pairs[i][0] for i in chunk]
        return chunk, _chunk_laws(models, pairs[chunk[0]][1], rows, np.random.default_rng([seed, number]))

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for chunk, chunk_laws in pool.map(run, range(len(chunks))):
            for i, law in zip(chunk, chunk_laws, strict=True):
                found[i] = law
            done += len(chunk)
            if progress is not None:
                progress(done, len(pairs))
    return found


def _chunk_laws(
    models: list[SignalModel], specs: Sequence[DetectorSpec], rows: int, rng: np.random.Generator
) -> list[dict[str, Law]]:
    n = min(model.n for model in models)
    longest = max([spec.window or 0 for spec in specs])
    length = max(2 * n, 10_000, 40 * longest)
    references = max(16, math.ceil(rows / length))
    fitted = Autoregressions(
        np.array([model.order for model in models]), np.stack([model.coefficients for model in models])
    )
    categorical = np.array([model.categories is not None for model in models])
    tallies: dict[str, _Tally] = {}
    for _ in range(references):
        sample, stream = np.empty((len(models), n)), np.empty((len(models), length))
        of_sample, of_stream = (
            rng.standard_normal((len(models), path.shape[1] + autoregression.WARM_UP))
            for path in (sample, stream)
        )
        drawn = autoregression.truths(fitted, of_sample) if fitted.order.any() else fitted.coefficients
        autoregression.simulate(drawn, of_sample, sample)
        autoregression.simulate(drawn, of_stream, stream)
        mean, spread = sample.mean(axis=1), sample.std(axis=1)
        for path in (sample, stream):
            _categorise(path, models)
        located = SortedReference(list(sample))
        slots = located.locate(stream.T)
        for spec in specs:
            tally = tallies.get(spec.name)
            if tally is None:
                tally = tallies[spec.name] = _Tally(
                    _levels(spec, models, located, slots, categorical), [], [], []
                )
            tally.counts.append(_count(spec, tally.levels, located, slots, categorical))
            tally.means.append(-mean / spread)
            tally.spreads.append(np.sqrt(autoregression.long_run_variance(drawn)) / spread)
    return [
        {spec.name: _law(spec, model, tallies[spec.name], j, length) for spec in specs}
        for j, model in enumerate(models)
    ]


def _categorise(path: NDArray[np.float64], models: list[SignalModel]) -> None:
    """Replace the scores of categorical signals by category numbers, in place."""
    for row, model in zip(path, models, strict=True):
        if model.categories is not None:
            row[:] = np.searchsorted(model.categories, special.ndtr(row))


def _levels(
    spec: DetectorSpec,
    models: list[SignalModel],
    located: SortedReference,
    slots: NDArray[np.int32],
    categorical: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Levels to count at, shape (d, l): by theory for a test that restarts, else around a first path."""
    if spec.law == "page_hinkley":
        return np.array([_page_hinkley_levels(spec, model) for model in models])
    detector = spec.make(located, np.full(len(models), _BEYOND), categorical)
    path = detector.update_located(slots).statistic[2 * (spec.window or 0) :]
    low, high = np.quantile(path, 0.7, axis=0), path.max(axis=0)
    steps = np.linspace(0.0, 1.0, _LEVELS if spec.window is not None else _RESTART_LEVELS)
    span = 1.6 * np.maximum(high - low, 1e-9)
    return np.asarray(low[:, np.newaxis] + span[:, np.newaxis] * steps)


def _page_hinkley_levels(spec: DetectorSpec, model: SignalModel) -> list[float]:
    spread = float(np.sqrt(autoregression.long_run_variance(model.coefficients[np.newaxis]))[0])

    def log_rate(level: float) -> float:
        return rates.page_hinkley_scaled(
            level, spec.delta, spec.direction, spread=spread, mean_error=spread / math.sqrt(model.n),
            log_spread_error=0.0,
        )  # fmt: skip

    bracket = (1e-9, 1e9)
    return [
        float(optimize.brentq(lambda level, r=rate: log_rate(level) - math.log(r), *bracket))
        for rate in _RESTART_RATES
    ]


def _count(
    spec: DetectorSpec,
    levels: NDArray[np.float64],
    located: SortedReference,
    slots: NDArray[np.int32],
    categorical: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """Alarms of each signal at each level on one path, shape (d, l)."""
    counts = np.zeros(levels.shape, dtype=np.int64)
    if spec.window is None:
        for level in range(levels.shape[1]):
            detector = spec.make(located, levels[:, level].copy(), categorical)
            counts[:, level] = detector.update_located(slots).alarm.sum(axis=0)
        return counts
    detector = spec.make(located, np.full(len(levels), _BEYOND), categorical)
    path = np.ascontiguousarray(detector.update_located(slots).statistic.T)
    counting.excursions(path, levels, spec.window, 2 * spec.window, counts)
    return counts


def _law(spec: DetectorSpec, model: SignalModel, tally: _Tally, signal: int, length: int) -> Law:
    levels = tally.levels[signal]
    counts = np.stack(tally.counts)[:, signal]
    if not counts.any():
        # The largest value is the usual one: above it there is nothing, at it there is no end of alarms.
        return Law(lambda level: -math.inf, float(levels[0]) or 1e-9)
    if spec.law == "page_hinkley":
        errors = (np.stack(tally.means)[:, signal], np.stack(tally.spreads)[:, signal])
        return _page_hinkley_law(spec, model, levels, counts, *errors, length)
    rows = length - 2 * (spec.window or 0)
    if spec.law == "incremental_ks" and spec.window is not None:
        drawn = np.log(np.stack(tally.spreads)[:, signal])
        return _ks_law(model, spec.window, levels, counts, rows, float(drawn.std(ddof=1)))
    if spec.law == "nmddm" and spec.window is not None:
        law = _nmddm_law(spec, model, spec.window, levels, counts, rows)
    else:
        most = _SPARSE / spec.window if spec.window is not None else _RESTART_RATES[0]
        law = laws.fit_curve(levels, counts, rows, most)
    return law.with_spread(lambda level: laws.excess_spread(counts))


def _nmddm_law(
    spec: DetectorSpec,
    model: SignalModel,
    window: int,
    levels: NDArray[np.float64],
    counts: NDArray[np.int64],
    rows: int,
) -> Law:
    """Fit the law of independent rows, its levels moved and stretched: what bends its tail does so here.

    Those are the end of the statistic's range, and excursions that run into each other.
    """
    bins = spec.bins
    if model.categories is not None:  # of many the rare ones share a bin
        bins = min(max(len(model.categories), 2), CATEGORIES + 1)
    variance = float(autoregression.long_run_variance(model.coefficients[np.newaxis])[0])
    scale = max(1.0, variance**0.8)  # rare values forget faster than the mean does
    return laws.fit_stretched(
        levels,
        counts,
        rows,
        lambda level: rates.nmddm_log_rate(level, window, bins),
        rates.nmddm_lowest(window, bins),
        scale,
        0.5 if model.order else 0.1,
        _SPARSE / window,
    )


def _ks_law(
    model: SignalModel,
    window: int,
    levels: NDArray[np.float64],
    counts: NDArray[np.int64],
    rows: int,
    log_spread_error: float,
) -> Law:
    """Fit the distance in units of its own standard deviation: it has the tail of independent rows.

    The tail is ruled by the share of values below the median, whose variance under an autoregression is
    known; its estimate varies with the reference, about as the spread of a mean does.
    """
    live = autoregression.variance_of_share(model.coefficients, window)
    unit = math.sqrt(live + autoregression.variance_of_share(model.coefficients, model.n))
    nodes, weights = special.roots_hermitenorm(9)
    scales = np.exp(-nodes * log_spread_error)[:, np.newaxis]
    log_weights = np.log(weights / weights.sum())[:, np.newaxis]

    def formula(distance: NDArray[np.float64]) -> NDArray[np.float64]:
        x = distance / unit * scales
        tail = np.log(8.0 * x * x / window) - 2.0 * x * x - (4.0 / 9.0) * x**4 * live
        return np.asarray(special.logsumexp(tail + log_weights, axis=0))

    def features(distance: NDArray[np.float64]) -> NDArray[np.float64]:
        x = distance / unit
        return np.stack([np.ones_like(x), 1.0 / x**2, x], axis=1)

    def spread(distance: float) -> float:
        of_sample = rates.reference_spread(max(distance / unit, rates.KS_LOWEST), model.n, window)
        return math.hypot(of_sample, 4.0 * (distance / unit) ** 2 * log_spread_error)

    law = laws.fit_tail(levels, counts, rows, formula, features, np.array([np.inf, 2.0, 0.3]))
    return law.with_spread(spread)


def _page_hinkley_law(
    spec: DetectorSpec,
    model: SignalModel,
    levels: NDArray[np.float64],
    counts: NDArray[np.int64],
    means: NDArray[np.float64],
    spreads: NDArray[np.float64],
    length: int,
) -> Law:
    """Fit Siegmund's formula with the long-run spread: what a step adds to the level is fitted.

    Each simulated reference is priced with its own errors, so that they add no noise to the fit.
    """
    total = np.maximum(counts.sum(axis=0), 1.0)
    weight = total / (1.0 + total / 2_500.0)

    def misfit(overshoot: float) -> float:
        log_rates = rates.page_hinkley_given(
            levels[:, np.newaxis],
            spec.delta,
            spec.direction,
            mean=means,
            spread=spreads,
            overshoot=overshoot,
        )
        expected = np.exp(log_rates).sum(axis=1) * length
        return float((np.log(expected / total) * weight).sum())

    low, high = 1e-3 - float(levels.min() / spreads.max()), 20.0
    fits = misfit(low) > 0.0 > misfit(high)
    overshoot = float(optimize.brentq(misfit, low, high, xtol=1e-3)) if fits else rates.OVERSHOOT
    spread = float(np.exp(np.log(spreads).mean()))
    error = 1.0 / math.sqrt(weight.sum())
    rate = functools.partial(
        rates.page_hinkley_scaled,
        delta=spec.delta,
        direction=spec.direction,
        spread=spread,
        mean_error=spread / math.sqrt(model.n),
        log_spread_error=float(np.log(spreads).std(ddof=1)),
        overshoot=max(overshoot, 1e-3),
    )
    return Law(rate, 1e-6, lambda level: error, lambda level, share: rate(level, quantile=share))
