"""Requests and responses that come apart, put together within bounds of time and memory."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from driftlead.service.events.envelope import Event

__all__ = ["Pairs"]

# What an entry takes besides its payload.
_ENTRY_BYTES = 400


class _Half(NamedTuple):
    event: Event
    arrived: float


class Pairs:
    """The halves that wait for their other half, oldest first.

    Parameters
    ----------
    max_bytes : int
        Most memory of those that wait; beyond it the oldest are dropped.
    max_seconds : float
        Longest wait.

    Attributes
    ----------
    outcomes : Counter of str
        What became of events: ``paired``, ``unpaired`` (the other half did not come in time), ``dropped``
        (no room), ``duplicate``.

    Examples
    --------
    >>> pairs = Pairs(max_bytes=10_000, max_seconds=60)
    >>> pairs.match(Event("response", "7", b"out"), now=0.0)
    >>> pairs.match(Event("request", "7", b"in"), now=1.0)
    (b'in', b'out')
    >>> len(pairs)
    0
    """

    def __init__(self, *, max_bytes: int, max_seconds: float) -> None:
        self._max_bytes = max_bytes
        self._max_seconds = max_seconds
        self._waiting: dict[str, _Half] = {}
        self._bytes = 0
        self.outcomes = Counter(paired=0, unpaired=0, dropped=0, duplicate=0)

    def __len__(self) -> int:
        return len(self._waiting)

    def match(self, event: Event, now: float) -> tuple[bytes, bytes] | None:
        """Return the payloads of request and response once both are there.

        Parameters
        ----------
        event : Event
            A request or a response.
        now : float
            Seconds of a clock that is never set back.
        """
        self.expire(now)
        other = self._waiting.get(event.key)
        if other is None:
            self._keep(event, now)
            return None
        if other.event.kind == event.kind:
            self.outcomes["duplicate"] += 1
            return None
        self._forget(event.key)
        self.outcomes["paired"] += 2
        first, second = (event, other.event) if event.kind == "request" else (other.event, event)
        return first.data, second.data

    def expire(self, now: float) -> None:
        """Give up on what has waited too long."""
        while self._waiting:
            key = next(iter(self._waiting))
            if now - self._waiting[key].arrived <= self._max_seconds:
                break
            self._forget(key)
            self.outcomes["unpaired"] += 1

    def _keep(self, event: Event, now: float) -> None:
        size = _size(event)
        if size > self._max_bytes:
            self.outcomes["dropped"] += 1
            return
        while self._bytes + size > self._max_bytes:
            self._forget(next(iter(self._waiting)))
            self.outcomes["dropped"] += 1
        self._waiting[event.key] = _Half(event, now)
        self._bytes += size

    def _forget(self, key: str) -> None:
        self._bytes -= _size(self._waiting.pop(key).event)


def _size(event: Event) -> int:
    return len(event.data) + 4 * len(event.key) + _ENTRY_BYTES
