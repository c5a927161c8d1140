"""How often each test raises a false alarm at a given level, when nothing has changed.

Every function returns the natural logarithm of the rate per row of one test on one signal, for
independent observations and on average over reference samples. One excursion is one alarm:
exceedances less than a window apart count once, and Page-Hinkley restarts. The tests run on ranks, so
no distribution enters. Formulas carry the exponent of the tail, which is known; small tables of
coefficients, fitted once to long simulations by ``benchmarks/make_tables.py``, carry what multiplies it.
"""

from __future__ import annotations

import functools
import json
import math
from importlib import resources
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

__all__ = [
    "KS_LOWEST",
    "OVERSHOOT",
    "TABLE_ERROR",
    "Direction",
    "incremental_ks",
    "ks_features",
    "ks_formula",
    "nmddm",
    "nmddm_features",
    "nmddm_formula",
    "nmddm_log_rate",
    "nmddm_lowest",
    "page_hinkley",
    "page_hinkley_given",
    "page_hinkley_scaled",
    "reference_spread",
    "spread_features",
]

Direction = Literal["both", "up", "down"]

# Siegmund's correction for the mean overshoot of a random walk with normal steps over two boundaries,
# 2 · 0.583: Siegmund, Sequential Analysis (1985), section X.2.
OVERSHOOT = 1.166

KS_LOWEST = 1.2
"""Scaled distance h below which excursions run into each other and their rate falls again."""

TABLE_ERROR = 0.02
"""Standard deviation of what the tables leave of a log rate, down to about one alarm in 10⁵ rows."""

_MEAN_GRID = np.linspace(-9.0, 9.0, 181)
_SPREAD_GRID = np.linspace(-5.0, 5.0, 21)


def _normal_weights(grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithms of standard normal probabilities on an even grid."""
    logs = -grid * grid / 2.0
    return np.asarray(logs - special.logsumexp(logs))


_LOG_WEIGHTS = _normal_weights(_MEAN_GRID)[:, np.newaxis] + _normal_weights(_SPREAD_GRID)


def ks_formula(
    h: NDArray[np.float64], n: NDArray[Any] | float, window: NDArray[Any] | float
) -> NDArray[np.float64]:
    """Return the tail of the scaled KS distance that theory gives, as a log rate per row.

    Pickands' rate ``8 h² · exp(-2 h² - 1.166 h √(2/w)) / w`` of a stationary process of Brownian
    bridges, times the window's share ``n / (n + w)`` of the variance, which is the part that moves; and
    the next term of the large-deviation exponent, ``-(4/9) (1 + n⁻¹w/(1 + n⁻¹w)) h⁴ / w``, by which
    counts of a short window have lighter tails than a normal variable.
    """
    share = n / (n + window)
    quartic = (4.0 / 9.0) * (2.0 - share) * h**4 / window
    steps = OVERSHOOT * h * np.sqrt(2.0 * share / window)
    return np.asarray(np.log(8.0 * h * h * share / window) - 2.0 * h * h - steps - quartic)


def ks_features(
    h: NDArray[np.float64], n: NDArray[Any] | float, window: NDArray[Any] | float
) -> NDArray[np.float64]:
    """Return the smooth terms whose sum corrects `ks_formula`, shape (..., 16)."""
    h, n, window = np.broadcast_arrays(np.asarray(h, dtype=np.float64), n, window)
    a, s = 1.0 / np.sqrt(window), window / (n + window)
    one, inverse = np.ones_like(h), 1.0 / (h * h)
    terms = [one, inverse, inverse**2, inverse**3]  # the bound tail, and how it is approached
    terms += [a, a * inverse, a * h, a * a, a * a * h * h]  # a window of w points
    terms += [s, s * inverse, s * s, s * s * inverse]  # a reference of n points
    terms += [s * a, s * a * h, s * a * a * h * h]
    return np.stack(terms, axis=-1)


def incremental_ks(h: float, n: int, window: int) -> float:
    """Return the log rate of excursions of the KS distance ``D = h · sqrt((n + w) / (n · w))``.

    Parameters
    ----------
    h : float
        Scaled distance, at least `KS_LOWEST`.
    n : int
        Size of the reference sample.
    window : int
        Size of the sliding window.
    """
    level = np.array(h)
    correction = ks_features(level, n, window) @ _table("incremental_ks")["coefficients"]
    return float(ks_formula(level, n, window) + correction)


def spread_features(
    h: NDArray[np.float64], n: NDArray[Any] | float, window: NDArray[Any] | float
) -> NDArray[np.float64]:
    """Return the terms of `reference_spread`, shape (..., 4).

    The window's share of the variance being s, an error of the reference moves the log rate by about h√s
    times itself. A small one raises the rate on one side by what it takes on the other, so that only its
    square is left: hence s·h² where that is small, and h√s where it is large.
    """
    h, n, window = np.broadcast_arrays(np.asarray(h, dtype=np.float64), n, window)
    share = window / (n + window)
    square = share * h * h
    scale = square / np.sqrt(1.0 + square)
    return np.stack([scale, scale / h**2, scale / h**4, scale * share], axis=-1)


def reference_spread(h: float, n: int, window: int) -> float:
    """Return the standard deviation, over reference samples, of the log rate of the KS distance at h.

    The error of the table itself is included.
    """
    spread = float(spread_features(np.array(h), n, window) @ _table("incremental_ks")["spread"])
    return math.hypot(max(0.0, spread), TABLE_ERROR)


def nmddm_formula(
    g: NDArray[np.float64], window: NDArray[Any] | float, bins: NDArray[Any] | float
) -> NDArray[np.float64]:
    """Return the tail of NM-DDM's statistic at one split of an endless window, as a log rate per row.

    There G follows a gamma distribution of shape (bins - 1) / 2, whose density this is; by Sanov's
    theorem the exponent holds for every window.
    """
    half = (bins - 1.0) / 2.0
    return np.asarray(-g + (half - 1.0) * np.log(g) - special.gammaln(half) - np.log(window))


def nmddm_features(
    g: NDArray[np.float64], window: NDArray[Any] | float, bins: NDArray[Any] | float
) -> NDArray[np.float64]:
    """Return the smooth terms whose sum corrects `nmddm_formula`, shape (..., 78)."""
    g, window, bins = np.broadcast_arrays(np.asarray(g, dtype=np.float64), window, bins)
    half = (bins - 1.0) / 2.0
    one, nearness = np.ones_like(g), half / g
    of_level = [one, nearness, nearness**2, nearness**3, 1.0 / g, nearness / g]
    of_bins = [one, np.log(half), half**-0.5]
    of_window = [one, window**-0.5, half / window, np.log(window) / 5.0]
    terms = [x * y * z for x in of_level for y in of_bins for z in of_window]
    # The statistic has an end, so that the exponent bends where a level is no small part of the window.
    terms += [g / window * y * z for y in of_bins for z in of_window[:2]]
    return np.stack(terms, axis=-1)


def nmddm_lowest(window: int, bins: int) -> float:
    """Return the level below which excursions of NM-DDM run into each other: about one in five windows."""
    return float(special.gammainccinv((bins - 1.0) / 2.0, 0.1 / window))


def nmddm(g: float, window: int, bins: int) -> float:
    """Return the log rate of excursions of NM-DDM's default statistic.

    Parameters
    ----------
    g : float
        Level in nats, at least `nmddm_lowest`.
    window : int
        Size of the sliding window.
    bins : int
        Equally probable bins, at least 2.
    """
    return float(nmddm_log_rate(np.array(g), window, bins))


def nmddm_log_rate(g: NDArray[np.float64], window: float, bins: int) -> NDArray[np.float64]:
    """Return `nmddm` at many levels, of any shape."""
    correction = nmddm_features(g, window, bins) @ _table("nmddm")["coefficients"]
    return np.asarray(nmddm_formula(g, window, bins) + correction)


def page_hinkley(
    level: float,
    n: float,
    delta: float,
    direction: Direction = "both",
    *,
    quantile: float | None = None,
) -> float:
    """Return the log rate of alarms of Page-Hinkley on the normal scores of a reference sample.

    Siegmund's approximation of the run length of a cumulative sum of N(m, s²) steps less ``delta``,
    ``(exp(2kb) - 2kb - 1) / (2k²)`` with ``k = (delta - m) / s`` and ``b = level / s + 1.166``, averaged
    as a rate over the errors of the reference's own mean, ``m ~ N(0, 1/n)``, and of its own spread,
    ``log s ~ N(0, 1/(2n))``.

    Parameters
    ----------
    level : float
        Threshold on the cumulative sum, in standard deviations of the normal scores.
    n : float
        Size of the reference sample.
    delta : float
        Tolerated change of the mean, in the same unit.
    direction : {"both", "up", "down"}
        Two-sided tests alarm as often as their two sides together.
    quantile : float, optional
        Return this quantile of the rate over references, not its mean.

    Notes
    -----
    Source: Siegmund, Sequential Analysis (1985), section X.2, the corrected diffusion approximation.
    """
    return page_hinkley_scaled(
        level, delta, direction, mean_error=1.0 / math.sqrt(n), log_spread_error=1.0 / math.sqrt(2.0 * n),
        quantile=quantile,
    )  # fmt: skip


def page_hinkley_scaled(
    level: float,
    delta: float,
    direction: Direction,
    *,
    spread: float = 1.0,
    mean_error: float,
    log_spread_error: float,
    overshoot: float = OVERSHOOT,
    quantile: float | None = None,
) -> float:
    """Return the log rate of Page-Hinkley on sums that grow like those of N(m, spread²) steps.

    Parameters
    ----------
    level, delta, direction, quantile
        As in `page_hinkley`.
    spread : float
        Long-run standard deviation of the scores: √rows times that of their mean.
    mean_error, log_spread_error : float
        Standard deviations, over references, of m and of the logarithm of the spread.
    overshoot : float
        What the sum's steps add to the level, in units of the spread.
    """
    rates = page_hinkley_given(
        level,
        delta,
        direction,
        mean=_MEAN_GRID[:, np.newaxis] * mean_error,
        spread=spread * np.exp(_SPREAD_GRID * log_spread_error),
        overshoot=overshoot,
    )
    if quantile is None:
        terms = rates + _LOG_WEIGHTS
        highest = terms.max()
        return float(highest + np.log(np.exp(terms - highest).sum()))
    order = np.argsort(rates, axis=None)
    below = np.cumsum(np.exp(_LOG_WEIGHTS).ravel()[order])
    return float(np.interp(quantile, below, rates.ravel()[order]))


def page_hinkley_given(
    level: float | NDArray[np.float64],
    delta: float,
    direction: Direction,
    *,
    mean: NDArray[np.float64],
    spread: NDArray[np.float64],
    overshoot: float,
) -> NDArray[np.float64]:
    """Return the log rate of Page-Hinkley where the reference's errors are known; arrays broadcast."""
    up = -_log_run_length((delta - mean) / spread, level / spread + overshoot)
    down = -_log_run_length((delta + mean) / spread, level / spread + overshoot)
    return np.asarray({"up": up, "down": down, "both": np.logaddexp(up, down)}[direction])


def _log_run_length(drift: NDArray[np.float64], boundary: NDArray[np.float64]) -> NDArray[np.float64]:
    """Siegmund's run length (e^y - y - 1) / (2k²) with y = 2kb, in logarithms and for every sign of k."""
    y = 2.0 * drift * boundary
    small = np.abs(y) < 1e-3
    # Near y = 0 the run length is b²·(1 + y/3): two cancelling terms otherwise.
    log_small = 2.0 * np.log(boundary) + np.log1p(np.where(small, y, 0.0) / 3.0)
    safe = np.where(small, 1.0, y)
    large = safe > 30.0
    log_excess = np.where(
        large,
        safe + np.log1p(-(safe + 1.0) * np.exp(-np.where(large, safe, 30.0))),
        np.log(np.expm1(np.where(large, 1.0, safe)) - np.where(large, 1.0, safe)),
    )
    log_large = log_excess - np.log(2.0 * np.where(small, 1.0, drift) ** 2)
    return np.asarray(np.where(small, log_small, log_large))


@functools.cache
def _table(name: str) -> dict[str, Any]:
    text = (resources.files("driftlead") / "tables" / f"{name}.json").read_text(encoding="utf-8")
    table = json.loads(text)
    return {key: np.array(value) if isinstance(value, list) else value for key, value in table.items()}
