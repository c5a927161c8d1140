"""The monitor itself: signals into detectors, in a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque

import numpy as np
from numpy.typing import ArrayLike, NDArray

from driftlead.errors import InvalidDataError
from driftlead.monitor.bins import BinCounter, SignalBins
from driftlead.monitor.row_queue import RowQueue
from driftlead.monitor.settings import MonitorSettings
from driftlead.monitor.snapshot import Alarm, MonitorSnapshot
from driftlead.monitor.watch import build_watches
from driftlead.ranks import SortedReference
from driftlead.reference import ReferenceProfile

__all__ = ["Monitor"]

_log = logging.getLogger(__name__)

# Rows that the worker takes at once: enough to spread the cost of a call, few enough that a snapshot,
# which waits for the call to end, never waits long.
_WORKER_ROWS = 4096


class Monitor:
    """Watch rows of signals against a reference profile.

    `observe` is for serving: it hands rows to a bounded queue, never blocks and never raises. A worker
    thread, between `start` and `close`, feeds them to the detectors. `process` does the same at once, in
    the calling thread, for recorded data.

    Parameters
    ----------
    profile : ReferenceProfile
        The reference of every signal, and the order of the rows' columns.
    settings : MonitorSettings
        How to watch.

    Examples
    --------
    >>> from driftlead.signals import Signal
    >>> rng = np.random.default_rng(0)
    >>> reference = rng.normal(size=(2000, 3))
    >>> signals = [Signal("feature:a"), Signal("feature:b"), Signal("feature:c")]
    >>> profile = ReferenceProfile.from_rows(signals, reference, model_hash="1f")
    >>> monitor = Monitor(profile, MonitorSettings(window=200))
    >>> monitor.process(rng.normal(size=(1000, 3)))
    >>> monitor.snapshot().drifting
    False
    >>> monitor.process(rng.normal([0.0, 1.0, 0.0], size=(300, 3)))
    >>> sorted({alarm.signal for alarm in monitor.snapshot().recent_alarms})
    ['feature:b']
    """

    def __init__(self, profile: ReferenceProfile, settings: MonitorSettings | None = None) -> None:
        self.profile = profile
        self.settings = settings or MonitorSettings()
        self._reference = SortedReference(profile.samples)
        self._watches = build_watches(profile, self.settings)
        self._bins = BinCounter(
            [
                SignalBins.from_sample(signal, sample, int(missing))
                for signal, sample, missing in zip(
                    profile.signals, profile.samples, profile.missing, strict=True
                )
            ]
        )
        self._rows = 0
        self._recent_rows = np.full((self.settings.window, profile.n_signals), np.nan)
        self._recent_alarms: deque[Alarm] = deque(maxlen=self.settings.recent_alarms)
        self._dropped: Counter[str] = Counter(queue_full=0, closed=0)
        self._errors: Counter[str] = Counter(
            observe=0, worker=0, bins=0, **dict.fromkeys(self.settings.detectors, 0)
        )
        self._queue = RowQueue(self.settings.queue_rows)
        self._state_lock = threading.Lock()
        self._count_lock = threading.Lock()
        self._closed = False
        self._worker: threading.Thread | None = None

    def observe(self, rows: ArrayLike, ids: object = None, scores: object = None) -> None:
        """Hand served rows to the monitor, and return at once.

        Rows that find the queue full, or the monitor closed, are dropped and counted. Nothing is raised:
        rows that do not fit are counted as an error under ``observe``.

        Parameters
        ----------
        rows : array_like, shape (rows, n_signals)
            One value per row and signal, NaN where missing; copied.
        """
        try:
            batch = self._as_rows(rows)
            # Without rows a batch takes no room, so no number of them would ever fill the queue.
            if len(batch) and not self._queue.offer(batch):
                with self._count_lock:
                    self._dropped["closed" if self._closed else "queue_full"] += len(batch)
        except Exception:
            self._count_error("observe")

    def process(self, rows: ArrayLike) -> None:
        """Feed rows to the detectors in the calling thread.

        Parameters
        ----------
        rows : array_like, shape (rows, n_signals)
            One value per row and signal, NaN where missing.

        Raises
        ------
        InvalidDataError
            When the rows are no numbers, or do not have one column per signal.
        """
        batch = self._as_rows(rows)
        with self._state_lock:
            self._advance(batch)

    def start(self) -> None:
        """Start the worker thread. The kernels are compiled before it returns, not under traffic."""
        if self._worker is not None:
            return
        rows = np.full((2, self.profile.n_signals), np.nan)
        for watch in build_watches(self.profile, self.settings):
            watch.detect(self._reference.locate(rows), 0)
        self._worker = threading.Thread(target=self._work, name="driftlead-monitor", daemon=True)
        self._worker.start()

    def close(self, *, drain: bool = True, timeout: float = 10.0) -> None:
        """Stop the worker thread.

        Parameters
        ----------
        drain : bool
            Whether rows still waiting go through the detectors first; otherwise they count as dropped.
        timeout : float
            Longest wait, in seconds.
        """
        self._closed = True
        # Where no worker ever ran, nobody would drain the queue.
        discarded = self._queue.close(discard=not drain or self._worker is None)
        with self._count_lock:
            self._dropped["closed"] += discarded
        if self._worker is not None:
            self._worker.join(timeout)

    def snapshot(self) -> MonitorSnapshot:
        """Return everything the monitor knows, as of one row."""
        with self._state_lock:
            detectors = tuple(watch.snapshot(self._rows) for watch in self._watches)
            recent_rows = self._recent_rows.copy()
            rows = self._rows
            alarms = tuple(self._recent_alarms)
            bin_counts = tuple(self._bins.of_signal(index) for index in range(self.profile.n_signals))
        with self._count_lock:
            dropped, errors = dict(self._dropped), dict(self._errors)
        return MonitorSnapshot(
            signals=self.profile.signals,
            rows=rows,
            queue_rows=len(self._queue),
            dropped_rows=dropped,
            errors=errors,
            detectors=detectors,
            recent_alarms=alarms,
            window_mean=_column_means(recent_rows),
            reference_mean=self.profile.means,
            bins=self._bins.bins,
            bin_counts=bin_counts,
        )

    def _as_rows(self, rows: ArrayLike) -> NDArray[np.float64]:
        try:
            batch = np.array(rows, dtype=np.float64, order="C")
        except (TypeError, ValueError) as error:
            raise InvalidDataError(f"rows must be a table of numbers: {error}") from None
        if batch.ndim != 2 or batch.shape[1] != self.profile.n_signals:
            raise InvalidDataError(
                f"rows must have shape (rows, {self.profile.n_signals}), got {batch.shape}"
            )
        return batch

    def _work(self) -> None:
        while batches := self._queue.take(_WORKER_ROWS):
            try:
                batch = batches[0] if len(batches) == 1 else np.concatenate(batches)
                with self._state_lock:
                    self._advance(batch)
            except Exception:
                # These rows are lost; with the thread all that follow would be.
                self._count_error("worker")

    def _advance(self, batch: NDArray[np.float64]) -> None:
        """Take one batch through bins and detectors. A part that fails is counted; the others go on."""
        slots = self._reference.locate(batch)
        try:
            self._bins.add(slots)
        except Exception:
            self._count_error("bins")
        alarms: list[Alarm] = []
        for watch in self._watches:
            try:
                alarms += watch.detect(slots, self._rows)
            except Exception:
                self._count_error(watch.name)
        self._recent_alarms.extend(sorted(alarms, key=lambda alarm: alarm.row))
        kept = batch[-len(self._recent_rows) :]
        places = (self._rows + len(batch) - len(kept) + np.arange(len(kept))) % len(self._recent_rows)
        self._recent_rows[places] = kept
        self._rows += len(batch)

    def _count_error(self, where: str) -> None:
        with self._count_lock:
            self._errors[where] += 1
            first = self._errors[where] == 1
        if first:
            # Once per place: a fault that repeats with every row must not flood the log.
            _log.exception(
                "monitoring failed in %s; serving goes on, further failures are only counted", where
            )


def _column_means(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    present = ~np.isnan(rows)
    counts = present.sum(axis=0)
    # +inf and -inf in one window have no mean, and the sum of huge values is infinite.
    with np.errstate(invalid="ignore", over="ignore"):
        sums = np.where(present, rows, 0.0).sum(axis=0)
    means = np.full(rows.shape[1], np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means
