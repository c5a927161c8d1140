"""The arrays beneath `IncrementalKS`: a window against a fixed reference, and two adjacent windows."""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

from driftlead.detectors import _rings, _ties
from driftlead.detectors._kernels import adjacent_ks, fixed_ks
from driftlead.detectors._ties import RandomTies
from driftlead.ranks import MISSING, SortedReference

__all__ = ["AdjacentWindows", "FixedReference"]

_INT32_SAFE = 2**30  # sums up to lcm(n, w) must stay above fixed_ks.FLOOR
_UNKNOWN = np.empty((0, 0))


class FixedReference:
    """A sliding window per signal and its weighted sums against a fixed reference.

    Parameters
    ----------
    reference : SortedReference
    window : int
        Values in the window, w.
    ties : RandomTies, optional
        Breaks the ties with the reference, which then counts as n distinct ranks.
    """

    def __init__(self, reference: SortedReference, window: int, ties: RandomTies | None = None) -> None:
        self.reference = reference
        self.window = window
        self.ties = ties
        self.clear()

    def clear(self) -> None:
        """Empty the windows."""
        d = self.reference.n_signals
        self.ring = np.full((d, self.window), MISSING, dtype=np.int32)
        self.values = _UNKNOWN  # kept for rebase() while rows come as values
        trees, layout, start = [], [], 0
        for j in range(d):
            halves, blocks, groups = self._halves(j)
            n, m = int(self.reference.sizes[j]), len(_ties.counts_up_to(self.reference, j, self.ties)) - 1
            leaves = len(halves[0]) - 2 * blocks - 2 * groups
            weight, total = n // math.gcd(n, self.window), math.lcm(n, self.window)
            layout.append((start, leaves, blocks, groups, m, weight, total))
            trees.extend(halves)
            start += 2 * len(halves[0])
        self.layout = np.array(layout, dtype=np.int64)
        flat = np.concatenate(trees)
        small = self.layout[:, -1].max() < _INT32_SAFE
        self.trees: NDArray[np.int32] | NDArray[np.int64] = flat.astype(np.int32) if small else flat

    def _halves(self, signal: int) -> tuple[list[NDArray[np.int64]], int, int]:
        """Return both halves of a signal's tree for an empty window, their blocks and groups."""
        weight = self.window // math.gcd(int(self.reference.sizes[signal]), self.window)
        weighted = _ties.counts_up_to(self.reference, signal, self.ties).astype(np.int64) * weight
        used = -(-len(weighted) // fixed_ks.FANOUT)
        leaves = used * fixed_ks.FANOUT
        groups = -(-used // fixed_ks.FANOUT)
        blocks = groups * fixed_ks.FANOUT
        halves = []
        for sums in (weighted[1:], -weighted):  # just after each value; just before each, and at the end
            half = np.full(leaves + 2 * blocks + 2 * groups, fixed_ks.FLOOR, dtype=np.int64)
            half[: len(sums)] = sums
            half[leaves : leaves + used] = half[:leaves].reshape(used, -1).max(axis=1)
            maxima = half[leaves : leaves + blocks].reshape(groups, -1)
            half[leaves + 2 * blocks : leaves + 2 * blocks + groups] = maxima.max(axis=1)
            half[leaves + blocks : leaves + 2 * blocks] = 0
            half[leaves + 2 * blocks + groups :] = 0
            halves.append(half)
        return halves, blocks, groups

    def feeding(
        self,
        columns: NDArray[np.float64] | None,
        slots: NDArray[np.int32],
        count: NDArray[np.int64],
        current: NDArray[np.float64],
        threshold: NDArray[np.float64],
        statistic: NDArray[np.float64],
        alarm: NDArray[np.bool_],
    ) -> functools.partial[bool]:
        """Return the call that feeds slots, and the values they came from if they are known.

        Here it is decided whether ``values`` are kept from now on.
        """
        if columns is None:
            columns = self.values = _UNKNOWN
        elif self.values is _UNKNOWN:
            if count.any():  # some values in the window are already unknown
                columns = _UNKNOWN
            else:
                self.values = np.full(self.ring.shape, np.nan)
        kept = (
            columns, self.values, self.layout, self.trees, self.ring, count, current, threshold, statistic,
            alarm,
        )  # fmt: skip
        if self.ties is None:
            return functools.partial(fixed_ks.advance, slots, *kept)
        arguments = (*self.ties.arguments, *kept)
        return functools.partial(fixed_ks.advance_untied, slots, *arguments)

    def samples(self, signal: int, count: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return reference and window of a signal as slots, which compare as their values do."""
        repeats = np.diff(_ties.counts_up_to(self.reference, signal, self.ties))
        return np.repeat(2 * np.arange(len(repeats), dtype=np.int32) + 1, repeats), self.ring[signal]

    def replay(
        self, slots: NDArray[np.int32], count: NDArray[np.int64], current: NDArray[np.float64]
    ) -> None:
        """Fill empty windows with slots, ties broken, in order of arrival, as if ``count`` had been seen."""
        fed = np.zeros_like(count)
        never = np.full(len(count), np.inf)
        alarm = np.empty(slots.shape, dtype=np.bool_)
        fixed_ks.advance(
            slots, _UNKNOWN, _UNKNOWN, self.layout, self.trees, self.ring, fed, current, never,
            np.empty(slots.shape), alarm,
        )  # fmt: skip
        self.ring[:] = _rings.roll(slots, count)


class AdjacentWindows:
    """A recent window per signal and the window of the past just before it.

    Parameters
    ----------
    n_signals : int
    past : int
        Values in the window of the past, n.
    window : int
        Values in the recent window, w.
    """

    def __init__(self, n_signals: int, past: int, window: int) -> None:
        self.n_signals = n_signals
        self.past = past
        self.window = window
        self.clear()

    def clear(self) -> None:
        """Empty both windows."""
        d, points = self.n_signals, self.past + self.window
        limit = adjacent_ks.block_limit(points)
        self.ring = np.full((d, points), np.nan)
        shape = (d, limit, adjacent_ks.CAPACITY)
        self.keys = np.zeros(shape)
        self.counts = (np.zeros(shape, dtype=np.int32), np.zeros(shape, dtype=np.int32))
        self.blocks = np.zeros((d, limit, 4), dtype=np.int64)
        self.order = np.zeros((d, limit), dtype=np.int32)
        self.free = np.zeros((d, limit), dtype=np.int32)
        self.free[:, : limit - 1] = np.arange(limit - 1, 0, -1)
        self.meta = np.tile(np.array([1, limit - 1]), (d, 1))

    @property
    def values(self) -> NDArray[np.float64]:
        """The ring of both windows' values, shape (d, n + w)."""
        return self.ring

    def feeding(
        self,
        columns: NDArray[np.float64],
        count: NDArray[np.int64],
        current: NDArray[np.float64],
        threshold: NDArray[np.float64],
        statistic: NDArray[np.float64],
        alarm: NDArray[np.bool_],
    ) -> functools.partial[bool]:
        """Return the call that feeds values."""
        common = math.gcd(self.past, self.window)
        return functools.partial(
            adjacent_ks.advance, columns, self.window, self.window // common, self.past // common,
            float(math.lcm(self.past, self.window)), self.ring, count, self.keys, *self.counts, self.blocks,
            self.order, self.free, self.meta, current, threshold, statistic, alarm,
        )  # fmt: skip

    def samples(
        self, signal: int, count: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return past and recent window of a signal whose windows are full."""
        ordered = _rings.unroll(self.ring[signal : signal + 1], count[signal : signal + 1], np.nan)[0]
        return ordered[: self.past], ordered[self.past :]

    def replay(
        self, columns: NDArray[np.float64], count: NDArray[np.int64], current: NDArray[np.float64]
    ) -> None:
        """Fill empty windows with values in order of arrival, as if ``count`` values had been seen."""
        fed = np.zeros_like(count)
        never = np.full(len(count), np.inf)
        alarm = np.empty(columns.shape, dtype=np.bool_)
        self.feeding(columns, fed, current, never, np.empty(columns.shape), alarm)()
        self.ring[:] = _rings.roll(columns, count)
