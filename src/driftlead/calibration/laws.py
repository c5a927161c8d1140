"""The rate of one test on one signal as a smooth function of its level: known, or fitted to a simulation.

A simulation counts alarms at levels where they are frequent; thresholds for a long budget lie beyond.
Each fit therefore keeps what theory says of the tail and adjusts a constant and a scale.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

__all__ = ["Law", "excess_spread", "fit_curve", "fit_stretched", "fit_tail"]

_GROUPS = 8  # of simulated references, left out one at a time
_FARTHEST, _GRID = 30.0, 600  # times the lowest level of a known law; points between
_BEND = 30.0  # standard deviation within which the curvature of an unknown law, in its levels, lies around 0
_FEWEST = 15  # alarms at a level, below which the level is not used


@dataclass(frozen=True)
class Law:
    """Log rate per row of a test as a function of its level.

    Attributes
    ----------
    log_rate : callable
        Natural logarithm of the alarms per row at a level.
    lowest : float
        Level below which the law does not hold.
    error : callable
        Standard deviation of `log_rate` at a level, from the simulation's own noise; 0 for a table.
    quantile : callable or None
        The log rate at a level that a share of the references stays below; None: all have the same.
    """

    log_rate: Callable[[float], float]
    lowest: float
    error: Callable[[float], float] = lambda level: 0.0
    quantile: Callable[[float, float], float] | None = None

    def at(self, level: float, guarantee: float | None) -> float:
        """Return the log rate on average over references, or its quantile ``guarantee`` over them."""
        if guarantee is None or self.quantile is None:
            return self.log_rate(level)
        return self.quantile(level, guarantee)

    def with_spread(self, spread: Callable[[float], float]) -> Law:
        """Return this law with a rate that is log-normal over references, of that log-deviation."""

        def quantile(level: float, share: float) -> float:
            deviation = spread(level)
            return self.log_rate(level) + float(special.ndtri(share)) * deviation - deviation**2 / 2.0

        return dataclasses.replace(self, quantile=quantile)


def fit_tail(
    levels: NDArray[np.float64],
    counts: NDArray[np.int64],
    rows: int,
    formula: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    features: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    caution: NDArray[np.float64],
    most: float = math.inf,
) -> Law:
    """Fit ``log rate = formula + features @ coefficients`` to counts of alarms.

    Parameters
    ----------
    levels : float64 array, shape (l,)
        Increasing.
    counts : int64 array, shape (b, l)
        Alarms above each level on each of b simulated references.
    rows : int
        Rows on each reference.
    formula, features : callable
        Of levels, shape (l,) → (l,) and (l,) → (l, k).
    caution : float64 array, shape (k,)
        Standard deviation within which a coefficient is believed to lie around 0; infinite: unknown.
    most : float
        Alarms per row above which a level is not used.

    Returns
    -------
    Law
    """
    used = _usable(counts, most * rows)
    known, terms = formula(levels[used]), features(levels[used])

    def solve(counts: NDArray[np.int64]) -> NDArray[np.float64]:
        log_rate, weight = _log_rates(counts[:, used], rows)
        return _least_squares(terms, log_rate - known, weight, caution)

    coefficients, left_out = solve(counts), _left_out(solve, counts)

    def at(level: float) -> NDArray[np.float64]:
        return np.asarray(features(np.array([level]))[0])

    return Law(
        lambda level: float(formula(np.array([level]))[0] + at(level) @ coefficients),
        float(levels[used][0]),
        lambda level: _jackknife(left_out @ at(level)),
    )


def fit_curve(
    levels: NDArray[np.float64], counts: NDArray[np.int64], rows: int, most: float = math.inf
) -> Law:
    """Fit a parabola to the log rate of an unknown test; from the last level on its tangent goes on.

    Parameters
    ----------
    levels, counts, rows, most
        As in `fit_tail`.

    Returns
    -------
    Law
    """
    span = levels[-1] - levels[0]
    end = (levels[_usable(counts, most * rows)[-1]] - levels[0]) / span

    def features(level: NDArray[np.float64]) -> NDArray[np.float64]:
        x = (level - levels[0]) / span
        seen = np.minimum(x, end)
        return np.stack([np.ones_like(x), x, seen**2 + 2.0 * end * (x - seen)], axis=1)

    def fitted(bend: float) -> Law:
        caution = np.array([np.inf, np.inf, bend])
        return fit_tail(levels, counts, rows, lambda level: np.zeros_like(level), features, caution, most)

    law = fitted(_BEND)
    falls = law.log_rate(levels[0] + 2.0 * span) < law.log_rate(levels[0] + end * span)
    return law if falls else fitted(1e-6)


def fit_stretched(
    levels: NDArray[np.float64],
    counts: NDArray[np.int64],
    rows: int,
    known: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    lowest: float,
    scale: float,
    doubt: float,
    most: float,
) -> Law:
    """Fit ``log rate = known((level - shift) / stretch)``: the levels of a known law, moved and stretched.

    Parameters
    ----------
    levels, counts, rows, most
        As in `fit_tail`.
    known : callable
        Log rate of the known law, shape (l,) → (l,), falling from ``lowest`` on.
    scale, doubt : float
        The stretch is believed to be ``scale``, within the relative standard deviation ``doubt``.

    Returns
    -------
    Law
    """
    used = _usable(counts, most * rows)
    grid = lowest * np.geomspace(1.0, _FARTHEST, _GRID)
    of_grid = known(grid)
    slopes = np.gradient(of_grid, grid)
    terms = np.stack([np.ones(len(used)), levels[used] / scale], axis=1)

    def solve(counts: NDArray[np.int64]) -> NDArray[np.float64]:
        log_rate, weight = _log_rates(counts[:, used], rows)
        place = np.interp(-log_rate, -of_grid, grid)  # the known level with that rate
        weight = weight * -np.interp(place, grid, slopes)
        return _least_squares(terms, place - terms[:, 1], weight, np.array([np.inf, doubt]))

    def place(level: float, shift: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.maximum(level / scale * (1.0 + shift[..., 1]) + shift[..., 0], lowest)

    coefficients, left_out = solve(counts), _left_out(solve, counts)
    return Law(
        lambda level: float(known(place(level, coefficients))),
        float(levels[used][0]),
        lambda level: _jackknife(known(place(level, left_out))),
    )


def _least_squares(
    terms: NDArray[np.float64],
    values: NDArray[np.float64],
    weight: NDArray[np.float64],
    caution: NDArray[np.float64],
) -> NDArray[np.float64]:
    left = np.concatenate([terms * weight[:, np.newaxis], np.diag(1.0 / caution)])
    right = np.concatenate([values * weight, np.zeros(len(caution))])
    return np.asarray(np.linalg.lstsq(left, right, rcond=None)[0])


def _left_out(
    solve: Callable[[NDArray[np.int64]], NDArray[np.float64]], counts: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the coefficients without each group of references, shape (groups, k)."""
    groups = np.array_split(np.arange(len(counts)), min(_GROUPS, len(counts)))
    return np.array([solve(np.delete(counts, group, axis=0)) for group in groups])


def excess_spread(counts: NDArray[np.int64]) -> float:
    """Return the deviation of the log rate over references, beyond the noise of counting.

    Counts have shape (b, l); the highest level with enough of them is used.
    """
    tail = counts[:, _usable(counts)[-1]]
    mean = max(float(tail.mean()), 1e-9)
    return math.sqrt(math.log1p(max(float(tail.var(ddof=1)) - mean, 0.0) / mean**2))


def _usable(counts: NDArray[np.int64], most: float = math.inf) -> NDArray[np.int64]:
    """Levels on the falling side with enough alarms; at least the two highest that ever alarmed."""
    total = counts.sum(axis=0)
    peak = int(np.argmax(total))
    falling = (np.arange(len(total)) >= peak) & (total <= most * len(counts))
    used = np.flatnonzero((total >= _FEWEST) & falling)
    return used if len(used) >= 2 else np.flatnonzero(total > 0)[-2:]


def _log_rates(counts: NDArray[np.int64], rows: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Log rates at each level and the weight of each: the inverse of its error over references."""
    mean = np.maximum(counts.mean(axis=0), 0.5 / len(counts))
    error = counts.std(axis=0, ddof=1) / math.sqrt(len(counts)) / mean
    poisson = 1.0 / np.sqrt(np.maximum(counts.sum(axis=0), 1))
    return np.log(mean / rows), 1.0 / np.hypot(np.maximum(error, poisson), 0.02)


def _jackknife(values: NDArray[np.float64]) -> float:
    """Return the standard error of a value from its values with one group left out."""
    groups = len(values)
    return math.sqrt((groups - 1) / groups * float(((values - values.mean()) ** 2).sum()))
