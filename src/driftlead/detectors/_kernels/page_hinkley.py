"""The two gaps of Page-Hinkley, on raw values or on randomised normal scores."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from driftlead.detectors._kernels.ties import BROKEN, POSITIONS, rank_among, uniform

__all__ = [
    "ALPHA",
    "CELLS",
    "COUNT",
    "CURRENT",
    "DELTA",
    "FALLS",
    "KEPT",
    "RISES",
    "ROWS",
    "THRESHOLD",
    "advance_scores",
    "advance_value",
    "advance_values",
    "normal_quantile",
]

RISE, FALL, MEAN, SEEN, COUNT, CURRENT, ROWS, DELTA, THRESHOLD, ALPHA, RISES, FALLS = range(12)
"""Cells of a signal: upward and downward gap, running mean and the values it is of, values present since
the start, latest statistic, rows of slots since the start; then the parameters, the last two whether each
gap is watched (1 or 0).

All in one array, because a call from Python costs more for each array than one value costs to feed."""
CELLS = 12
KEPT = 4
"""The first cells, which a state holds."""

_LARGEST = 1.7976931348623157e308


@njit(cache=True, nogil=True)
def normal_quantile(p: float) -> float:
    """Return the standard normal quantile of ``p`` in [1.4e-11, 1 − 1.4e-11].

    Algorithm AS 241, PPND16 (Wichura 1988), about 1e-16 relative; the branch for farther tails is
    left out because p ≥ 0.5/(n + 1) and n < 2³⁰.
    """
    q = p - 0.5
    if abs(q) <= 0.425:
        r = 0.180625 - q * q
        top = 2509.0809287301226727
        for a in (
            33430.575583588128105,
            67265.770927008700853,
            45921.953931549871457,
            13731.693765509461125,
            1971.5909503065514427,
            133.14166789178437745,
            3.3871328727963666080,
        ):
            top = top * r + a
        bottom = 5226.4952788528545610
        for b in (
            28729.085735721942674,
            39307.895800092710610,
            21213.794301586595867,
            5394.1960214247511077,
            687.18700749205790830,
            42.313330701600911252,
            1.0,
        ):
            bottom = bottom * r + b
        return q * top / bottom
    r = math.sqrt(-math.log(p if q < 0.0 else 1.0 - p)) - 1.6
    top = 7.74545014278341407640e-4
    for a in (
        2.27238449892691845833e-2,
        2.41780725177450611770e-1,
        1.27045825245236838258,
        3.64784832476320460504,
        5.76949722146069140550,
        4.63033784615654529590,
        1.42343711074968357734,
    ):
        top = top * r + a
    bottom = 1.05075007164441684324e-9
    for b in (
        5.47593808499534494600e-4,
        1.51986665636164571966e-2,
        1.48103976427480074590e-1,
        6.89767334985100004550e-1,
        1.67638483018380384940,
        2.05319162663775882187,
        1.0,
    ):
        bottom = bottom * r + b
    return -top / bottom if q < 0.0 else top / bottom


@njit(cache=True, nogil=True)
def _deviate(rise, fall, deviation, cells, j):  # type: ignore[no-untyped-def]
    """Return both gaps after a deviation; what is not finite becomes the largest float."""
    alpha, slack = cells[j, ALPHA], cells[j, DELTA]
    if cells[j, RISES] > 0.0:
        rise = min(max(0.0, alpha * rise + (deviation - slack)), _LARGEST)
    if cells[j, FALLS] > 0.0:
        fall = min(max(0.0, alpha * fall - (deviation + slack)), _LARGEST)
    return rise, fall


@njit(cache=True, nogil=True)
def _value(rise, fall, mean, seen, x, cells, j):  # type: ignore[no-untyped-def]
    """Return gaps, running mean and its number of values after a present value ``x``.

    An infinite value deviates by the largest float and does not enter the mean, so that no gap and no
    mean can become NaN.
    """
    if abs(x) <= _LARGEST:
        seen += 1.0
        step = x - mean
        mean += step / seen if abs(step) <= _LARGEST else x / seen - mean / seen
    deviation = min(max(x - mean, -_LARGEST), _LARGEST)
    rise, fall = _deviate(rise, fall, deviation, cells, j)
    return rise, fall, mean, seen


@njit(cache=True, nogil=True)
def advance_value(cells: NDArray[np.float64], x: float) -> bool:
    """Feed one raw value to the only signal; return whether it alarms. As `advance_values`, bit for bit."""
    rise, fall = cells[0, RISE], cells[0, FALL]
    mean, seen = cells[0, MEAN], cells[0, SEEN]
    if x == x:
        cells[0, COUNT] += 1.0
        rise, fall, mean, seen = _value(rise, fall, mean, seen, x, cells, 0)
    gap = max(rise, fall)
    alarmed: bool = gap > cells[0, THRESHOLD]
    if alarmed:
        rise = fall = mean = seen = 0.0
    cells[0, RISE], cells[0, FALL], cells[0, MEAN], cells[0, SEEN] = rise, fall, mean, seen
    cells[0, CURRENT] = gap
    return alarmed


@njit(cache=True, nogil=True)
def advance_values(
    columns: NDArray[np.float64],
    cells: NDArray[np.float64],
    statistic: NDArray[np.float64],
    alarm: NDArray[np.bool_],
) -> bool:
    """Feed raw values, compared with their running mean; return whether any row alarmed.

    ``columns``, ``statistic`` and ``alarm`` have shape (d, rows), ``cells`` (d, 12).
    """
    any_alarm = False
    for j in range(columns.shape[0]):
        rise, fall, mean, seen = cells[j, RISE], cells[j, FALL], cells[j, MEAN], cells[j, SEEN]
        limit, gap, present = cells[j, THRESHOLD], cells[j, CURRENT], cells[j, COUNT]
        for r in range(columns.shape[1]):
            x = columns[j, r]
            if x == x:
                present += 1.0
                rise, fall, mean, seen = _value(rise, fall, mean, seen, x, cells, j)
            gap = max(rise, fall)
            statistic[j, r] = gap
            alarm[j, r] = gap > limit
            if gap > limit:
                any_alarm = True
                rise = fall = mean = seen = 0.0
        cells[j, RISE], cells[j, FALL], cells[j, MEAN], cells[j, SEEN] = rise, fall, mean, seen
        cells[j, CURRENT], cells[j, COUNT] = gap, present
    return any_alarm


@njit(cache=True, nogil=True)
def advance_scores(
    slots: NDArray[np.int32],
    cumulative: NDArray[np.int32],
    offsets: NDArray[np.int64],
    seed: int,
    layout: NDArray[np.int64],
    positions: NDArray[np.float32],
    cells: NDArray[np.float64],
    statistic: NDArray[np.float64],
    alarm: NDArray[np.bool_],
) -> bool:
    """Feed slots, turned into normal scores whose mean is 0; return whether any row alarmed.

    Score and gap stand in one loop on purpose: the gap's recurrence keeps the compiler from turning
    the logarithm into vector code, whose last bit would depend on how many rows come at once. Raises
    ValueError before anything is fed if a slot lies outside the reference.
    """
    for j in range(slots.shape[0]):
        outside = 0
        for r in range(slots.shape[1]):
            outside |= (slots[j, r] < -1) | (slots[j, r] > 2 * (offsets[j + 1] - offsets[j]))
        if outside:
            raise ValueError("slots outside the reference")
    any_alarm = False
    for j in range(slots.shape[0]):
        rise, fall = cells[j, RISE], cells[j, FALL]
        limit, gap, present = cells[j, THRESHOLD], cells[j, CURRENT], cells[j, COUNT]
        below = offsets[j] + j  # each signal has one cumulative count more than it has values
        scale = 1.0 / (cumulative[offsets[j + 1] + j] + 1.0)
        edge = 0.5 * scale
        start, broken = layout[j, POSITIONS], layout[j, BROKEN] > 0
        row = int(cells[j, ROWS])
        for r in range(slots.shape[1]):
            slot = slots[j, r]
            if slot >= 0:
                present += 1.0
                low = cumulative[below + (slot >> 1)]
                high = cumulative[below + ((slot + 1) >> 1)]
                own = uniform(seed, j, row + r)
                if broken and low < high:
                    rank = rank_among(positions, start, low, high, own)
                else:
                    rank = low + own * (high - low + 1)
                score = normal_quantile(min(max(rank * scale, edge), 1.0 - edge))
                rise, fall = _deviate(rise, fall, score, cells, j)
            gap = max(rise, fall)
            statistic[j, r] = gap
            alarm[j, r] = gap > limit
            if gap > limit:
                any_alarm = True
                rise = fall = 0.0
        cells[j, RISE], cells[j, FALL] = rise, fall
        cells[j, CURRENT], cells[j, COUNT], cells[j, ROWS] = gap, present, float(row + slots.shape[1])
    return any_alarm
