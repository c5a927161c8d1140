"""What competitors are given: a reference, a stream that does not change, and streams that do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from driftlead.errors import InvalidParameterError
from driftlead.streams import Source, Stream, error_stream, generate
from driftlead.streams.onset import Onset

__all__ = ["Drawn", "Scenario", "Takes", "draw"]

Takes = Literal["numbers", "errors"]


class Drawn(NamedTuple):
    """One draw of a scenario.

    Attributes
    ----------
    reference : array of float64, shape (n, d)
        Rows from before, for competitors that want some.
    unchanged : Stream
        Goes on in the same way: every alarm on it is false.
    changed : mapping of str to Stream
        By the name of the change, with one change each.
    """

    reference: NDArray[np.float64]
    unchanged: Stream
    changed: Mapping[str, Stream]


@dataclass(frozen=True)
class Scenario:
    """One way in which data are before they change, and the changes that are tried on it.

    Parameters
    ----------
    name : str
    make : callable
        ``make(seed)`` returns a `Drawn`; a pure function of a module, or a `functools.partial` of one.
    takes : {"numbers", "errors"}
        Any numbers, or a classifier's errors, 0 or 1.
    """

    name: str
    make: Callable[[int], Drawn]
    takes: Takes = "numbers"


def draw(
    changes: Mapping[str, tuple[Source, Onset, int]],
    seed: int,
    *,
    reference: int = 1_000,
    unchanged: int = 5_000,
    before: tuple[int, int] = (300, 900),
    after: int = 2_000,
    errors: bool = False,
) -> Drawn:
    """Draw from sources that are the same before their change.

    Parameters
    ----------
    changes : mapping of str to (Source, onset, length)
        What changes, and how it sets in.
    seed : int
    reference, unchanged : int
        Rows of the reference and of the stream that does not change.
    before : (int, int)
        The change comes after so many rows: a random number from the first up to the second.
    after : int
        Rows after the change.
    errors : bool
        Whether competitors see the errors of a classifier that knows the old concept, instead of the rows.

    Returns
    -------
    Drawn

    Raises
    ------
    InvalidParameterError
        There are no changes, or a source has no labels to be wrong about.

    Examples
    --------
    >>> from driftlead.streams import location
    >>> drawn = draw({"+1 sd": (location(1.0), "sudden", 1)}, seed=3)
    >>> drawn.reference.shape, drawn.unchanged.rows.shape, drawn.changed["+1 sd"].changes[0].row
    ((1000, 1), (5000, 1), 786)
    """
    if not changes:
        raise InvalidParameterError("changes", "at least one", changes)
    stream = error_stream if errors else generate
    seeds = [int(child) for child in np.random.default_rng(seed).integers(2**62, size=3)]
    at = int(np.random.default_rng(seed).integers(*before))
    source = next(iter(changes.values()))[0]
    return Drawn(
        stream(source, reference, seeds[0], changes=0).rows,
        stream(source, unchanged, seeds[1], changes=0),
        {
            name: stream(each, at + after, seeds[2], changes=[at], onset=onset, length=length)
            for name, (each, onset, length) in changes.items()
        },
    )
