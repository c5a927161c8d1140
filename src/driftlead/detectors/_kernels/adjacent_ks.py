"""KS statistic between two adjacent sliding windows, after every observation.

Values come and go on both sides, so the distinct values live in a sorted list of blocks: at most 64
values each, with how many points of the past and of the recent window equal each value. A point of
the past weighs +w/g, one of the recent window −n/g, g = gcd(n, w); each block keeps the sum of its
weights and the maximum and minimum of their running sum, read after a whole value so that ties are
exact. One observation changes three values (the new one, the one that passes from recent to past,
the one that leaves the past), hence three blocks; a pass over the blocks' sums gives the statistic.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["CAPACITY", "advance", "block_limit"]

CAPACITY = 64
_HALF = 32

# Columns of ``blocks``: entries in use, sum of weights, maximum and minimum running sum.
_SIZE, _SUM, _MAX, _MIN = 0, 1, 2, 3
# Columns of ``meta``: blocks in use, unused blocks left.
_USED, _FREE = 0, 1


def block_limit(points: int) -> int:
    """Return how many blocks to provide for a number of points: half-full ones, twice over, and a few."""
    return 2 * (-(-points // _HALF)) + 4


@njit(cache=True, nogil=True)
def _summarise(j, p, past, recent, blocks, past_weight, recent_weight):  # type: ignore[no-untyped-def]
    """Recompute sum and extreme running sums of physical block ``p`` of signal ``j``."""
    total = np.int64(0)
    high = np.int64(0)
    low = np.int64(0)
    for i in range(blocks[j, p, _SIZE]):
        total += past_weight * past[j, p, i] - recent_weight * recent[j, p, i]
        high = max(high, total)
        low = min(low, total)
    blocks[j, p, _SUM] = total
    blocks[j, p, _MAX] = high
    blocks[j, p, _MIN] = low


@njit(cache=True, nogil=True)
def _repack(j, keys, past, recent, blocks, order, free, meta):  # type: ignore[no-untyped-def]
    """Spread the entries of signal ``j`` over half-full blocks; called once the blocks run out."""
    used = meta[j, _USED]
    n_entries = 0
    for k in range(used):
        n_entries += blocks[j, order[j, k], _SIZE]
    all_keys = np.empty(n_entries, dtype=np.float64)
    all_past = np.empty(n_entries, dtype=np.int32)
    all_recent = np.empty(n_entries, dtype=np.int32)
    e = 0
    for k in range(used):
        p = order[j, k]
        for i in range(blocks[j, p, _SIZE]):
            all_keys[e] = keys[j, p, i]
            all_past[e] = past[j, p, i]
            all_recent[e] = recent[j, p, i]
            e += 1
    limit = order.shape[1]
    used = (n_entries + _HALF - 1) // _HALF  # at least one: only a full block asks for more room
    for p in range(used):
        order[j, p] = p
        size = n_entries - p * _HALF
        if size > _HALF:
            size = _HALF
        blocks[j, p, _SIZE] = size
        for i in range(size):
            keys[j, p, i] = all_keys[p * _HALF + i]
            past[j, p, i] = all_past[p * _HALF + i]
            recent[j, p, i] = all_recent[p * _HALF + i]
    for p in range(used, limit):
        free[j, limit - 1 - p] = p
    meta[j, _USED] = used
    meta[j, _FREE] = limit - used


@njit(cache=True, nogil=True)
def _block_of(j, x, keys, order, used):  # type: ignore[no-untyped-def]
    """Return the position in the order of the block that holds ``x`` or has to take it."""
    low, high = 0, used
    while high - low > 1:
        middle = (low + high) >> 1
        if keys[j, order[j, middle], 0] <= x:
            low = middle
        else:
            high = middle
    return low


@njit(cache=True, nogil=True)
def _change(  # type: ignore[no-untyped-def]
    j, x, to_past, to_recent, past_weight, recent_weight, keys, past, recent, blocks, order, free, meta
):
    """Add to the numbers of past and recent points that equal ``x``."""
    k = _block_of(j, x, keys, order, meta[j, _USED])
    p = order[j, k]
    size = blocks[j, p, _SIZE]
    i = 0
    while i < size and keys[j, p, i] < x:
        i += 1
    if i < size and keys[j, p, i] == x:
        past[j, p, i] += to_past
        recent[j, p, i] += to_recent
        if past[j, p, i] + recent[j, p, i] == 0:
            for q in range(i, size - 1):
                keys[j, p, q] = keys[j, p, q + 1]
                past[j, p, q] = past[j, p, q + 1]
                recent[j, p, q] = recent[j, p, q + 1]
            blocks[j, p, _SIZE] = size - 1
            if size == 1 and meta[j, _USED] > 1:
                for q in range(k, meta[j, _USED] - 1):
                    order[j, q] = order[j, q + 1]
                meta[j, _USED] -= 1
                free[j, meta[j, _FREE]] = p
                meta[j, _FREE] += 1
        _summarise(j, p, past, recent, blocks, past_weight, recent_weight)
        return
    if size == CAPACITY:
        if meta[j, _FREE] == 0:
            _repack(j, keys, past, recent, blocks, order, free, meta)
            for q in range(meta[j, _USED]):
                _summarise(j, order[j, q], past, recent, blocks, past_weight, recent_weight)
            k = _block_of(j, x, keys, order, meta[j, _USED])
            p = order[j, k]
        else:
            meta[j, _FREE] -= 1
            upper = free[j, meta[j, _FREE]]
            for q in range(meta[j, _USED], k + 1, -1):
                order[j, q] = order[j, q - 1]
            order[j, k + 1] = upper
            meta[j, _USED] += 1
            for q in range(_HALF):
                keys[j, upper, q] = keys[j, p, q + _HALF]
                past[j, upper, q] = past[j, p, q + _HALF]
                recent[j, upper, q] = recent[j, p, q + _HALF]
            blocks[j, p, _SIZE] = _HALF
            blocks[j, upper, _SIZE] = _HALF
            if i > _HALF:
                _summarise(j, p, past, recent, blocks, past_weight, recent_weight)
                p = upper
            else:
                _summarise(j, upper, past, recent, blocks, past_weight, recent_weight)
        size = blocks[j, p, _SIZE]
        i = 0
        while i < size and keys[j, p, i] < x:
            i += 1
    for q in range(size, i, -1):
        keys[j, p, q] = keys[j, p, q - 1]
        past[j, p, q] = past[j, p, q - 1]
        recent[j, p, q] = recent[j, p, q - 1]
    keys[j, p, i] = x
    past[j, p, i] = to_past
    recent[j, p, i] = to_recent
    blocks[j, p, _SIZE] = size + 1
    _summarise(j, p, past, recent, blocks, past_weight, recent_weight)


@njit(cache=True, nogil=True)
def advance(
    columns: NDArray[np.float64],
    window: int,
    past_weight: int,
    recent_weight: int,
    scale: float,
    ring: NDArray[np.float64],
    count: NDArray[np.int64],
    keys: NDArray[np.float64],
    past: NDArray[np.int32],
    recent: NDArray[np.int32],
    blocks: NDArray[np.int64],
    order: NDArray[np.int32],
    free: NDArray[np.int32],
    meta: NDArray[np.int64],
    current: NDArray[np.float64],
    threshold: NDArray[np.float64],
    statistic: NDArray[np.float64],
    alarm: NDArray[np.bool_],
) -> bool:
    """Feed values to both windows; write statistic and alarm after each row.

    Parameters
    ----------
    columns : float64 (d, rows)
        New values, NaN for missing.
    window : int
        Size w of the recent window; the past holds the other n of the ring's n + w values.
    past_weight, recent_weight : int
        w/g and n/g.
    scale : float
        lcm(n, w).
    ring : float64 (d, n + w)
        Value number c stands at ``ring[j, c % (n + w)]``.
    count : int64 (d,)
        Values present that each signal has seen.
    keys, past, recent : (d, limit, 64)
        Entries of each block: value, equal points in the past, equal points in the recent window.
    blocks : int64 (d, limit, 4)
    order, free : int32 (d, limit)
        Blocks in the order of their values; stack of unused blocks.
    meta : int64 (d, 2)
    current, threshold : float64 (d,)
    statistic, alarm : (d, rows)

    Returns
    -------
    bool
        Whether any row of any signal alarmed.
    """
    points = ring.shape[1]
    any_alarm = False
    for j in range(columns.shape[0]):
        seen = count[j]
        d = current[j]
        limit = threshold[j]
        for r in range(columns.shape[1]):
            x = columns[j, r]
            if x == x:
                at = seen % points
                for step in range(3):
                    value, to_past, to_recent = x, 0, 1
                    if step == 1:
                        if seen < window:
                            continue
                        value, to_past, to_recent = ring[j, (seen - window) % points], 1, -1
                    elif step == 2:
                        if seen < points:
                            continue
                        value, to_past, to_recent = ring[j, at], -1, 0
                    _change(
                        j, value, to_past, to_recent, past_weight, recent_weight,
                        keys, past, recent, blocks, order, free, meta,
                    )  # fmt: skip
                ring[j, at] = x
                seen += 1
                if seen >= points:
                    total = np.int64(0)
                    best = np.int64(0)
                    for k in range(meta[j, _USED]):
                        p = order[j, k]
                        best = max(best, max(total + blocks[j, p, _MAX], -(total + blocks[j, p, _MIN])))
                        total += blocks[j, p, _SUM]
                    d = best / scale
            statistic[j, r] = d
            alarm[j, r] = d > limit
            any_alarm |= d > limit
        count[j] = seen
        current[j] = d
    return any_alarm
