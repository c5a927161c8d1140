"""Reference slots to bins, categories and grid cells: tables computed once per signal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from driftlead.detectors._kernels.page_hinkley import normal_quantile
from driftlead.ranks import MISSING, SortedReference

__all__ = ["CATEGORIES", "SlotTable", "category_bins", "identity", "normal_score_cells", "quantile_bins"]

CATEGORIES = 31
"""Categories of a categorical signal with a bin of their own; the rest share one more."""


class SlotTable:
    """A number from 0 on for every slot of every signal.

    Parameters
    ----------
    tables : list of d integer arrays
        Array j holds the number of each of signal j's 2·m + 1 slots.

    Attributes
    ----------
    numbers, starts : int16 flat, int64 (d + 1,)
        The number of slot s of signal j is ``numbers[starts[j] + s]``, -1 for a missing value.
    sizes : int64 (d,)
        How many numbers each signal has.
    """

    def __init__(self, tables: list[NDArray[np.int64]]) -> None:
        self.sizes = np.array([int(table.max()) + 1 for table in tables], dtype=np.int64)
        padded = [np.concatenate([[MISSING], table]) for table in tables]  # slot -1 comes first
        lengths = [len(table) for table in padded]
        self.starts = np.cumsum([1, *lengths]).astype(np.int64)
        self.numbers = np.concatenate(padded).astype(np.int16)


def identity(n_signals: int, numbers: int) -> SlotTable:
    """Return the table that maps 0, 1, … to themselves, to feed numbers where slots are expected."""
    return SlotTable([np.arange(numbers)] * n_signals)


def quantile_bins(counts: NDArray[np.int32], bins: int) -> NDArray[np.int64]:
    """Return the bin of each slot: reference quantiles, or single values where there are few.

    ``counts`` are those of `SortedReference.counts_up_to`.
    A reference value belongs to the bin in which the middle of its ranks lies; bins that ties leave
    empty close up. A value between two reference values belongs to the bin of the upper one, a value
    beyond them all to the last.
    """
    below = counts.astype(np.int64)
    m = len(below) - 1
    # Integers: twice the middle rank, against twice the sample size.
    of_value = np.arange(m) if m <= bins else (below[:-1] + below[1:]) * bins // (2 * below[-1])
    closed = np.concatenate([[0], np.cumsum(np.diff(of_value) > 0)])
    table = np.empty(2 * m + 1, dtype=np.int64)
    table[1::2] = closed
    table[0:-1:2] = closed
    table[-1] = closed[-1]
    return table


def category_bins(reference: SortedReference, signal: int) -> NDArray[np.int64]:
    """Return the bin of each slot: one per frequent reference category, the last for all others.

    The most frequent 31 categories have bins of their own, in the order of their values; of two
    equally frequent ones the lower value comes first. Values that the reference lacks count as "other".
    """
    counts = np.diff(reference.counts_up_to(signal))
    frequent = np.sort(np.argsort(-counts, kind="stable")[:CATEGORIES])
    table = np.full(2 * len(counts) + 1, len(frequent), dtype=np.int64)
    table[2 * frequent + 1] = np.arange(len(frequent))
    return table


def normal_score_cells(
    reference: SortedReference, signal: int, cells: int
) -> tuple[NDArray[np.int64], float]:
    """Return the cell of each slot on an even grid of normal scores, and the cells' width.

    The score of a slot is the standard normal quantile of the middle of its ranks, so that the grid
    ends just where the ranks do.
    """
    below = reference.counts_up_to(signal).astype(np.float64)
    n = below[-1]
    middle = np.empty(2 * len(below) - 1)
    middle[0::2] = below + 0.5
    middle[1::2] = (below[:-1] + below[1:] + 1.0) / 2.0
    scores = np.array([normal_quantile(p) for p in middle / (n + 1.0)])
    edge = -float(normal_quantile(0.5 / (n + 1.0)))
    width = 2.0 * edge / cells
    return np.clip(np.floor((scores + edge) / width), 0, cells - 1).astype(np.int64), width
