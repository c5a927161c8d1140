"""A bounded queue of rows between serving and monitoring: it never blocks the side that serves."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from driftlead.signals import SignalRows

__all__ = ["QueuedRows", "RowQueue"]


class QueuedRows(NamedTuple):
    """Rows that wait, and when they were observed, in seconds since the epoch."""

    rows: NDArray[np.float64] | SignalRows
    observed_at: float


class RowQueue:
    """First-in, first-out batches of rows, bounded by their number of rows and by the memory that they take.

    Parameters
    ----------
    capacity : int
        Most rows held at once.
    max_bytes : int
        Most memory. Rows whose signals are not computed yet hold what those are computed from, such as
        activations, which may be thousands of times their size.
    """

    def __init__(self, capacity: int, max_bytes: int) -> None:
        self.capacity = capacity
        self.max_bytes = max_bytes
        self._bytes = 0
        self._batches: deque[tuple[NDArray[np.float64] | SignalRows, float]] = deque()
        self._rows = 0
        self._closed = False
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._waiting_takers = 0

    def __len__(self) -> int:
        return self._rows

    def offer(self, rows: NDArray[np.float64] | SignalRows, observed_at: float) -> bool:
        """Take a batch if there is room for all of it and the queue is open; say whether it was taken."""
        count, size = rows.shape[0], rows.nbytes
        # Whoever serves waits for this: the condition's own ways to lock and to notify take longer, and a
        # plain tuple is made sooner than a named one.
        with self._lock:
            if self._closed or self._rows + count > self.capacity or self._bytes + size > self.max_bytes:
                return False
            self._batches.append((rows, observed_at))
            self._rows += count
            self._bytes += size
            if self._waiting_takers:
                self._changed.notify()
            return True

    def take(self, max_rows: int, linger: float = 0.0) -> list[QueuedRows]:
        """Wait for batches; return one, or more while ``max_rows`` allows; none once closed and empty.

        Parameters
        ----------
        max_rows : int
            Most rows of more than one batch.
        linger : float
            Seconds in which more batches may join the first: many small ones then cost little more than one.
        """
        with self._changed:
            self._waiting_takers += 1
            self._changed.wait_for(lambda: self._batches or self._closed)
            self._waiting_takers -= 1
            gathering = linger > 0 and not self._closed and self._rows < max_rows
        if gathering:
            # Asleep and not waiting for the condition: each offer would wake this side and take the
            # interpreter from the side that serves.
            time.sleep(linger)
        with self._changed:
            taken: list[QueuedRows] = []
            rows = 0
            while self._batches and (not taken or rows + self._batches[0][0].shape[0] <= max_rows):
                batch = QueuedRows(*self._batches.popleft())
                rows += batch.rows.shape[0]
                self._bytes -= batch.rows.nbytes
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
                self._rows = self._bytes = 0
            self._changed.notify_all()
            return discarded
