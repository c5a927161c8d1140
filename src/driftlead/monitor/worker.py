"""The thread between the queue of served rows and the detectors."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from driftlead.monitor.row_queue import QueuedRows, RowQueue
from driftlead.signals import join_rows

__all__ = ["Worker"]

_log = logging.getLogger(__name__)

# Rows, and rows times signals, that are taken at once: enough to spread the cost of a call, few enough that a
# snapshot, which waits for the call to end, never waits long.
_MOST_ROWS, _FEWEST_ROWS = 4096, 64
_MOST_VALUES = 200_000


class Worker:
    """Take rows from a queue, compute what of their signals is not computed yet, and hand them on.

    Parameters
    ----------
    queue : RowQueue
    n_signals : int
    linger_seconds : float
        How long rows gather before they are taken.
    advance : callable
        Takes rows of shape (n, n_signals) and their times of shape (n,).
    on_error : callable
        Called with the name of the place, inside the ``except`` block of each failure.
    on_lost : callable
        Called with the number of rows that a failure lost.
    """

    def __init__(
        self,
        queue: RowQueue,
        n_signals: int,
        linger_seconds: float,
        advance: Callable[[NDArray[np.float64], NDArray[np.float64]], None],
        on_error: Callable[[str], None],
        on_lost: Callable[[int], None],
    ) -> None:
        self._queue = queue
        self._rows = int(np.clip(_MOST_VALUES // n_signals, _FEWEST_ROWS, _MOST_ROWS))
        self._linger = linger_seconds
        self._advance = advance
        self._on_error = on_error
        self._on_lost = on_lost
        self._thread = threading.Thread(target=self._work, name="driftlead-monitor", daemon=True)
        self.started = False

    def start(self) -> None:
        """Start the thread; it ends once the queue is closed and empty."""
        self.started = True
        self._thread.start()

    def join(self, timeout: float) -> None:
        """Wait for the thread to end."""
        if self.started:
            self._thread.join(timeout)

    def _work(self) -> None:
        while batches := self._queue.take(self._rows, self._linger):
            total = sum(batch.rows.shape[0] for batch in batches)
            advanced = 0
            try:
                rows, times = self._joined(batches)
                for start in range(0, len(rows), self._rows):
                    end = start + self._rows
                    self._advance(rows[start:end], times[start:end])
                    advanced = min(end, len(rows))
            except Exception:
                # These rows are lost; with the thread all that follow would be.
                self._on_error("worker")
            if advanced < total:
                self._on_lost(total - advanced)

    def _joined(self, batches: list[QueuedRows]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        try:
            rows = join_rows([batch.rows for batch in batches])
        except Exception:
            self._on_error("worker")
            rows, batches = _joinable(batches)
        times = np.repeat(
            [batch.observed_at for batch in batches], [batch.rows.shape[0] for batch in batches]
        )
        return rows, times


def _joinable(batches: list[QueuedRows]) -> tuple[NDArray[np.float64], list[QueuedRows]]:
    """Compute the signals of each batch by itself: one that cannot be computed takes no other with it."""
    rows, kept = [], []
    for batch in batches:
        try:
            rows.append(join_rows([batch.rows]))
            kept.append(batch)
        except Exception:
            _log.debug("rows whose signals cannot be computed", exc_info=True)
    return np.concatenate(rows) if rows else np.empty((0, 0)), kept
