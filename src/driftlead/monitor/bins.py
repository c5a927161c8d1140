"""Counts of observations per signal and reference bin: they add up over time and over replicas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driftlead.signals import Signal

__all__ = ["BinCounter", "SignalBins"]

_QUANTILE_BINS = 10
#: Most bins of a numeric signal: those of about equal reference mass, and one beyond either end.
NUMERIC_BINS = _QUANTILE_BINS + 2
CATEGORY_BINS = 31


@dataclass(frozen=True, eq=False)
class SignalBins:
    """The bins of one signal.

    Attributes
    ----------
    labels : tuple of str
        One label per bin: ``"0"``, ``"1"``, … from low to high for a numeric signal, of which the first and
        the last are below and above all that the reference has; the category's code for a categorical one,
        then ``"other"``, a category outside the list. At the end ``"missing"``.
    of_slot : ndarray of int64, shape (2 * n_distinct + 1,)
        Bin of each slot that `driftlead.ranks.SortedReference.locate` can answer.
    reference_ratio : ndarray, shape (n_bins,)
        Share of the reference in each bin, smoothed by half an observation so that none is 0.
    """

    labels: tuple[str, ...]
    of_slot: NDArray[np.int64]
    reference_ratio: NDArray[np.float64]

    @classmethod
    def from_sample(cls, signal: Signal, sample: NDArray[np.float64], missing: float) -> SignalBins:
        """Place bins on the quantiles, the few values or the categories of a signal's reference sample.

        Parameters
        ----------
        signal : Signal
        sample : ndarray, shape (n,)
            Sorted, without missing values.
        missing : float
            How many missing values go with so large a sample.

        Examples
        --------
        >>> bins = SignalBins.from_sample(Signal("a"), np.array([0.0, 0.0, 1.0]), missing=1)
        >>> bins.labels, bins.of_slot.tolist()
        (('0', '1', '2', '3', '4', 'missing'), [0, 1, 2, 3, 4])
        """
        distinct, counts = np.unique(sample, return_counts=True)
        if signal.kind == "categorical":
            labels, of_slot = _category_bins(distinct, counts)
        else:
            labels, of_slot = _numeric_bins(counts)
        labels = (*labels, "missing")
        observed = np.zeros(len(labels))
        np.add.at(observed, of_slot[1::2], counts)
        observed[-1] = missing
        ratio = (observed + 0.5) / (observed.sum() + 0.5 * len(observed))
        return cls(labels, of_slot, ratio)


class BinCounter:
    """Running count of every bin of every signal.

    Parameters
    ----------
    bins : sequence of SignalBins
        One per signal.

    Attributes
    ----------
    counts : ndarray of int64, shape (total number of bins,)
        Observations per bin, signal after signal, those before a restart included.
    """

    def __init__(self, bins: Sequence[SignalBins]) -> None:
        self.bins = tuple(bins)
        sizes = [len(each.labels) for each in self.bins]
        self._first_bin = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        # One flat table for all signals: entry 0 of each is the missing value's slot, -1.
        self._table = np.concatenate(
            [
                np.concatenate([[len(each.labels) - 1], each.of_slot]) + first
                for each, first in zip(self.bins, self._first_bin[:-1], strict=True)
            ]
        )
        entries = [len(each.of_slot) + 1 for each in self.bins]
        self._first_entry = np.concatenate([[0], np.cumsum(entries)[:-1]]).astype(np.int64) + 1
        self.counts = np.zeros(int(self._first_bin[-1]), dtype=np.int64)
        self._before = np.zeros_like(self.counts)

    def continue_from(self, counts: NDArray[np.int64]) -> None:
        """Go on from counts that were made before a restart."""
        self.counts[:] = counts
        self._before[:] = counts

    def add(self, slots: NDArray[np.int32]) -> None:
        """Count located rows, of shape (rows, n_signals)."""
        located = self._table[slots + self._first_entry]
        self.counts += np.bincount(located.ravel(), minlength=len(self.counts))

    def since_start(self) -> list[NDArray[np.int64]]:
        """Return the counts of each signal's bins since this process started, as copies.

        A counter that Prometheus scrapes starts at 0 in every process. One that went on from a state saved
        seconds before a crash would have fallen back a little, which reads as a restart from 0: all that it
        had ever counted would count again.
        """
        return np.split(self.counts - self._before, self._first_bin[1:-1])


def _numeric_bins(counts: NDArray[np.int64]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Bins from low to high, with room for what the reference does not have.

    Of few distinct values each has a bin, and so has each gap between, below and above them: a constant that
    moves leaves its bin. Of more, bins hold about equal reference mass. Ties stay together, and a gap between
    two values belongs to the bin above it.
    """
    of_slot = np.arange(2 * len(counts) + 1, dtype=np.int64)
    if len(of_slot) > NUMERIC_BINS:
        middle = (np.cumsum(counts) - counts / 2) / counts.sum()
        _, of_distinct = np.unique(np.floor(middle * _QUANTILE_BINS), return_inverse=True)
        of_slot[1::2] = of_slot[:-1:2] = of_distinct + 1
        of_slot[0], of_slot[-1] = 0, of_distinct[-1] + 2
    return tuple(str(number) for number in range(of_slot[-1] + 1)), of_slot


def _category_bins(
    distinct: NDArray[np.float64], counts: NDArray[np.int64]
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """One bin for each of the most frequent categories, and ``other``."""
    kept = np.sort(np.argsort(-counts, kind="stable")[:CATEGORY_BINS])
    other = len(kept)
    of_slot = np.full(2 * len(distinct) + 1, other, dtype=np.int64)
    of_slot[2 * kept + 1] = np.arange(len(kept))
    return (*(f"{distinct[index]:g}" for index in kept), "other"), of_slot
