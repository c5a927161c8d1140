"""How many false alarms fall into one episode, by chance and because signals move together.

Alarms of pairs that have nothing to do with each other run into each other as often as Poisson's law says.
Split evenly, a budget supposes that every pair of signal and detector raises its false alarms on its own.
Correlated signals raise them together: alarms of any pair less than a window apart are one episode, one
page to whoever is on call. Rows are simulated jointly and the share of episodes in alarms is counted, for
each test by itself: tests differ in how much their alarms coincide, and one share for all would give the
budget to the test that coincides least.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import special

from driftlead.calibration import autoregression
from driftlead.calibration.autoregression import Autoregressions
from driftlead.calibration.specs import DetectorSpec
from driftlead.ranks import SortedReference

__all__ = [
    "EpisodeShare",
    "Episodes",
    "fit_share",
    "innovation_correlation",
    "rate_before_merging",
    "simulate_episodes",
]

_FEWEST = 40  # episodes at a level, below which it is not used
_LEAST_FREE = 0.4  # share of rows outside of episodes; 1/e is left where most of them are seen


@dataclass(frozen=True)
class EpisodeShare:
    """Share of episodes in all alarms, as a function of the rate of one pair.

    ``log(share) = constant + slope · log(rate)``, at most 0: rarer alarms coincide less. Episodes count
    as if none ran into another by chance.

    Attributes
    ----------
    constant, slope : float
    length : float
        Mean rows from an episode's first alarm to its end, a gap after its last.
    """

    constant: float
    slope: float
    length: float

    def __call__(self, log_rate: float) -> float:
        """Return the logarithm of the share where every pair alarms at this log rate per row."""
        return min(0.0, self.constant + self.slope * log_rate)


class Episodes(NamedTuple):
    """Episodes of each test and, last, of all together, at each of their levels.

    Attributes
    ----------
    begun : float64 array, shape (tests + 1, l)
    free : float64 array, shape (tests + 1, l)
        Rows outside of any episode.
    rows : int
        All rows.
    """

    begun: NDArray[np.float64]
    free: NDArray[np.float64]
    rows: int


def rate_before_merging(rate: float, length: float) -> float:
    """Return the rate at which independent episodes must begin for ``rate`` of them to be seen.

    What begins within the ``length`` rows of another episode is seen as one with it. Beginnings at a
    rate L leave a share exp(-L · length) of all rows free (Takács 1962: the idle time of a queue with
    endlessly many servers), so that L · exp(-L · length) episodes are seen, at most 1 / (e · length).

    Examples
    --------
    >>> round(rate_before_merging(1 / 1000, length=100) * 1000, 3)
    1.118
    """
    if length <= 0.0:
        return rate
    return float(-special.lambertw(-min(rate * length, 0.999 / math.e)).real / length)


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
    gap: int,
    rows: int,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> Episodes:
    """Count the episodes of each test, and of all together, on joint rows.

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
        Increasing levels of each pair of each test.
    gap : int
        Rows without an alarm after which an episode is over.
    rows, seed, progress
        Rows to simulate in all.

    Returns
    -------
    Episodes
    """
    d, n_levels = len(correlation), levels[0].shape[1]
    factor = np.linalg.cholesky(correlation + 1e-6 * np.eye(d))
    length = max(n, 20 * gap, 5_000)
    references = max(8, math.ceil(rows / length))

    def run(turn: int) -> NDArray[np.int64]:
        rng = np.random.default_rng([seed, 77, turn])
        paths = []
        for size in (n, length + 2 * gap):
            innovations = factor @ rng.standard_normal((d, size + autoregression.WARM_UP))
            path = np.empty((d, size))
            autoregression.simulate(fitted.coefficients, innovations, path)
            paths.append(path)
        located = SortedReference(list(paths[0]))
        slots = located.locate(paths[1].T)
        counted = np.zeros((len(specs) + 1, 2, n_levels), dtype=np.int64)
        any_alarm = np.zeros((n_levels, length + 2 * gap), dtype=np.bool_)
        for number, ((spec, columns), at) in enumerate(zip(specs, levels, strict=True)):
            alarmed = np.zeros_like(any_alarm)
            _alarmed(spec, located.select(columns), np.ascontiguousarray(slots[:, columns]), at, alarmed)
            counted[number] = _episodes(alarmed, gap, 2 * gap)
            any_alarm |= alarmed
        counted[-1] = _episodes(any_alarm, gap, 2 * gap)
        return counted

    total = np.zeros((len(specs) + 1, 2, n_levels))
    if progress is not None:
        progress(0, references)
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for done, counted in enumerate(pool.map(run, range(references)), start=1):
            total += counted
            if progress is not None:
                progress(done, references)
    return Episodes(total[:, 0], total[:, 1], references * length)


def fit_share(
    log_rates: NDArray[np.float64],
    begun: NDArray[np.float64],
    free: NDArray[np.float64],
    rows: int,
    pairs: int,
    apart: int,
) -> EpisodeShare | None:
    """Fit the share of episodes in all alarms.

    Parameters
    ----------
    log_rates : float64 array, shape (l,)
        Of one pair.
    begun, free, rows
        Episodes and free rows at each level, shape (l,), and all rows; see `Episodes`.
    pairs, apart : int
        Pairs whose episodes were counted, and further ones whose alarms are episodes of their own.

    Returns
    -------
    EpisodeShare or None
        None where too few episodes were seen to say.
    """
    used = (begun >= _FEWEST) & (free >= _LEAST_FREE * rows)
    if used.sum() < 3:
        return None
    x = log_rates[used]
    alone = begun[used] / free[used]  # only in free rows is a beginning seen
    share = np.log((alone + apart * np.exp(x)) / (pairs + apart)) - x
    weight = np.minimum(begun[used], 400.0)
    centre = float(np.average(x, weights=weight))
    middle = float(np.average(share, weights=weight))
    slope = float((weight * (x - centre) * (share - middle)).sum() / (weight * (x - centre) ** 2).sum())
    slope = min(slope, 0.0)
    length = float(np.average(-np.log(free[used] / rows) / alone, weights=weight))
    return EpisodeShare(middle - slope * centre, slope, length)


def _alarmed(
    spec: DetectorSpec,
    located: SortedReference,
    slots: NDArray[np.int32],
    levels: NDArray[np.float64],
    alarmed: NDArray[np.bool_],
) -> None:
    """Mark in ``alarmed``, shape (l, rows), where a test alarms on any signal at each level."""
    numeric = np.zeros(located.n_signals, dtype=np.bool_)
    if spec.window is not None:
        detector = spec.make(located, np.full(located.n_signals, np.inf), numeric)
        _exceeded(np.ascontiguousarray(detector.update_located(slots).statistic.T), levels, alarmed)
        return
    for level, marked in zip(levels.T, alarmed, strict=True):  # a test that restarts, restarts at its level
        marked |= spec.make(located, level.copy(), numeric).update_located(slots).alarm.any(axis=1)


@njit(cache=True, nogil=True)
def _exceeded(
    statistic: NDArray[np.float64], levels: NDArray[np.float64], alarmed: NDArray[np.bool_]
) -> None:
    """Mark where any signal's statistic, (d, rows), exceeds each of its increasing levels, (d, l)."""
    n_levels = levels.shape[1]
    for j in range(statistic.shape[0]):
        for r in range(statistic.shape[1]):
            level = 0
            while level < n_levels and levels[j, level] < statistic[j, r]:
                alarmed[level, r] = True
                level += 1


@njit(cache=True, nogil=True)
def _episodes(alarmed: NDArray[np.bool_], gap: int, burn_in: int) -> NDArray[np.int64]:
    """Return how many episodes begin after the burn-in at each level, and the rows outside, (2, l)."""
    found = np.zeros((2, alarmed.shape[0]), dtype=np.int64)
    for level in range(alarmed.shape[0]):
        latest = -(2**40)
        for r in range(alarmed.shape[1]):
            free = r - latest >= gap
            found[1, level] += free and r >= burn_in
            if alarmed[level, r]:
                found[0, level] += free and r >= burn_in
                latest = r
    return found
