"""Likelihood ratio of "the window changed at a split" over a grid of splits, on bin numbers.

With r the bin counts of the recent segment (L values), o those of the older one (w − L) and
t = r + o,

    G = Σ r ln r + Σ o ln o − Σ t ln t − L ln L − (w − L) ln (w − L) + w ln w.

One observation moves one count per segment, so each Σ is kept as a running sum of a table of
c·ln c in fixed point: integer sums are exact, and no error builds up however long the stream.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["FRACTION_BITS", "advance"]

FRACTION_BITS = 36  # c·ln c stays below 2⁶³ up to windows of millions; resolution 1.5e-11


@njit(cache=True, nogil=True)
def advance(
    slots: NDArray[np.int32],
    table: NDArray[np.int16],
    starts: NDArray[np.int64],
    grid: NDArray[np.int64],
    steps: NDArray[np.int64],
    ring: NDArray[np.uint8],
    count: NDArray[np.int64],
    counts: NDArray[np.int32],
    sums: NDArray[np.int64],
    current: NDArray[np.float64],
    threshold: NDArray[np.float64],
    statistic: NDArray[np.float64],
    alarm: NDArray[np.bool_],
    change_point: NDArray[np.int32],
) -> bool:
    """Feed slots to the windows; write statistic, alarm and change point after each row.

    Parameters
    ----------
    slots : int32 (d, rows)
        Slot of each new value, -1 for missing.
    table, starts : int16 flat, int64 (d,)
        The bin of slot s of signal j is ``table[starts[j] + s]``.
    grid : int64 (2, s)
        Lengths L of the recent segment, increasing, all < w; and
        L ln L + (w − L) ln (w − L) − w ln w in fixed point.
    steps : int64 (w,)
        ``steps[c]`` = (c+1)·ln(c+1) − c·ln c in fixed point.
    ring : uint8 (d, w)
        Bins in the window; value number c stands at ``ring[j, c % w]``.
    count : int64 (d,)
        Values present that each signal has seen.
    counts : int32 (d, s, 2, bins)
        Bin counts of the recent and the older segment of each split.
    sums : int64 (d, s + 2)
        Σ r ln r + Σ o ln o of each split, then Σ t ln t, then the length of the recent segment at the
        best split, 0 until the window is full.
    current, threshold : float64 (d,)
    statistic, alarm, change_point : (d, rows)

    Returns
    -------
    bool
        Whether any row of any signal alarmed.
    """
    window = ring.shape[1]
    n_splits = grid.shape[1]
    unit = 1.0 / float(1 << FRACTION_BITS)
    any_alarm = False
    for j in range(slots.shape[0]):
        seen = count[j]
        at = seen % window
        g = current[j]
        length = sums[j, n_splits + 1]
        limit = threshold[j]
        for r in range(slots.shape[1]):
            if slots[j, r] >= 0:
                # Unsigned, as all indices below: numba then leaves out what makes -1 the last element.
                new = np.uint64(table[starts[j] + slots[j, r]])
                if seen >= window:
                    best, k = _slide(
                        new, np.uint64(ring[j, at]), at, ring[j], grid, steps, counts[j], sums[j]
                    )
                    g = max(0.0, float(best) * unit)
                    length = grid[0, k]
                else:
                    _fill(new, seen, ring[j], grid, steps, counts[j], sums[j])
                ring[j, at] = np.uint8(new)
                seen += 1
                at += 1
                if at == window:
                    at = 0
                if seen == window:
                    k = np.argmax(sums[j, :n_splits] - grid[1])
                    g = max(0.0, float(sums[j, k] - grid[1, k] - sums[j, n_splits]) * unit)
                    length = grid[0, k]
            statistic[j, r] = g
            alarm[j, r] = g > limit
            change_point[j, r] = length
            any_alarm |= g > limit
        sums[j, n_splits + 1] = length
        count[j] = seen
        current[j] = g
    return any_alarm


@njit(cache=True, nogil=True)
def _fill(new, seen, ring, grid, steps, counts, sums):  # type: ignore[no-untyped-def]
    """Add a value to a window that is not full: ``seen`` values are in it."""
    n_splits = grid.shape[1]
    sums[n_splits] += steps[counts[0, 0, new] + counts[0, 1, new]]
    for k in range(n_splits):
        sums[k] += steps[counts[k, 0, new]]
        counts[k, 0, new] += 1
        if seen >= grid[0, k]:
            moved = ring[seen - grid[0, k]]
            counts[k, 0, moved] -= 1
            sums[k] += steps[counts[k, 1, moved]] - steps[counts[k, 0, moved]]
            counts[k, 1, moved] += 1


@njit(cache=True, nogil=True)
def _slide(new, evicted, at, ring, grid, steps, counts, sums):  # type: ignore[no-untyped-def]
    """Replace the oldest value of a full window; return the largest G in fixed point, and its split.

    One count goes up and one down in each segment, in that order, so that it does not matter which of
    the bins coincide.
    """
    n_splits = grid.shape[1]
    one = np.int32(1)
    total = np.uint64(counts[0, 0, evicted] + counts[0, 1, evicted])
    whole = sums[n_splits] - steps[total - np.uint64(1)]
    total = np.uint64(counts[0, 0, new] + counts[0, 1, new]) - np.uint64(new == evicted)
    whole += steps[total]
    sums[n_splits] = whole
    best, best_split = np.int64(-(2**62)), 0
    for k in range(n_splits):
        back = at - grid[0, k]
        moved = np.uint64(ring[np.uint64(back + ring.shape[0] if back < 0 else back)])
        up = counts[k, 0, new]
        counts[k, 0, new] = up + one
        down = counts[k, 0, moved] - one
        counts[k, 0, moved] = down
        s = sums[k] + steps[np.uint64(up)] - steps[np.uint64(down)]
        up = counts[k, 1, moved]
        counts[k, 1, moved] = up + one
        down = counts[k, 1, evicted] - one
        counts[k, 1, evicted] = down
        s += steps[np.uint64(up)] - steps[np.uint64(down)]
        sums[k] = s
        s -= grid[1, k]
        if s > best:
            best, best_split = s, k
    return best - whole, best_split
