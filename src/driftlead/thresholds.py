"""From a false-alarm budget to the threshold of one test on one signal.

The budget is a rate: one false alarm per ``false_alarm_every`` observed rows, on average over
references, or for a stated share of them (``guarantee``). Because the tests run on ranks, their
thresholds depend on sample sizes and on the budget alone, never on the data's distribution. They hold
for independent observations; `driftlead.calibration` finds those for others.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

from scipy import special

from driftlead import rates
from driftlead.errors import InvalidParameterError
from driftlead.rates import Direction

__all__ = ["Direction", "incremental_ks", "level_at_rate", "nmddm", "on_lattice", "page_hinkley"]

_PRECISION = 1e-7  # of a level, relative: far finer than what rates are known to


def incremental_ks(false_alarm_every: float, n: int, window: int, guarantee: float | None = None) -> float:
    """Threshold of the Kolmogorov-Smirnov distance between a reference and a sliding window.

    The distance takes only multiples of 1 / lcm(n, w), so the threshold is rounded up to half way
    between two of them: where they are far apart (n not much above w), alarms are rarer than asked.
    At most one excursion fits into about four windows: a shorter budget gets the threshold of that.

    Parameters
    ----------
    false_alarm_every : float
        Budget in rows.
    n : int
        Size of the reference sample.
    window : int
        Size of the sliding window.
    guarantee : float, optional
        Share of references for which the budget shall hold; None keeps it on average over them.

    Returns
    -------
    float
        Distance in (0, 1]. At 1 the test cannot alarm: the samples are too small for the budget.

    Raises
    ------
    InvalidParameterError
        When a size is below 1, the budget is not above 1, or the guarantee is not in (0.5, 1).

    Notes
    -----
    Rate: `driftlead.rates.incremental_ks`.

    Examples
    --------
    >>> round(incremental_ks(1_000_000, n=5_000, window=500), 3)
    0.11
    """
    _check(false_alarm_every, guarantee, n=n, window=window)
    return _incremental_ks(float(false_alarm_every), int(n), int(window), guarantee)


def page_hinkley(
    false_alarm_every: float,
    n: int,
    delta: float = 0.25,
    direction: Direction = "both",
    guarantee: float | None = None,
) -> float:
    """Threshold of Page-Hinkley on the normal scores of a reference sample.

    A slack ``delta`` below about 2 / √n lies within the error of the reference's own mean; thresholds
    then grow with the budget itself, not with its logarithm.

    Parameters
    ----------
    false_alarm_every : float
        Budget in rows.
    n : int
        Size of the reference sample.
    delta : float
        Tolerated change of the mean, in standard deviations of the normal scores.
    direction : {"both", "up", "down"}
        Two-sided tests alarm twice as often at the same threshold.
    guarantee : float, optional
        Share of references for which the budget shall hold; None keeps it on average over them.

    Returns
    -------
    float
        Threshold on the cumulative sum, in standard deviations of the normal scores.

    Raises
    ------
    InvalidParameterError
        When n is below 1, the budget is not above 1, delta is negative, direction is unknown, or the
        guarantee is not in (0.5, 1).

    Notes
    -----
    Rate: `driftlead.rates.page_hinkley`.

    Examples
    --------
    >>> round(page_hinkley(1_000_000, n=5_000, delta=0.25), 1)
    24.1
    """
    _check(false_alarm_every, guarantee, n=n)
    if not (math.isfinite(delta) and delta >= 0):
        raise InvalidParameterError("delta", "finite and at least 0", delta)
    if direction not in ("both", "up", "down"):
        raise InvalidParameterError("direction", "one of both, up, down", direction)
    return _page_hinkley(float(false_alarm_every), int(n), float(delta), direction, guarantee)


def nmddm(
    false_alarm_every: float, n: int, window: int = 500, bins: int = 8, guarantee: float | None = None
) -> float:
    """Threshold of the likelihood-ratio statistic of NM-DDM's default form.

    Parameters
    ----------
    false_alarm_every : float
        Budget in rows.
    n : int
        Size of the reference sample. The statistic compares two parts of the window, so the reference
        only places the bins, and its size does not matter.
    window : int
        Size of the sliding window.
    bins : int
        Number of equally probable bins of the signal.
    guarantee : float, optional
        Share of references for which the budget shall hold. All have about the same rate, so that it
        only covers the table's own error.

    Returns
    -------
    float
        Threshold on the log-likelihood ratio, in nats; infinite for a single bin, which cannot change.

    Raises
    ------
    InvalidParameterError
        When a size is below 1, the budget is not above 1, or the guarantee is not in (0.5, 1).

    Notes
    -----
    Rate: `driftlead.rates.nmddm`.

    Examples
    --------
    >>> round(nmddm(1_000_000, n=5_000, window=500, bins=8), 1)
    22.0
    """
    _check(false_alarm_every, guarantee, n=n, window=window, bins=bins)
    return _nmddm(float(false_alarm_every), int(window), int(bins), guarantee)


def on_lattice(distance: float, n: int, window: int) -> float:
    """Return the next point half way between two values that the KS distance can take, at most 1."""
    steps = math.lcm(n, window)
    return min(1.0, (math.ceil(distance * steps - 0.5 - 1e-9) + 0.5) / steps)


def level_at_rate(log_rate: Callable[[float], float], false_alarm_every: float, low: float) -> float:
    """Return the smallest level, from ``low`` on, at which a falling rate is within the budget; or infinity.

    Parameters
    ----------
    log_rate : callable
        Natural logarithm of the alarms per row at a level.
    false_alarm_every : float
        Budget in rows.
    low : float
        Where to begin, above 0.
    """
    target = -math.log(false_alarm_every)
    above = log_rate(low) - target
    if above <= 0.0:
        return low
    high = max(1.0, 2.0 * low)
    while (below := log_rate(high) - target) > 0.0:
        if math.isinf(high):  # a rate that does not fall
            return high
        low, above, high = high, below, 2.0 * high
    # The rule of false position; the value of an end that stays is halved until it moves too (Illinois).
    # Written out because scipy.optimize takes longer to import than the thresholds to compute.
    moved = 0
    while high - low > _PRECISION * high:
        nudge = 0.5 * _PRECISION * high
        level = low + (high - low) * above / (above - below)
        level = min(max(level, low + nudge), high - nudge)
        excess = log_rate(level) - target
        if excess > 0.0:
            below = below / 2.0 if moved > 0 else below
            low, above, moved = level, excess, 1
        else:
            above = above / 2.0 if moved < 0 else above
            high, below, moved = level, excess, -1
    return high


@functools.lru_cache(maxsize=4096)
def _incremental_ks(budget: float, n: int, window: int, guarantee: float | None) -> float:
    quantile = 0.0 if guarantee is None else float(special.ndtri(guarantee))

    def log_rate(h: float) -> float:
        mean = rates.incremental_ks(h, n, window)
        if guarantee is None:
            return mean
        # The rate is log-normal over references, to a good approximation.
        spread = rates.reference_spread(h, n, window)
        return mean + quantile * spread - spread * spread / 2.0

    h = level_at_rate(log_rate, budget, low=rates.KS_LOWEST)
    return on_lattice(h * math.sqrt((n + window) / (n * window)), n, window)


@functools.lru_cache(maxsize=4096)
def _page_hinkley(
    budget: float, n: int, delta: float, direction: Direction, guarantee: float | None
) -> float:
    return level_at_rate(
        lambda level: rates.page_hinkley(level, n, delta, direction, quantile=guarantee), budget, low=1e-9
    )


@functools.lru_cache(maxsize=4096)
def _nmddm(budget: float, window: int, bins: int, guarantee: float | None) -> float:
    if bins == 1:
        return math.inf
    margin = 0.0 if guarantee is None else rates.TABLE_ERROR * float(special.ndtri(guarantee))
    return level_at_rate(
        lambda g: rates.nmddm(g, window, bins) + margin, budget, low=rates.nmddm_lowest(window, bins)
    )


def _check(false_alarm_every: float, guarantee: float | None, **sizes: int) -> None:
    if not (math.isfinite(false_alarm_every) and false_alarm_every > 1):
        raise InvalidParameterError("false_alarm_every", "a number of rows above 1", false_alarm_every)
    for name, value in sizes.items():
        if value < 1:
            raise InvalidParameterError(name, "at least 1", value)
    if guarantee is not None and not 0.5 < guarantee < 1.0:
        raise InvalidParameterError("guarantee", "above 0.5 and below 1, or None", guarantee)
