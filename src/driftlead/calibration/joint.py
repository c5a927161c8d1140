"""Signals that move together: how many of their false alarms fall into one episode.

Split evenly, a budget supposes that every pair of signal and detector raises its false alarms on its own.
Correlated signals raise them together: alarms of any pair less than a window apart are one episode, one
page to whoever is on call. Rows are simulated jointly and the share of episodes in alarms is counted.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from driftlead.calibration import autoregression
from driftlead.calibration.autoregression import Autoregressions
from driftlead.calibration.specs import DetectorSpec
from driftlead.ranks import SortedReference

__all__ = ["EpisodeShare", "innovation_correlation", "simulate_episodes"]

_FEWEST = 40  # episodes at a level, below which it is not used


@dataclass(frozen=True)
class EpisodeShare:
    """Share of episodes in all alarms, as a function of the rate of one pair.

    ``log(share) = constant + slope · log(rate)``, at most 0: rarer alarms coincide less.
    """

    constant: float
    slope: float

    def __call__(self, log_rate: float) -> float:
        """Return the logarithm of the share where every pair alarms at this log rate per row."""
        return min(0.0, self.constant + self.slope * log_rate)


def innovation_correlation(scores: NDArray[np.float64], fitted: Autoregressions) -> NDArray[np.float64]:
    """Return the correlations of what each row brings anew to each signal, shape (d, d).

    Parameters
    ----------
    scores : float64 array, shape (n, d)
        Normal scores in the order of time.
    fitted : Autoregressions
    """
    residuals = scores[autoregression.MAX_ORDER :].copy()
    for lag in range(1, autoregression.MAX_ORDER + 1):
        if np.any(fitted.coefficients[:, lag - 1]):
            before = scores[autoregression.MAX_ORDER - lag : len(scores) - lag]
            residuals -= before * fitted.coefficients[:, lag - 1]
    covariance = residuals.T @ residuals
    scale = np.sqrt(np.maximum(np.diag(covariance), np.finfo(np.float64).tiny))
    return np.asarray(covariance / np.outer(scale, scale))


def simulate_episodes(
    specs: list[tuple[DetectorSpec, NDArray[np.int64]]],
    fitted: Autoregressions,
    correlation: NDArray[np.float64],
    n: int,
    levels: list[NDArray[np.float64]],
    log_rates: NDArray[np.float64],
    rows: int,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> EpisodeShare | None:
    """Count episodes and alarms of all pairs on joint rows.

    Parameters
    ----------
    specs : list of (DetectorSpec, columns)
        The tests and the signals that each watches.
    fitted : Autoregressions
        Of all signals.
    correlation : float64 array, shape (d, d)
        Of the innovations.
    n : int
        Size of the reference.
    levels : list of float64 arrays, shape (columns, l)
        Level of each pair at each of ``log_rates``, increasing.
    log_rates : float64 array, shape (l,)
        Falling.
    rows, seed, progress
        Rows to simulate in all.

    Returns
    -------
    EpisodeShare or None
        None where too few episodes were seen to say.
    """
    d = len(correlation)
    factor = np.linalg.cholesky(correlation + 1e-6 * np.eye(d))
    gap = max([spec.window or 0 for spec, _ in specs]) or 500
    length = max(n, 20 * gap, 5_000)
    references = max(8, math.ceil(rows / length))

    def run(number: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        rng = np.random.default_rng([seed, 77, number])
        paths = []
        for size in (n, length + 2 * gap):
            innovations = factor @ rng.standard_normal((d, size + autoregression.WARM_UP))
            path = np.empty((d, size))
            autoregression.simulate(fitted.coefficients, innovations, path)
            paths.append(path)
        located = SortedReference(list(paths[0]))
        slots = located.locate(paths[1].T)
        highest = np.zeros(length + 2 * gap, dtype=np.int64)
        alarms = np.zeros(len(log_rates), dtype=np.int64)
        for (spec, columns), at in zip(specs, levels, strict=True):
            detector = spec.build(
                located.select(columns), np.full(len(columns), np.inf), np.zeros(len(columns), dtype=np.bool_)
            )
            path = detector.update_located(np.ascontiguousarray(slots[:, columns])).statistic
            _exceedances(np.ascontiguousarray(path.T), at, spec.window or gap, 2 * gap, highest, alarms)
        episodes = np.zeros(len(log_rates), dtype=np.int64)
        _episodes(highest, gap, 2 * gap, episodes)
        return alarms, episodes

    alarms, episodes = np.zeros(len(log_rates)), np.zeros(len(log_rates))
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for done, (some_alarms, some_episodes) in enumerate(pool.map(run, range(references)), start=1):
            alarms += some_alarms
            episodes += some_episodes
            if progress is not None:
                progress(done, references)
    return _fit(log_rates, alarms, episodes)


def _fit(
    log_rates: NDArray[np.float64], alarms: NDArray[np.float64], episodes: NDArray[np.float64]
) -> EpisodeShare | None:
    used = episodes >= _FEWEST
    if used.sum() < 3:
        return None
    share = np.log(episodes[used] / alarms[used])
    weight = np.minimum(episodes[used], 400.0)
    x = log_rates[used]
    centre = float(np.average(x, weights=weight))
    middle = float(np.average(share, weights=weight))
    slope = float((weight * (x - centre) * (share - middle)).sum() / (weight * (x - centre) ** 2).sum())
    slope = min(slope, 0.0)
    return EpisodeShare(middle - slope * centre, slope)


@njit(cache=True, nogil=True)
def _exceedances(
    statistic: NDArray[np.float64],
    levels: NDArray[np.float64],
    window: int,
    burn_in: int,
    highest: NDArray[np.int64],
    alarms: NDArray[np.int64],
) -> None:
    """Count each pair's own excursions, and raise ``highest`` to the number of levels exceeded by any."""
    n_levels = levels.shape[1]
    latest = np.empty(n_levels, dtype=np.int64)
    for j in range(statistic.shape[0]):
        latest[:] = -(2**40)
        for r in range(statistic.shape[1]):
            level = 0
            while level < n_levels and levels[j, level] < statistic[j, r]:
                if r - latest[level] >= window and r >= burn_in:
                    alarms[level] += 1
                latest[level] = r
                level += 1
            highest[r] = max(highest[r], level)


@njit(cache=True, nogil=True)
def _episodes(highest: NDArray[np.int64], gap: int, burn_in: int, episodes: NDArray[np.int64]) -> None:
    latest = np.full(len(episodes), -(2**40), dtype=np.int64)
    for r in range(len(highest)):
        for level in range(highest[r]):
            if r - latest[level] >= gap and r >= burn_in:
                episodes[level] += 1
            latest[level] = r
