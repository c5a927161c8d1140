"""What an episode asks of the latest rows, computed only while something drifts."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from driftlead.monitor.bins import BinCounter
from driftlead.ranks import SortedReference

__all__ = ["BatchRows"]


class BatchRows:
    """The `RecentRows` of one batch: the window before it, and the batch itself.

    Parameters
    ----------
    reference : SortedReference
        In which rows are located.
    bins : BinCounter
        Which has counted the batch.
    before : ndarray, shape (rows, n_signals)
        The window before the batch, oldest row first.
    slots : ndarray of int32, shape (n, n_signals)
        The batch, located.
    window_mean : callable
        Returns the mean of each signal over the latest window, the batch included.
    """

    def __init__(
        self,
        reference: SortedReference,
        bins: BinCounter,
        before: NDArray[np.float64],
        slots: NDArray[np.int32],
        window_mean: Callable[[], NDArray[np.float64]],
    ) -> None:
        self._reference = reference
        self._bins = bins
        self._before = before
        self._slots = slots
        self._window_mean = window_mean

    def bins(self, signal: int) -> NDArray[np.int64]:
        """Return the bin of each row of one signal, oldest first."""
        slots, own = self._located[:, signal], self._bins.bins[signal]
        missing = len(own.labels) - 1
        return np.where(slots < 0, missing, own.of_slot[slots])

    def counts(self) -> NDArray[np.int64]:
        """Return the counts of all bins."""
        return self._bins.counts

    def means(self, signals: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the means of some signals over the latest window."""
        return self._window_mean()[signals]

    @functools.cached_property
    def _located(self) -> NDArray[np.int32]:
        return np.concatenate([self._reference.locate(self._before), self._slots])
