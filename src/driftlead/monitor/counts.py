"""What a monitor could not do: rows dropped, and failures."""

from __future__ import annotations

import logging
import sys
import threading
from collections import Counter
from collections.abc import Iterable

from driftlead.errors import StateError, StorageError

__all__ = ["Counts"]

_log = logging.getLogger(__name__)


class Counts:
    """Rows dropped by reason, and failures by place; each may come from any thread.

    Parameters
    ----------
    reasons, places : iterable of str
        Those that are shown from the start, with 0.
    """

    def __init__(self, reasons: Iterable[str], places: Iterable[str]) -> None:
        self._dropped: Counter[str] = Counter(dict.fromkeys(reasons, 0))
        self._errors: Counter[str] = Counter(dict.fromkeys(places, 0))
        self._lock = threading.Lock()

    @property
    def dropped(self) -> dict[str, int]:
        """Rows by reason, as a copy."""
        with self._lock:
            return dict(self._dropped)

    @property
    def errors(self) -> dict[str, int]:
        """Failures by place, as a copy."""
        with self._lock:
            return dict(self._errors)

    def drop(self, reason: str, rows: int) -> None:
        """Count rows that no detector will see."""
        with self._lock:
            self._dropped[reason] += rows

    def error(self, place: str) -> None:
        """Count a failure, within its ``except`` block; the first of a place is logged."""
        with self._lock:
            self._errors[place] += 1
            first = self._errors[place] == 1
        if first:
            # Once per place: a fault that repeats with every row must not flood the log.
            error = sys.exception()
            # A disk or a database that refuses is no fault of ours: its reason says all, a traceback nothing.
            outside = isinstance(error, (StateError, StorageError, OSError))
            _log.error(
                "monitoring failed in %s%s; serving goes on, further failures are only counted",
                place,
                f" ({error})" if outside else "",
                exc_info=not outside,
            )
