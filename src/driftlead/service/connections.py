"""Connections that bring no request: limited in number and in time, and no traceback in the log.

A process has so many file descriptors. Once silent connections hold them all, nobody else is answered, and
asyncio writes thousands of lines a second about it. Scrapers and probes that hang up early are no news.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import sys
from typing import Any, ClassVar
from wsgiref.simple_server import WSGIServer

from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["ACCEPTED_AT_ONCE", "BACKLOG", "PatientProtocol", "most_connections", "quieten"]

_log = logging.getLogger(__name__)

#: Most connections that asyncio accepts in one turn of its loop, as uvicorn's ``backlog``. It takes a few
#: turns until a connection can be hung up on, and meanwhile all that were accepted hold a descriptor.
ACCEPTED_AT_ONCE = 16

#: Connections that the kernel keeps waiting: bursts of clients, which a queue of 16 would turn away.
BACKLOG = 1024

# What files, the metrics' port and connections on their way out need of the process's descriptors.
_RESERVE = 128


def most_connections(descriptors: int) -> int:
    """How many connections a process with so many file descriptors may hold.

    Examples
    --------
    >>> most_connections(1024), most_connections(96)
    (896, 24)
    """
    if descriptors == resource.RLIM_INFINITY:
        return sys.maxsize
    return max(descriptors - _RESERVE, descriptors // 4)


class PatientProtocol(H11Protocol):
    """uvicorn's HTTP with an end to its patience: for a first request, and for the number of clients.

    Attributes
    ----------
    seconds_to_speak : float
        How long the headers of a connection's first request may take.
    most : int
        One connection more is hung up on at once.
    """

    seconds_to_speak: ClassVar[float] = 20.0
    most: ClassVar[int] = most_connections(resource.getrlimit(resource.RLIMIT_NOFILE)[0])

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, and start the clock."""
        super().connection_made(transport)
        self._clock = self.loop.call_later(self.seconds_to_speak, self._lose_patience)
        if len(self.connections) > self.most:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        self._clock.cancel()
        super().connection_lost(exc)

    def _lose_patience(self) -> None:
        if self.cycle is None:
            self.transport.close()


def quieten(server: WSGIServer, seconds: float = 20.0) -> None:
    """Make a threaded WSGI server give up on silent clients, and shrug at those that hang up."""
    handler: Any = server.RequestHandlerClass
    server.RequestHandlerClass = type("ImpatientHandler", (handler,), {"timeout": seconds})
    setattr(server, "handle_error", _shrug)  # noqa: B010 - a method of this one server, replaced


def _shrug(request: Any, address: Any) -> None:
    if not isinstance(sys.exception(), OSError):
        _log.error("a request on the metrics' port failed", exc_info=True)
