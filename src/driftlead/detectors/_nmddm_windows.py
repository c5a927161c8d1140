"""The arrays beneath `NMDDM`, one class per density: what is in the windows and what is kept of it."""

from __future__ import annotations

import functools
import math
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from driftlead.detectors import _bins, _rings, _ties
from driftlead.detectors._kernels import histogram_glr, kernel_density, released_code
from driftlead.detectors._ties import RandomTies
from driftlead.ranks import MISSING, SortedReference

__all__ = ["Histogram", "KernelDensity", "ReleasedCode", "Windows", "cushion", "split_grid"]

CELLS = 64
_SHORTEST = 8  # values in the shortest segment: fewer cannot exceed any threshold worth having


class Windows(Protocol):
    """What `NMDDM` needs of its windows."""

    ring: NDArray[Any]
    change: NDArray[np.int64]
    n_bins: NDArray[np.int64]

    def clear(self) -> None:
        """Empty the windows."""

    def feeding(self, fed: NDArray[Any], *kept: Any) -> functools.partial[bool]:
        """Return the call that feeds slots, or values where there is no reference; shape (d, rows).

        ``kept`` are count, current and threshold, shape (d,), and the outputs, shape (d, rows).
        """

    def content(self, count: NDArray[np.int64]) -> NDArray[Any]:
        """Return what is in the windows in order of arrival, missing in front of short ones."""

    def replay(self, content: NDArray[Any], count: NDArray[np.int64]) -> None:
        """Fill empty windows with such content, as if ``count`` values had been seen."""


def split_grid(window: int) -> NDArray[np.int64]:
    """Return the lengths of the recent segment at which a window is split.

    Powers of √2 from 8 (a quarter of the window, if that is less) to half the window, and the same
    lengths for the older segment.

    Examples
    --------
    >>> split_grid(100).tolist()
    [8, 11, 16, 23, 32, 45, 50, 55, 68, 77, 84, 89, 92]
    """
    shortest = max(1, min(_SHORTEST, window // 4))
    steps = np.arange(2 * math.ceil(math.log2(max(window / 2 / shortest, 1.0))) + 1)
    lengths = np.rint(shortest * 2.0 ** (steps / 2)).astype(np.int64)
    lengths = np.append(lengths[lengths < window // 2], window // 2)
    return np.unique(np.concatenate([lengths, window - lengths]))


def cushion(window: int) -> int:
    """Return how far from the window's ends the released code keeps its splits: max(100, ⌊√w⌋)."""
    return max(100, math.isqrt(window))


class Histogram:
    """Bin counts of both segments of every split, and the sums of c·ln c over them."""

    def __init__(
        self,
        reference: SortedReference,
        window: int,
        bins: int,
        categorical: NDArray[np.bool_],
        ties: RandomTies | None = None,
    ) -> None:
        self.table = _bins.SlotTable(
            [
                _bins.category_bins(reference, j)
                if categorical[j]
                else _bins.quantile_bins(_ties.counts_up_to(reference, j, ties), bins)
                for j in range(reference.n_signals)
            ]
        )
        self.ties = ties
        self.n_bins = self.table.sizes
        self.window = window
        splits = split_grid(window)
        counts = np.arange(window + 1)
        weighed = counts * np.log(np.maximum(counts, 1))
        fixed = np.rint(weighed * 2.0**histogram_glr.FRACTION_BITS).astype(np.int64)
        self.steps = np.diff(fixed)
        self.grid = np.array([splits, fixed[splits] + fixed[window - splits] - fixed[window]])
        self.clear()

    def clear(self) -> None:
        """Empty the windows."""
        d, s = len(self.n_bins), self.grid.shape[1]
        self.ring = np.zeros((d, self.window), dtype=np.uint8)
        bins = int(self.n_bins.max())
        self.recent = np.zeros((d, s, bins), dtype=np.int32)
        self.total = np.zeros((d, bins), dtype=np.int32)
        self.sums = np.zeros((d, s + 2), dtype=np.int64)
        self.change = self.sums[:, -1]
        self._arrays = (
            self.table.numbers, self.table.starts, self.grid, self.steps, self.ring, self.recent, self.total,
            self.sums,
        )  # fmt: skip

    def feeding(self, fed: NDArray[Any], *kept: Any) -> functools.partial[bool]:
        """Return the call that feeds slots."""
        if self.ties is None:
            return functools.partial(histogram_glr.advance, fed, *self._arrays, *kept)
        arguments = (*self.ties.arguments, *self._arrays, *kept)
        return functools.partial(histogram_glr.advance_untied, fed, *arguments)

    def content(self, count: NDArray[np.int64]) -> NDArray[np.int16]:
        """Return the bins in order of arrival, -1 where there is none yet."""
        return _rings.unroll(self.ring.astype(np.int16), count, MISSING)

    def replay(self, content: NDArray[Any], count: NDArray[np.int64]) -> None:
        """Fill empty windows with bins."""
        table = _bins.identity(len(count), int(self.n_bins.max()))
        fed = content.astype(np.int32)
        histogram_glr.advance(fed, table.numbers, table.starts, *self._arrays[2:], *_scratch(fed.shape))
        self.ring[:] = _rings.roll(np.maximum(content, 0), count)


class KernelDensity:
    """Cells of the window's values and, per half of them, the sum of their kernels at every cell."""

    def __init__(self, reference: SortedReference, window: int) -> None:
        self.window = window
        self.n_bins = np.full(reference.n_signals, CELLS, dtype=np.int64)
        bandwidth = (window / 2) ** -0.2  # Scott's rule for half the window; normal scores have unit spread
        tables, log_reference, kernels = [], [], []
        for j in range(reference.n_signals):
            table, width = _bins.normal_score_cells(reference, j, CELLS)
            log_kernel = -0.5 * (np.arange(CELLS) * width / bandwidth) ** 2
            counts = np.bincount(table[1::2], np.diff(reference.counts_up_to(j)), minlength=CELLS)
            distance = np.abs(np.arange(CELLS)[:, np.newaxis] - np.arange(CELLS))[:, counts > 0]
            terms = log_kernel[distance] + np.log(counts[counts > 0] / counts.sum())
            log_reference.append(np.logaddexp.reduce(terms, axis=1))
            kernels.append(np.rint(np.exp(log_kernel) * 2.0**kernel_density.FRACTION_BITS).astype(np.int64))
            tables.append(table)
        self.table = _bins.SlotTable(tables)
        self.log_reference = np.array(log_reference)
        self.kernel = np.array(kernels)
        self.change = np.zeros(reference.n_signals, dtype=np.int64)
        self.clear()

    def clear(self) -> None:
        """Empty the windows."""
        d = len(self.n_bins)
        self.ring = np.zeros((d, self.window), dtype=np.uint8)
        self.counts = np.zeros((d, 2, CELLS), dtype=np.int32)
        self.heights = np.zeros((d, 2, CELLS), dtype=np.int64)
        self._arrays = (
            self.table.numbers, self.table.starts, self.kernel, self.log_reference, self.ring, self.counts,
            self.heights,
        )  # fmt: skip

    def feeding(self, fed: NDArray[Any], *kept: Any) -> functools.partial[bool]:
        """Return the call that feeds slots."""
        return functools.partial(kernel_density.advance, fed, *self._arrays, *kept)

    def content(self, count: NDArray[np.int64]) -> NDArray[np.int16]:
        """Return the cells in order of arrival, -1 where there is none yet."""
        return _rings.unroll(self.ring.astype(np.int16), count, MISSING)

    def replay(self, content: NDArray[Any], count: NDArray[np.int64]) -> None:
        """Fill empty windows with cells."""
        # A value's half depends on where in the ring it stands, so values are fed in that order.
        fed = _rings.roll(content, count).astype(np.int32)
        table = _bins.identity(len(count), CELLS)
        kernel_density.advance(fed, table.numbers, table.starts, *self._arrays[2:], *_scratch(fed.shape))


class ReleasedCode:
    """The windows' raw values; the released code looks at all of them anew."""

    def __init__(self, n_signals: int, window: int) -> None:
        self.window = window
        self.n_bins = np.full(n_signals, released_code.BINS, dtype=np.int64)
        self.cushion = cushion(window)
        with np.errstate(divide="ignore"):
            self.logs = np.log(np.arange(window + 1))
        self.clear()

    def clear(self) -> None:
        """Empty the windows."""
        d = len(self.n_bins)
        self.ring = np.full((d, self.window), np.nan)
        self.change = np.zeros(d, dtype=np.int64)

    def feeding(self, fed: NDArray[Any], *kept: Any) -> functools.partial[bool]:
        """Return the call that feeds values."""
        return functools.partial(
            released_code.advance, fed, self.cushion, self.logs, self.ring, self.change, *kept
        )

    def content(self, count: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the values in order of arrival, NaN where there is none yet."""
        return _rings.unroll(self.ring, count, np.nan)

    def replay(self, content: NDArray[Any], count: NDArray[np.int64]) -> None:
        """Fill empty windows with values."""
        self.feeding(content, *_scratch(content.shape))()
        self.ring[:] = _rings.roll(content, count)


def _scratch(shape: tuple[int, ...]) -> tuple[NDArray[Any], ...]:
    """Return what else a kernel takes: a count from 0, thresholds that never alarm, unused outputs."""
    d = shape[0]
    return (
        np.zeros(d, dtype=np.int64), np.zeros(d), np.full(d, np.inf),
        np.empty(shape), np.empty(shape, dtype=np.bool_), np.empty(shape, dtype=np.int32),
    )  # fmt: skip
