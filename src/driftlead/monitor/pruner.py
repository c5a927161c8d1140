"""Removing what a store has kept for long enough."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from driftlead.monitor.records import Store

__all__ = ["Pruner"]

_log = logging.getLogger(__name__)

_JUMP_SECONDS, _DISTRUST_SECONDS = 60.0, 3_600.0
_PRUNE_SECONDS = 10.0  # often: little is old at a time, and the database is never busy with it for long


class Pruner:
    """Prune a store now and then, unless the clock just jumped: it may jump back, and what went is gone.

    Parameters
    ----------
    store : Store
    clock : callable
        Seconds since the epoch.
    """

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._due = time.monotonic()
        self._seen = (clock(), time.monotonic())

    def run(self) -> None:
        """Prune, if it is time to; raises `StorageError` like the store."""
        now, ticks = self._clock(), time.monotonic()
        before, ticks_before = self._seen
        if abs((now - before) - (ticks - ticks_before)) > _JUMP_SECONDS:
            _log.warning("the clock jumped by %.0f s; nothing is removed for an hour", now - before)
            self._due = ticks + _DISTRUST_SECONDS
        self._seen = (now, ticks)
        if ticks >= self._due:
            self._store.prune(now)
            self._due = ticks + _PRUNE_SECONDS
