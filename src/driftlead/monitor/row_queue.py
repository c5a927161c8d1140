"""A bounded queue of rows between serving and monitoring: it never blocks the side that serves."""

from __future__ import annotations

import threading
from collections import deque

import numpy as np
from numpy.typing import NDArray

__all__ = ["RowQueue"]


class RowQueue:
    """First-in, first-out batches of rows, bounded by their number of rows.

    Parameters
    ----------
    capacity : int
        Most rows held at once.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._batches: deque[NDArray[np.float64]] = deque()
        self._rows = 0
        self._closed = False
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return self._rows

    def offer(self, batch: NDArray[np.float64]) -> bool:
        """Take a batch if there is room for all of it and the queue is open; say whether it was taken."""
        with self._changed:
            if self._closed or self._rows + len(batch) > self.capacity:
                return False
            self._batches.append(batch)
            self._rows += len(batch)
            self._changed.notify()
            return True

    def take(self, max_rows: int) -> list[NDArray[np.float64]]:
        """Wait for batches; return one, or more while ``max_rows`` allows; none once closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._batches or self._closed)
            taken: list[NDArray[np.float64]] = []
            rows = 0
            while self._batches and (not taken or rows + len(self._batches[0]) <= max_rows):
                batch = self._batches.popleft()
                rows += len(batch)
                taken.append(batch)
            self._rows -= rows
            return taken

    def close(self, *, discard: bool) -> int:
        """Refuse further batches, wake the waiting side, and return how many rows were thrown away."""
        with self._changed:
            self._closed = True
            discarded = self._rows if discard else 0
            if discard:
                self._batches.clear()
                self._rows = 0
            self._changed.notify_all()
            return discarded
