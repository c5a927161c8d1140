"""When a change comes, and how it sets in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from driftlead.errors import InvalidParameterError

__all__ = ["ONSETS", "Onset", "check_onset", "extent", "random_rows"]

Onset = Literal["sudden", "ramp", "gradual"]
ONSETS: tuple[str, ...] = get_args(Onset)


def random_rows(rng: Generator, rows: int, count: int, gap: int) -> NDArray[np.int64]:
    """Draw the rows at which a stream changes: uniform, with room before, between and after them.

    Times on a grid flatter detectors that work in batches.

    Parameters
    ----------
    rng : numpy.random.Generator
    rows : int
        Length of the stream.
    count : int
        Number of changes.
    gap : int
        Least rows before the first change, between two, and after the last.

    Returns
    -------
    array of int64, shape (count,), increasing

    Raises
    ------
    InvalidParameterError
        When so many changes do not fit.

    Examples
    --------
    >>> random_rows(np.random.default_rng(1), rows=1000, count=2, gap=200)
    array([389, 604])
    """
    room = rows - (count + 1) * gap
    if count < 0 or gap < 1 or room < 1:
        raise InvalidParameterError(
            "gap", f"at least 1 and leave room for {count} changes in {rows} rows", gap
        )
    free = np.sort(rng.integers(room, size=count))
    return free + gap * np.arange(1, count + 1)


def extent(
    numbers: ArrayLike, changes: Sequence[int] | NDArray[np.int64], onset: Onset, length: int, rng: Generator
) -> NDArray[np.float64]:
    """Return how far a stream has changed at each row: 0 is as before, 1 is changed.

    With several changes it goes there and back again: the old concept recurs.

    Parameters
    ----------
    numbers : array of int, shape (n,)
        Numbers of the rows, from 0.
    changes : sequence of int
        First changed rows, increasing.
    onset : {"sudden", "ramp", "gradual"}
        At once; growing evenly over ``length`` rows; or, over as many rows, each row of the new kind with
        growing probability and of the old kind otherwise.
    length : int
        Rows of a ramp or of a gradual change.
    rng : numpy.random.Generator
        Decides the rows of a gradual change. As much is drawn for any onset, so that a stream may be made in
        parts.

    Returns
    -------
    array of float64, shape (n,)

    Raises
    ------
    InvalidParameterError
        When the onset is unknown or the length below 1.

    Examples
    --------
    >>> extent(range(8), [2, 6], "sudden", 1, np.random.default_rng(0))
    array([0., 0., 1., 1., 1., 1., 0., 0.])
    >>> extent(range(8), [2], "ramp", 4, np.random.default_rng(0))
    array([0.  , 0.  , 0.25, 0.5 , 0.75, 1.  , 1.  , 1.  ])

    References
    ----------
    Gama, J. et al. (2014). A survey on concept drift adaptation. ACM Computing Surveys 46(4), figure 2.
    """
    check_onset(onset, length)
    at, starts = np.asarray(numbers, dtype=np.int64), np.asarray(changes, dtype=np.int64)
    chance = rng.random(len(at))
    before = np.searchsorted(starts, at, side="right")
    if not len(starts):
        return np.zeros(len(at))
    after = (before % 2).astype(np.float64)
    since = at - starts[np.maximum(before, 1) - 1]
    progress = np.ones(len(at)) if onset == "sudden" else np.minimum(1.0, (since + 1) / length)
    progress[before == 0] = 1.0  # nothing is under way
    if onset == "gradual":
        progress = (chance < progress).astype(np.float64)
    return np.asarray((1.0 - after) + (2.0 * after - 1.0) * progress)


def check_onset(onset: str, length: int) -> None:
    """Refuse an unknown onset or an impossible length."""
    if onset not in ONSETS:
        raise InvalidParameterError("onset", "one of " + ", ".join(ONSETS), onset)
    if length < 1:
        raise InvalidParameterError("length", "at least 1", length)
