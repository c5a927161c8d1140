"""Mean log-ratio of a window's kernel density to the reference's, on a grid, cross-fitted.

Every value falls into a cell. The window's values belong in turn to two halves; the density at a
half's values is estimated from the other half, so that no value vouches for itself. A half's density
at all cells is a sum of kernels kept in fixed point: adding and taking away are exact, and a value
that leaves takes away just what it brought.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["FRACTION_BITS", "advance"]

FRACTION_BITS = 40  # of a kernel's height, at most 1; sums over 2²² values fit into 63 bits
_LOG_UNIT = FRACTION_BITS * math.log(2.0)


@njit(cache=True, nogil=True)
def _mean_log_ratio(counts, heights, log_reference, window):  # type: ignore[no-untyped-def]
    """Return the mean over the window's values of ln(density of the other half / reference density).

    The other half's density is blended with one value's worth of the reference density. That keeps
    the logarithm finite where the half has nothing, and the whole in logarithms cannot underflow.
    """
    total = 0.0
    for half in range(2):
        other = 1 - half
        weight = float((window + 1 - other) // 2)  # values in the other half
        for c in range(counts.shape[1]):
            if counts[half, c]:
                log_ratio = 0.0
                if heights[other, c] > 0:
                    excess = math.log(float(heights[other, c])) - _LOG_UNIT - log_reference[c]
                    log_ratio = max(excess, 0.0) + math.log1p(math.exp(-abs(excess)))
                total += counts[half, c] * (log_ratio - math.log(weight + 1.0))
    return total / window


@njit(cache=True, nogil=True)
def advance(
    slots: NDArray[np.int32],
    table: NDArray[np.int16],
    starts: NDArray[np.int64],
    kernel: NDArray[np.int64],
    log_reference: NDArray[np.float64],
    ring: NDArray[np.uint8],
    counts: NDArray[np.int32],
    heights: NDArray[np.int64],
    count: NDArray[np.int64],
    current: NDArray[np.float64],
    threshold: NDArray[np.float64],
    statistic: NDArray[np.float64],
    alarm: NDArray[np.bool_],
    change_point: NDArray[np.int32],
) -> bool:
    """Feed slots to the windows; write statistic and alarm after each row, and 0 as change point.

    Parameters
    ----------
    slots : int32 (d, rows)
        Slot of each new value, -1 for missing.
    table, starts : int16 flat, int64 (d + 1,)
        The cell of slot s of signal j is ``table[starts[j] + s]``, s from -1 on.
    kernel : int64 (d, c)
        Height of each signal's kernel by distance in cells, in fixed point, 1 at the centre.
    log_reference : float64 (d, c)
        Logarithm of the mean height of the reference's kernels at each cell.
    ring : uint8 (d, w)
        Cells in the window; value number i stands at ``ring[j, i % w]`` and belongs to half
        ``(i % w) % 2``.
    counts : int32 (d, 2, c)
        Values of each half in each cell.
    heights : int64 (d, 2, c)
        Sum of the kernels of each half at each cell.
    count : int64 (d,)
        Values present that each signal has seen.
    current, threshold : float64 (d,)
    statistic, alarm, change_point : (d, rows)

    Returns
    -------
    bool
        Whether any row of any signal alarmed.

    Raises
    ------
    ValueError
        A slot lies outside the reference. Nothing has been fed then.
    """
    for j in range(slots.shape[0]):
        outside = 0
        for r in range(slots.shape[1]):
            outside |= (slots[j, r] < -1) | (slots[j, r] > starts[j + 1] - starts[j] - 2)
        if outside:
            raise ValueError("slots outside the reference")
    window = ring.shape[1]
    n_cells = kernel.shape[1]
    any_alarm = False
    for j in range(slots.shape[0]):
        seen = count[j]
        at = seen % window
        for r in range(slots.shape[1]):
            if slots[j, r] >= 0:
                new = np.int64(table[starts[j] + slots[j, r]])
                half = at % 2
                if seen >= window:
                    old = np.int64(ring[j, at])
                    counts[j, half, old] -= 1
                    for c in range(n_cells):
                        heights[j, half, c] -= kernel[j, abs(c - old)]
                ring[j, at] = np.uint8(new)
                counts[j, half, new] += 1
                for c in range(n_cells):
                    heights[j, half, c] += kernel[j, abs(c - new)]
                at += 1
                if at == window:
                    at = 0
                seen += 1
                if seen >= window:
                    current[j] = _mean_log_ratio(counts[j], heights[j], log_reference[j], window)
            statistic[j, r] = current[j]
            alarm[j, r] = current[j] > threshold[j]
            change_point[j, r] = 0
            any_alarm |= alarm[j, r]
        count[j] = seen
    return any_alarm
