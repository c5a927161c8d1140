"""A stream from a source and a seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from driftlead.errors import InvalidParameterError
from driftlead.streams.onset import Onset, extent, random_rows
from driftlead.streams.stream import Change, Source, Stream

__all__ = ["error_stream", "generate"]


def generate(
    source: Source,
    rows: int,
    seed: int,
    *,
    changes: int | Sequence[int] = 1,
    onset: Onset = "sudden",
    length: int = 1,
    gap: int | None = None,
) -> Stream:
    """Generate a stream that changes at random rows.

    Streams of one source and seed share all rows before the first change, whatever the change.

    Parameters
    ----------
    source : Source
        Where rows come from, such as ``location(0.5)`` or ``sea()``.
    rows : int
        Length of the stream.
    seed : int
        Decides everything.
    changes : int or sequence of int
        How many changes at random rows, or the rows themselves, increasing. With more than one the source
        changes there and back: the old concept recurs. 0 gives a stream that does not change.
    onset : {"sudden", "ramp", "gradual"}
        How changes set in, see `extent`.
    length : int
        Rows of a ramp or of a gradual change.
    gap : int, optional
        Least rows before, between and after random changes; by default half of an even spacing.

    Returns
    -------
    Stream

    Raises
    ------
    InvalidParameterError
        A parameter breaks its rule.

    Examples
    --------
    >>> from driftlead.streams import location
    >>> stream = generate(location(2.0), rows=1000, seed=3)
    >>> stream.changes
    (Change(row=566, kind='sudden normal location +2 sd', length=1, columns=(0,)),)
    >>> [round(float(part.mean()), 2) for part in np.split(stream.rows, [566])]
    [-0.01, 1.96]
    """
    if rows < 1:
        raise InvalidParameterError("rows", "at least 1", rows)
    times, steps, values = np.random.default_rng(seed).spawn(3)
    if isinstance(changes, int):
        starts = random_rows(
            times, rows, changes, max(1, rows // (2 * (changes + 1))) if gap is None else gap
        )
    else:
        starts = np.asarray(changes, dtype=np.int64)
        if (np.diff(starts, prepend=-1, append=rows) < 1).any():
            raise InvalidParameterError("changes", f"increasing rows from 0 to {rows - 1}", list(changes))
    drawn, labels = source.draw(values, extent(np.arange(rows), starts, onset, length, steps))
    took = 1 if onset == "sudden" else length
    return Stream(
        rows=drawn,
        labels=labels,
        changes=tuple(Change(int(row), f"{onset} {source.name}", took, source.columns) for row in starts),
        name=f"{onset} {source.name}" if len(starts) else f"unchanged {source.name}",
    )


def error_stream(source: Source, rows: int, seed: int, **options: Any) -> Stream:
    """Generate the errors, 0 or 1, of a classifier that knows the concept before the change perfectly.

    This is what detectors of the DDM family are made for.

    Parameters
    ----------
    source : Source
        With labels, such as ``sea()``.
    rows, seed, **options
        As for `generate`.

    Returns
    -------
    Stream
        One column, without labels.

    Raises
    ------
    InvalidParameterError
        The source has no labels, or a parameter breaks its rule.

    Examples
    --------
    >>> from driftlead.streams import sea
    >>> errors = error_stream(sea(), rows=20_000, seed=1, changes=[10_000]).rows[:, 0]
    >>> [round(float(part.mean()), 1) for part in np.split(errors, 2)]
    [0.1, 0.2]
    """
    if source.old_concept is None:
        raise InvalidParameterError("source", "one with labels", source.name)
    stream = generate(source, rows, seed, **options)
    wrong = source.old_concept(stream.rows) != stream.labels
    changes = tuple(change._replace(columns=(0,)) for change in stream.changes)
    return Stream(wrong.astype(np.float64)[:, np.newaxis], None, changes, f"errors on {stream.name}")
