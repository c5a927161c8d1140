"""What a stream is: rows, labels where there are any, and when and how it changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from driftlead.errors import InvalidParameterError

__all__ = ["Change", "Source", "Stream"]

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


class Change(NamedTuple):
    """One change of a stream.

    Attributes
    ----------
    row : int
        The first row, counted from 0, that the change can touch.
    kind : str
        What changes, and how it sets in.
    length : int
        Rows until it is complete; 1 for a sudden change.
    columns : tuple of int
        Columns whose distribution changes; empty where only the labels' does.
    """

    row: int
    kind: str
    length: int
    columns: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Stream:
    """Rows in the order in which they are observed.

    Attributes
    ----------
    rows : array of float64, shape (n, d)
    labels : array of int64, shape (n,), or None
    changes : tuple of Change
        In the order of their rows; empty for a stream that does not change.
    name : str
    """

    rows: Floats
    labels: Labels | None
    changes: tuple[Change, ...]
    name: str

    def batches(self, size: int) -> Iterator[Floats]:
        """Yield the rows in batches of ``size``, the last one shorter.

        Raises
        ------
        InvalidParameterError
            When the size is below 1.
        """
        if size < 1:
            raise InvalidParameterError("size", "at least 1", size)
        for start in range(0, len(self.rows), size):
            yield self.rows[start : start + size]


class Source(NamedTuple):
    """Where rows come from, before and after a change.

    Attributes
    ----------
    name : str
    columns : tuple of int
        Columns whose distribution changes.
    draw : callable
        ``draw(rng, extent)`` returns as many rows as ``extent`` is long, shape (n, d), and their labels or
        None. The extent of the change at each row is 0 before it, 1 after it, and may lie between. How much
        is drawn from ``rng`` must not depend on it, so that streams of one seed differ by their change alone.
    old_concept : callable or None
        The labels of rows, without noise, before the change: what a perfect classifier had learned.
    """

    name: str
    columns: tuple[int, ...]
    draw: Callable[[Generator, Floats], tuple[Floats, Labels | None]]
    old_concept: Callable[[Floats], NDArray[Any]] | None = None
