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

from driftlead.detectors._kernels.ties import untie

__all__ = ["FRACTION_BITS", "advance", "advance_untied"]

FRACTION_BITS = 36  # c·ln c stays below 2⁶³ up to windows of millions; resolution 1.5e-11


@njit(cache=True, nogil=True)
def advance(
    slots: NDArray[np.int32],
    table: NDArray[np.int16],
    starts: NDArray[np.int64],
    grid: NDArray[np.int64],
    steps: NDArray[np.int64],
    ring: NDArray[np.uint8],
    recent: NDArray[np.int32],
    total: NDArray[np.int32],
    sums: NDArray[np.int64],
    count: NDArray[np.int64],
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
    table, starts : int16 flat, int64 (d + 1,)
        The bin of slot s of signal j is ``table[starts[j] + s]``, s from -1 on.
    grid : int64 (2, s)
        Lengths L of the recent segment, increasing, all < w; and
        L ln L + (w − L) ln (w − L) − w ln w in fixed point.
    steps : int64 (w,)
        ``steps[c]`` = (c+1)·ln(c+1) − c·ln c in fixed point.
    ring : uint8 (d, w)
        Bins in the window; value number c stands at ``ring[j, c % w]``.
    recent : int32 (d, s, bins)
        Bin counts r of the recent segment of each split.
    total : int32 (d, bins)
        Bin counts t of the window.
    sums : int64 (d, s + 2)
        Σ r ln r + Σ o ln o of each split, then Σ t ln t, then the length of the recent segment at the
        best split, 0 until the window is full.
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
                new = np.uint64(table[starts[j] + slots[j, r]])
                if seen >= window:
                    best, k = _slide(j, new, at, ring, grid, steps, recent, total, sums)
                else:
                    best, k = _fill(j, new, seen, ring, grid, steps, recent, total, sums)
                ring[j, at] = np.uint8(new)
                seen += 1
                at += 1
                if at == window:
                    at = 0
                if seen >= window:
                    g = max(0.0, float(best) * unit)
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
def advance_untied(
    slots: NDArray[np.int32],
    seed: int,
    ties: NDArray[np.int64],
    cumulative: NDArray[np.int32],
    positions: NDArray[np.float32],
    table: NDArray[np.int16],
    starts: NDArray[np.int64],
    grid: NDArray[np.int64],
    steps: NDArray[np.int64],
    ring: NDArray[np.uint8],
    recent: NDArray[np.int32],
    total: NDArray[np.int32],
    sums: NDArray[np.int64],
    count: NDArray[np.int64],
    current: NDArray[np.float64],
    threshold: NDArray[np.float64],
    statistic: NDArray[np.float64],
    alarm: NDArray[np.bool_],
    change_point: NDArray[np.int32],
) -> bool:
    """`advance` on `untie`'s slots, of which ``table`` and ``starts`` are."""
    untied = untie(slots, count, seed, ties, cumulative, positions)
    said: bool = advance(
        untied, table, starts, grid, steps, ring, recent, total, sums, count, current, threshold, statistic,
        alarm, change_point,
    )  # fmt: skip
    return said


@njit(cache=True, nogil=True, inline="always")
def _fill(j, new, seen, ring, grid, steps, recent, total, sums):  # type: ignore[no-untyped-def]
    """Add a value to a window that holds ``seen``; return as `_slide`, which holds once it is full."""
    n_splits = grid.shape[1]
    best, best_split = np.int64(-(2**62)), 0
    for k in range(n_splits):
        s = sums[j, k] + steps[recent[j, k, new]]
        if seen >= grid[0, k]:
            moved = ring[j, seen - grid[0, k]]
            older = total[j, moved] - recent[j, k, moved]
            recent[j, k, new] += 1
            recent[j, k, moved] -= 1
            s += steps[older] - steps[recent[j, k, moved]]
        else:
            recent[j, k, new] += 1
        sums[j, k] = s
        s -= grid[1, k]
        if s > best:
            best, best_split = s, k
    sums[j, n_splits] += steps[total[j, new]]
    total[j, new] += 1
    return best - sums[j, n_splits], best_split


@njit(cache=True, nogil=True, inline="always")
def _slide(j, new, at, ring, grid, steps, recent, total, sums):  # type: ignore[no-untyped-def]
    """Replace the oldest value of a full window; return the largest G in fixed point, and its split.

    In the recent segment ``new`` comes and ``moved`` goes, in the older one ``moved`` comes and
    ``evicted`` goes; where the two are the same bin nothing changes, which is a mask and not a branch,
    because it could not be predicted. Indices are unsigned: numba then leaves out what makes -1 the
    last element.
    """
    n_splits = grid.shape[1]
    window = ring.shape[1]
    evicted = np.uint64(ring[j, np.uint64(at)])
    of_evicted = total[j, evicted]
    best, best_split = np.int64(-(2**62)), 0
    for k in range(n_splits):
        back = at - grid[0, k]
        back += window & (back >> 63)  # + window where negative
        moved = np.uint64(ring[j, np.uint64(back)])
        came, went = recent[j, k, new], recent[j, k, moved]
        near = np.int64(new != moved)
        grown = total[j, moved] - went
        shrunk = of_evicted - recent[j, k, evicted]
        far = np.int64(moved != evicted)
        s = (
            sums[j, k]
            + ((steps[np.uint64(came)] - steps[np.uint64(went) - np.uint64(1)]) & -near)
            + ((steps[np.uint64(grown)] - steps[np.uint64(shrunk) - np.uint64(1)]) & -far)
        )
        recent[j, k, new] = np.int32(came + near)
        recent[j, k, moved] = np.int32(went - near)
        sums[j, k] = s
        s -= grid[1, k]
        if s > best:
            best, best_split = s, k
    whole = sums[j, n_splits] - steps[of_evicted - 1]
    total[j, evicted] = of_evicted - 1
    whole += steps[total[j, new]]
    total[j, new] += 1
    sums[j, n_splits] = whole
    return best - whole, best_split
