"""What one client may ask of the service at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields

from driftlead.errors import InvalidParameterError
from driftlead.service.errors import RequestError

__all__ = ["ConcurrencyGate", "Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on requests; together they bound memory.

    Parameters
    ----------
    max_body_bytes : int
        Longest request body, in bytes.
    max_rows : int
        Most rows in one request.
    max_concurrent_requests : int
        Most inference requests between their headers and their answers; the next one is told to come back.
    body_timeout_seconds : float
        Longest time for a body to arrive, in seconds.

    Raises
    ------
    InvalidParameterError
        When one of them is not positive.

    Examples
    --------
    >>> Limits(max_rows=0)
    Traceback (most recent call last):
    ...
    driftlead.errors.InvalidParameterError: max_rows must be above 0, got 0
    """

    max_body_bytes: int = 16 * 1024 * 1024
    max_rows: int = 4096
    max_concurrent_requests: int = 64
    body_timeout_seconds: float = 10.0

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                raise InvalidParameterError(field.name, "above 0", getattr(self, field.name))


class ConcurrencyGate:
    """Lets a number of requests in and turns the others away at once: a queue would only make all late.

    Parameters
    ----------
    places : int
        How many may be inside. Entered from the event loop alone, so it needs no lock.
    """

    def __init__(self, places: int) -> None:
        self.places = places
        self.inside = 0

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Take a place for the length of a ``with`` block.

        Raises
        ------
        RequestError
            503 with ``Retry-After``: all places are taken.
        """
        if self.inside >= self.places:
            raise RequestError(
                503, f"busy: {self.places} requests are being answered; try again", {"Retry-After": "1"}
            )
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1
