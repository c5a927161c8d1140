"""Values that equal reference values: put in random order among them, so that ranks are all distinct."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = [
    "BROKEN",
    "CUMULATIVE",
    "DISTINCT",
    "LAYOUT",
    "POSITIONS",
    "draw_positions",
    "rank_among",
    "uniform",
    "untie",
]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)

CUMULATIVE, POSITIONS, DISTINCT, BROKEN = range(4)
"""Columns of a layout: where the signal's counts and positions start, its number of distinct values, and
whether its ties are broken (1 or 0)."""
LAYOUT = 4


@njit(cache=True, nogil=True)
def _mix(z):  # type: ignore[no-untyped-def]
    """Scramble 64 bits (the output function of SplitMix64, Steele, Lea and Flood 2014)."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@njit(cache=True, nogil=True)
def uniform(seed: int, signal: int, row: int) -> float:
    """Return the uniform number in [0, 1) that belongs to a row of a signal: a counter, not a stream.

    Nothing is kept between rows, so chunking, replay and a restored state cannot change it.
    """
    key = _mix(np.uint64(seed) + _GOLDEN * np.uint64(signal + 1))
    bits = _mix(key + _GOLDEN * np.uint64(row + 1))
    return float(bits >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@njit(cache=True, nogil=True)
def draw_positions(
    seed: int, layout: NDArray[np.int64], cumulative: NDArray[np.int32], positions: NDArray[np.float32]
) -> None:
    """Write the uniform number of every reference value, increasing among equal values.

    ``positions`` is flat, one entry per reference value of every signal; see `untie` for the rest.
    """
    for j in range(layout.shape[0]):
        if layout[j, BROKEN] == 0:
            continue
        counts, start = layout[j, CUMULATIVE], layout[j, POSITIONS]
        for i in range(layout[j, DISTINCT]):
            low, high = start + cumulative[counts + i], start + cumulative[counts + i + 1]
            for k in range(low, high):
                positions[k] = uniform(seed, -1 - j, k - start)
            positions[low:high].sort()


@njit(cache=True, nogil=True)
def _place(positions, start, low, high, own):  # type: ignore[no-untyped-def]
    """Return how many reference values precede one that equals those from ``low`` to ``high``."""
    while low < high:
        middle = (low + high) >> 1
        if positions[start + middle] < own:
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True, nogil=True)
def rank_among(positions, start, low, high, own):  # type: ignore[no-untyped-def]
    """Return a value's place, a fraction, among the reference values from ``low`` to ``high``, its equals.

    The fraction says where the value's own number lies between those of its two neighbours, and is
    uniform: numbers are.
    """
    place = _place(positions, start, low, high, own)
    before = np.float64(positions[start + place - 1]) if place > low else 0.0
    after = np.float64(positions[start + place]) if place < high else 1.0
    return place + (own - before) / (after - before)


@njit(cache=True, nogil=True)
def untie(
    slots: NDArray[np.int32],
    count: NDArray[np.int64],
    seed: int,
    layout: NDArray[np.int64],
    cumulative: NDArray[np.int32],
    positions: NDArray[np.float32],
) -> NDArray[np.int32]:
    """Return slots among the ranks 0 … n − 1 of the reference, none of which a value ever equals.

    Every value is a pair with a uniform number, and pairs have lexicographic order. Those of the
    reference stay: how many of c equal reference values a live one exceeds is therefore not even in
    0 … c, and the reference is as uncertain as one without ties.

    Parameters
    ----------
    slots : int32 (d, rows)
        Slots in the reference with its ties, -1 for missing.
    count : int64 (d,)
        Values present that each signal has seen: the counter of the uniform numbers.
    seed : int
    layout : int64 (d, 4)
    cumulative : int32, flat
        Counts of the reference below its first distinct value, up to that, up to the second, …
    positions : float32, flat
        From `draw_positions`.

    Raises
    ------
    ValueError
        A slot lies outside the reference.
    """
    untied = np.empty_like(slots)
    for j in range(slots.shape[0]):
        outside = 0
        for r in range(slots.shape[1]):
            outside |= (slots[j, r] < -1) | (slots[j, r] > 2 * layout[j, DISTINCT])
        if outside:
            raise ValueError("slots outside the reference")
        counts, start, seen = layout[j, CUMULATIVE], layout[j, POSITIONS], count[j]
        broken = layout[j, BROKEN] > 0
        for r in range(slots.shape[1]):
            slot = slots[j, r]
            if slot < 0 or not broken:
                untied[j, r] = slot
                continue
            low = np.int64(cumulative[counts + (slot >> 1)])
            high = np.int64(cumulative[counts + ((slot + 1) >> 1)])
            if low < high:
                low = _place(positions, start, low, high, uniform(seed, j, seen))
            untied[j, r] = np.int32(2 * low)
            seen += 1
    return untied
