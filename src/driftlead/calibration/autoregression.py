"""Gaussian autoregression of the normal scores of a reference stream: fitted, judged and simulated.

The sieve: whatever the distribution of a signal, the ranks of its stream are those of a Gaussian stream
with the same dependence, and an autoregression of finite order stands for that dependence.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray
from scipy import special

__all__ = [
    "MAX_ORDER",
    "WARM_UP",
    "Autoregressions",
    "autocorrelations",
    "fit",
    "long_run_variance",
    "normal_scores",
    "simulate",
    "truths",
    "variance_of_share",
]

MAX_ORDER = 8
WARM_UP = 500
"""Rows simulated and thrown away, several times longer than the memory of most streams."""
_LONGEST_MEMORY = 20_000


@dataclass(frozen=True, eq=False)
class Autoregressions:
    """One autoregression per signal, of unit variance.

    Attributes
    ----------
    order : int64 array, shape (d,)
        Number of lags, 0 for independent observations.
    coefficients : float64 array, shape (d, 8)
        Coefficient of each lag, 0 beyond the order.
    """

    order: NDArray[np.int64]
    coefficients: NDArray[np.float64]

    def select(self, signals: NDArray[np.int64]) -> Autoregressions:
        """Return those of some of the signals."""
        return Autoregressions(self.order[signals], self.coefficients[signals])


def normal_scores(rows: ArrayLike, seed: int) -> NDArray[np.float64]:
    """Return the standard normal quantile of every value's rank in its column; ties in random order.

    Parameters
    ----------
    rows : array of shape (n, d)
        NaN is a missing value.
    seed : int
        Of the order among ties.

    Returns
    -------
    float64 array, shape (n, d)
        0, the mean, where the value is missing.

    Examples
    --------
    >>> normal_scores([[3.0], [1.0], [2.0]], seed=0).round(2).ravel()
    array([ 0.67, -0.67,  0.  ])
    """
    columns = np.ascontiguousarray(np.asarray(rows, dtype=np.float64).T)
    rng = np.random.default_rng(seed)
    scores = np.zeros_like(columns)
    quantiles = functools.cache(lambda n: special.ndtri(np.arange(1, n + 1) / (n + 1.0)))
    for column, score in zip(columns, scores, strict=True):
        present = np.flatnonzero(~np.isnan(column))
        values = column[present]
        order = np.argsort(values)
        if np.any(values[order[1:]] == values[order[:-1]]):
            order = np.lexsort((rng.random(len(values)), values))
        score[present[order]] = quantiles(len(values))
    return scores.T


def autocorrelations(scores: NDArray[np.float64], lags: int) -> NDArray[np.float64]:
    """Return the autocorrelations at lags 0 … ``lags`` of each column about 0, shape (d, lags + 1)."""
    series = np.ascontiguousarray(scores.T)
    rows = series.shape[1]
    products = [np.einsum("ij,ij->i", series[:, : rows - lag], series[:, lag:]) for lag in range(lags + 1)]
    variance = np.maximum(products[0], np.finfo(np.float64).tiny)
    return np.stack([product / variance for product in products], axis=1)


def fit(scores: NDArray[np.float64]) -> Autoregressions:
    """Fit each column by the Yule-Walker equations; the order, at most 8, is chosen by BIC.

    Notes
    -----
    Brockwell and Davis, Time Series: Theory and Methods (1991), sections 8.2 (Durbin-Levinson) and 9.3.
    """
    n, d = scores.shape
    lags = max(0, min(MAX_ORDER, n // 10))
    correlations = autocorrelations(scores, lags)
    order, coefficients = np.zeros(d, dtype=np.int64), np.zeros((d, MAX_ORDER))
    for j in range(d):
        steps = np.zeros((lags + 1, MAX_ORDER))
        left = np.ones(lags + 1)
        _durbin_levinson(correlations[j], steps, left)
        order[j] = int(np.argmin(n * np.log(left) + np.arange(lags + 1) * math.log(n)))
        coefficients[j] = steps[order[j]]
    return Autoregressions(order, coefficients)


@njit(cache=True, nogil=True)
def _durbin_levinson(
    correlations: NDArray[np.float64], steps: NDArray[np.float64], left: NDArray[np.float64]
) -> None:
    """Write the coefficients of every order to ``steps`` and the variance they leave to ``left``."""
    for p in range(1, correlations.shape[0]):
        previous = steps[p - 1]
        reflected = correlations[p]
        for k in range(p - 1):
            reflected -= previous[k] * correlations[p - 1 - k]
        reflected /= left[p - 1]
        steps[p, p - 1] = reflected
        for k in range(p - 1):
            steps[p, k] = previous[k] - reflected * previous[p - 2 - k]
        left[p] = left[p - 1] * max(1.0 - reflected * reflected, 1e-6)


@njit(cache=True, nogil=True)
def simulate(
    coefficients: NDArray[np.float64], innovations: NDArray[np.float64], path: NDArray[np.float64]
) -> None:
    """Write stationary paths of unit variance to ``path``.

    Parameters
    ----------
    coefficients : float64 (d, 8)
    innovations : float64 (d, warm_up + rows)
        Standard normal; the first ones only warm the path up.
    path : float64 (d, rows)
    """
    d, rows = path.shape
    warm_up = innovations.shape[1] - rows
    past = np.zeros(8)
    for j in range(d):
        scale = math.sqrt(np.prod(1.0 - _partials(coefficients[j]) ** 2))
        past[:] = 0.0
        order = 0
        for k in range(8):
            if coefficients[j, k] != 0.0:
                order = k + 1
        for r in range(warm_up + rows):
            value = scale * innovations[j, r]
            for k in range(order):
                value += coefficients[j, k] * past[k]
            for k in range(order - 1, 0, -1):
                past[k] = past[k - 1]
            past[0] = value
            if r >= warm_up:
                path[j, r - warm_up] = value


@njit(cache=True, nogil=True)
def _partials(coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the partial autocorrelations of an autoregression: the last coefficient of each order."""
    current = coefficients.copy()
    before = np.zeros_like(current)
    partials = np.zeros_like(current)
    for p in range(len(current), 0, -1):
        partial = min(max(current[p - 1], -0.9999995), 0.9999995)
        partials[p - 1] = partial
        for k in range(p - 1):
            before[k] = (current[k] + partial * current[p - 2 - k]) / (1.0 - partial * partial)
        current[: p - 1] = before[: p - 1]
    return partials


def _of_partials(partials: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the coefficients that have these partial autocorrelations."""
    coefficients = np.zeros_like(partials)
    for p, partial in enumerate(partials):
        coefficients[:p] -= partial * coefficients[:p][::-1]
        coefficients[p] = partial
    return coefficients


def truths(fitted: Autoregressions, innovations: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return autoregressions under which samples of these innovations would be fitted by ``fitted``.

    What is known of a stream is the fit to its reference, not the truth. Under the fit, a sample of
    these innovations is fitted by something else again; the truth is taken to lie as far on the other
    side of the fit, in Fisher's transform of each partial autocorrelation. A sample simulated under the
    truth from the same innovations then has about the dependence that was found, and its error goes with
    its mean and its spread, as that of the reference does.

    Parameters
    ----------
    fitted : Autoregressions
        Of d signals.
    innovations : float64 array, shape (d, warm_up + n)
        Standard normal; see `simulate`.

    Returns
    -------
    float64 array, shape (d, 8)
        Coefficients.
    """
    d = len(fitted.order)
    scores = np.empty((d, innovations.shape[1] - WARM_UP))
    simulate(fitted.coefficients, innovations, scores)
    correlations = autocorrelations(normal_scores(scores.T, seed=0), MAX_ORDER)
    drawn = np.zeros((d, MAX_ORDER))
    for j, order in enumerate(fitted.order):
        steps, left = np.zeros((MAX_ORDER + 1, MAX_ORDER)), np.ones(MAX_ORDER + 1)
        _durbin_levinson(correlations[j], steps, left)
        found, again = _partials(fitted.coefficients[j]), np.diag(steps[1:])
        truth = np.tanh(2.0 * np.arctanh(found) - np.arctanh(np.clip(again, -0.9999995, 0.9999995)))
        truth[order:] = 0.0
        drawn[j] = _of_partials(truth)
    return drawn


def long_run_variance(coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return n times the variance of the mean of n rows of each stream, for many rows; shape (d,)."""
    innovation = np.array([np.prod(1.0 - _partials(row) ** 2) for row in coefficients])
    return np.asarray(innovation / (1.0 - coefficients.sum(axis=1)) ** 2)


def variance_of_share(coefficients: NDArray[np.float64], rows: int) -> float:
    """Return the variance of the share of ``rows`` successive values that lie below the median, times 4.

    1 / rows for independent observations. The sum over lags of (2/π) arcsin of the autocorrelation, by
    the orthant probability of two normal variables (Sheppard 1899).
    """
    memory = min(rows, _LONGEST_MEMORY)
    correlations = _theoretical_autocorrelations(coefficients, memory)
    lags = np.arange(1, memory)
    signs = (2.0 / math.pi) * np.arcsin(np.clip(correlations[1:], -1.0, 1.0))
    inflation = 1.0 + 2.0 * float(np.sum((1.0 - lags / rows) * signs))
    return max(inflation, 1e-3) / rows


@njit(cache=True, nogil=True)
def _extend(coefficients: NDArray[np.float64], correlations: NDArray[np.float64], known: int) -> None:
    for lag in range(known, len(correlations)):
        value = 0.0
        for k in range(min(len(coefficients), lag)):
            value += coefficients[k] * correlations[lag - 1 - k]
        correlations[lag] = value


def _theoretical_autocorrelations(coefficients: NDArray[np.float64], lags: int) -> NDArray[np.float64]:
    """Autocorrelations at lags 0 … lags - 1 by the Yule-Walker equations."""
    p = len(coefficients)
    system, right = np.eye(p), np.zeros(p)  # unknown: the autocorrelations at lags 1 … p
    for row in range(1, p + 1):
        for k in range(1, p + 1):
            lag = abs(row - k)
            if lag == 0:
                right[row - 1] += coefficients[k - 1]
            else:
                system[row - 1, lag - 1] -= coefficients[k - 1]
    correlations = np.zeros(max(lags, p + 1))
    correlations[0] = 1.0
    correlations[1 : p + 1] = np.linalg.solve(system, right)
    _extend(coefficients, correlations, p + 1)
    return correlations[:lags]
