"""KS statistic of a sliding window against a fixed reference, after every observation.

Let g = gcd(n, w), and let every reference point weigh +w/g and every window point −n/g. The sum of
the weights up to a point x is then lcm(n, w) · (F_reference(x) − F_window(x)): an integer, so nothing
is ever rounded. Within a gap between two reference values that sum only falls, so its maximum is
taken just after a reference value (``upper`` half below) and its minimum just before one
(``lower`` half, negated so that both halves ask for a maximum). One observation in slot s that
replaces one in slot e shifts the sums between s and e by ±n/g, and leaves all others alone.

Each half is a tree of fan-out 32 laid out in one array: 32 leaves are two vector registers, so
shifting a part of a block and taking its maximum costs a handful of instructions, and three levels
reach 32 768 distinct reference values with a top level of 32. For one half with ``leaves`` leaves in
``blocks`` blocks (padded to whole groups) and ``groups`` groups of 32 blocks the layout is

    leaves | block maxima (blocks) | block shifts (blocks) | group maxima (groups) | group shifts (groups)

A shift counts for everything beneath it; a maximum includes its own shift, not those above it.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from driftlead.detectors._kernels.ties import untie

__all__ = ["FANOUT", "FLOOR", "advance", "advance_untied"]

FANOUT = 32
FLOOR = -(2**30)  # below every sum; fills the leaves that belong to no slot
_BITS = 5


@njit(cache=True, nogil=True)
def _shift_leaves(tree, base, low, high, by):  # type: ignore[no-untyped-def]
    """Add ``by`` to leaves low … high − 1 of the block at ``base``; return the block's maximum."""
    first, last = np.int32(low), np.int32(high)
    best = tree.dtype.type(FLOOR) * tree.dtype.type(2)
    for k in range(FANOUT):
        at = np.uint64(base) + np.uint64(k)
        inside = (np.int32(k) >= first) & (np.int32(k) < last)
        value = tree.dtype.type(tree[at] + (by if inside else tree.dtype.type(0)))
        tree[at] = value
        best = max(best, value)
    return best


@njit(cache=True, nogil=True)
def _shift_maxima(tree, base, shifts, low, high, by):  # type: ignore[no-untyped-def]
    """As `_shift_leaves` for a group of block maxima, whose shifts lie ``shifts`` entries on."""
    first, last = np.int32(low), np.int32(high)
    best = tree.dtype.type(FLOOR) * tree.dtype.type(2)
    for k in range(FANOUT):
        at = np.uint64(base) + np.uint64(k)
        inside = (np.int32(k) >= first) & (np.int32(k) < last)
        change = by if inside else tree.dtype.type(0)
        value = tree.dtype.type(tree[at] + change)
        tree[at] = value
        tree[at + np.uint64(shifts)] = tree.dtype.type(tree[at + np.uint64(shifts)] + change)
        best = max(best, value)
    return best


@njit(cache=True, nogil=True)
def _shift(tree, base, leaves, blocks, groups, low, high, by):  # type: ignore[no-untyped-def]
    """Add ``by`` to the sums low … high − 1 of the half at ``base``."""
    if low >= high:
        return
    of = tree.dtype.type
    maxima = base + leaves
    tops = maxima + 2 * blocks
    b0, b1 = low >> _BITS, (high - 1) >> _BITS
    g0, g1 = b0 >> _BITS, b1 >> _BITS
    start = b0 << _BITS
    best = _shift_leaves(tree, base + start, low - start, min(high - start, FANOUT), by)
    tree[np.uint64(maxima + b0)] = of(tree[np.uint64(maxima + blocks + b0)] + best)
    if b1 != b0:
        start = b1 << _BITS
        best = _shift_leaves(tree, base + start, 0, high - start, by)
        tree[np.uint64(maxima + b1)] = of(tree[np.uint64(maxima + blocks + b1)] + best)
    start = g0 << _BITS
    best = _shift_maxima(tree, maxima + start, blocks, b0 + 1 - start, min(b1 - start, FANOUT), by)
    tree[np.uint64(tops + g0)] = of(tree[np.uint64(tops + groups + g0)] + best)
    if g1 != g0:
        start = g1 << _BITS
        best = _shift_maxima(tree, maxima + start, blocks, 0, b1 - start, by)
        tree[np.uint64(tops + g1)] = of(tree[np.uint64(tops + groups + g1)] + best)
        for g in range(g0 + 1, g1):
            tree[np.uint64(tops + g)] = of(tree[np.uint64(tops + g)] + by)
            tree[np.uint64(tops + groups + g)] = of(tree[np.uint64(tops + groups + g)] + by)


@njit(cache=True, nogil=True)
def advance(
    slots: NDArray[np.int32],
    columns: NDArray[np.float64],
    values: NDArray[np.float64],
    layout: NDArray[np.int64],
    trees: NDArray[np.int32] | NDArray[np.int64],
    ring: NDArray[np.int32],
    count: NDArray[np.int64],
    current: NDArray[np.float64],
    threshold: NDArray[np.float64],
    statistic: NDArray[np.float64],
    alarm: NDArray[np.bool_],
) -> bool:
    """Feed ``slots`` to the windows; write statistic and alarm after each row.

    Parameters
    ----------
    slots : int32 (d, rows)
        Slots of the new values, -1 for missing.
    columns, values : float64 (d, rows), (d, w)
        The new values and those in the window, kept along with the slots; both of shape (0, 0) where
        they are unknown.
    layout : int64 (d, 7)
        Per signal: start of its two halves, leaves, blocks, groups, distinct values m, weight n/g,
        lcm(n, w).
    trees : int32 or int64, flat
        Both halves of every signal's tree.
    ring : int32 (d, w)
        Slots in the window.
    count : int64 (d,)
        Values present that each signal has seen; value number c stands at ``ring[j, c % w]``.
    current : float64 (d,)
        The statistic before and after the call.
    threshold : float64 (d,)
    statistic : float64 (d, rows)
    alarm : bool (d, rows)

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
            outside |= (slots[j, r] < -1) | (slots[j, r] > 2 * layout[j, 4])
        if outside:
            raise ValueError("slots outside the reference")
    of = trees.dtype.type
    window = ring.shape[1]
    known = values.shape[0] > 0
    any_alarm = False
    for j in range(slots.shape[0]):
        base, leaves, blocks, groups, m = layout[j, 0], layout[j, 1], layout[j, 2], layout[j, 3], layout[j, 4]
        weight = of(layout[j, 5])
        scale = float(layout[j, 6])
        tops = base + leaves + 2 * blocks
        half = leaves + 2 * blocks + 2 * groups
        seen = count[j]
        at = seen % window
        d = current[j]
        limit = threshold[j]
        for r in range(slots.shape[1]):
            new = np.int64(slots[j, r])
            if new >= 0:
                if seen >= window:
                    old = np.int64(ring[j, at])
                    low, high = min(new, old), max(new, old)
                    by = of(-weight) if new < old else weight
                    _shift(trees, base, leaves, blocks, groups, low >> 1, high >> 1, by)
                    _shift(
                        trees, base + half, leaves, blocks, groups, (low + 1) >> 1, (high + 1) >> 1, of(-by)
                    )
                else:
                    _shift(trees, base, leaves, blocks, groups, new >> 1, m, of(-weight))
                    _shift(trees, base + half, leaves, blocks, groups, (new + 1) >> 1, m + 1, weight)
                ring[j, at] = np.int32(new)
                if known:
                    values[j, at] = columns[j, r]
                at += 1
                if at == window:
                    at = 0
                seen += 1
                if seen >= window:
                    best = of(0)
                    for g in range(groups):
                        best = max(
                            best,
                            max(trees[np.uint64(tops + g)], trees[np.uint64(tops + half + g)]),
                        )
                    d = best / scale
            statistic[j, r] = d
            alarm[j, r] = d > limit
            any_alarm |= d > limit
        count[j] = seen
        current[j] = d
    return any_alarm


@njit(cache=True, nogil=True)
def advance_untied(
    slots: NDArray[np.int32],
    seed: int,
    ties: NDArray[np.int64],
    cumulative: NDArray[np.int32],
    positions: NDArray[np.float32],
    columns: NDArray[np.float64],
    values: NDArray[np.float64],
    layout: NDArray[np.int64],
    trees: NDArray[np.int32] | NDArray[np.int64],
    ring: NDArray[np.int32],
    count: NDArray[np.int64],
    current: NDArray[np.float64],
    threshold: NDArray[np.float64],
    statistic: NDArray[np.float64],
    alarm: NDArray[np.bool_],
) -> bool:
    """`advance` on `untie`'s slots; the trees are those of a reference without ties."""
    untied = untie(slots, count, seed, ties, cumulative, positions)
    said: bool = advance(
        untied, columns, values, layout, trees, ring, count, current, threshold, statistic, alarm
    )
    return said
