"""What a monitor saw over time, in bounded memory: the past is kept coarser the further back it lies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from driftlead.errors import InvalidParameterError, StateError

__all__ = ["QUALITY_COLUMNS", "History", "HistorySamples", "Merge", "MonitorHistory"]

Merge = Literal["largest", "latest"]

# With these, an hour ago is known to about two minutes, and a month ago to about a day.
_CAPACITY = 320
_EVERY_SECONDS = 2.0
_PAUSE_SECONDS = 60.0
_LARGEST = 60_000.0  # of 16-bit floats, which tell three digits

QUALITY_COLUMNS = ("measured", "estimate", "low", "high")
"""Columns of the history of the model's quality: accuracy by labels, and as estimated without them with its
interval; of a regression the mean absolute error, and no estimate."""


@dataclass(frozen=True, eq=False)
class HistorySamples:
    """Some values over stretches of time that follow each other, oldest first.

    Attributes
    ----------
    start, end : ndarray of float64, shape (n,)
        The stretch that each sample tells of, in seconds since the epoch. Between one's end and the next
        one's start nothing was seen.
    row : ndarray of int64, shape (n,)
        Rows monitored at its end.
    values : ndarray of float16, shape (n, columns)
        NaN where unknown; at most 60 000.
    """

    start: NDArray[np.float64]
    end: NDArray[np.float64]
    row: NDArray[np.int64]
    values: NDArray[np.float16]

    def __len__(self) -> int:
        return len(self.start)

    def after(self, moment: float) -> HistorySamples:
        """Return the samples that end after a moment, in seconds since the epoch."""
        first = int(np.searchsorted(self.end, moment, side="right"))
        return HistorySamples(self.start[first:], self.end[first:], self.row[first:], self.values[first:])


@dataclass(frozen=True, eq=False)
class MonitorHistory:
    """What a monitor saw over time.

    Attributes
    ----------
    rows, labels : HistorySamples
        Statistic over threshold of each pair, largest within each stretch of time: of served rows, and of
        labelled ones by when their labels came.
    row_pairs, label_pairs : tuple of (str, str)
        Signal and detector of each of their columns.
    quality : HistorySamples
        Columns are `QUALITY_COLUMNS`.
    """

    rows: HistorySamples
    row_pairs: tuple[tuple[str, str], ...]
    labels: HistorySamples
    label_pairs: tuple[tuple[str, str], ...]
    quality: HistorySamples


class History:
    """A fixed number of samples that reach as far back as there was anything.

    A sample is taken when ``every_seconds`` have gone by, and between two of them `note` keeps what must not
    be missed. When there is no room for another one, two neighbours become one: those whose stretch is the
    shortest for its age. So each sample's length is about the same share of its age, 2 % for 320 samples over
    half a day and 4 % over a month, and there is nothing to set.

    Parameters
    ----------
    columns : int
        Values per sample.
    merge : {"largest", "latest"}
        What two neighbours leave: the largest of each value, so that no peak is lost, or the later one.
    capacity : int
        Most samples.
    every_seconds : float
        Time between two.

    Raises
    ------
    InvalidParameterError
        A parameter breaks its rule.

    Examples
    --------
    >>> history = History(columns=1, capacity=4, every_seconds=1.0)
    >>> for second in range(100):
    ...     history.add(float(second), row=second, values=[0.5])
    >>> samples = history.samples()
    >>> samples.start.tolist(), samples.row.tolist()[-1]
    ([0.0, 78.0, 92.0, 98.0], 99)
    """

    def __init__(
        self,
        columns: int,
        merge: Merge = "largest",
        *,
        capacity: int = _CAPACITY,
        every_seconds: float = _EVERY_SECONDS,
    ) -> None:
        if merge not in get_args(Merge):
            raise InvalidParameterError("merge", "one of " + ", ".join(get_args(Merge)), merge)
        if capacity < 2:
            raise InvalidParameterError("capacity", "at least 2", capacity)
        if not every_seconds >= 0:
            raise InvalidParameterError("every_seconds", "at least 0", every_seconds)
        self.every_seconds = every_seconds
        self._merge = merge
        self._length = 0
        self._start = np.empty(capacity)
        self._end = np.empty(capacity)
        self._row = np.empty(capacity, dtype=np.int64)
        self._values = np.empty((capacity, columns), dtype=np.float16)
        self._noted = np.full(columns, np.nan)

    def __len__(self) -> int:
        return self._length

    def due(self, now: float) -> bool:
        """Whether it is time for another sample; also when the clock was set back."""
        if not self._length:
            return True
        since = now - self._end[self._length - 1]
        return bool(since >= self.every_seconds or since < 0)

    def note(self, columns: NDArray[np.int64], values: NDArray[np.float64]) -> None:
        """Keep values for the next sample, where they are larger than what it will hold otherwise."""
        np.fmax.at(self._noted, columns, values)

    def add(self, now: float, row: int, values: ArrayLike) -> None:
        """Take a sample.

        Parameters
        ----------
        now : float
            Seconds since the epoch. A time before the latest sample's counts as that one's.
        row : int
            Rows monitored so far.
        values : array_like, shape (columns,)
        """
        start, end, held = self._next(now, values)
        self._append(start, end, row, held)
        self._noted.fill(np.nan)

    def samples(self) -> HistorySamples:
        """Return all samples, as copies."""
        known = slice(self._length)
        return HistorySamples(
            self._start[known].copy(),
            self._end[known].copy(),
            self._row[known].copy(),
            self._values[known].copy(),
        )

    def samples_until(self, now: float, row: int, values: ArrayLike) -> HistorySamples:
        """Return all samples, and after them the one that `add` would take now."""
        known = self.samples()
        start, end, held = self._next(now, values)
        return HistorySamples(
            np.append(known.start, start),
            np.append(known.end, end),
            np.append(known.row, row),
            np.vstack([known.values, held.astype(known.values.dtype)]),
        )

    def _append(self, start: float, end: float, row: int, values: NDArray[np.floating]) -> None:
        if self._length == len(self._start):
            self._make_room(end)
        at = self._length
        self._start[at], self._end[at], self._row[at], self._values[at] = start, end, row, values
        self._length += 1

    def _next(self, now: float, values: ArrayLike) -> tuple[float, float, NDArray[np.float64]]:
        latest = float(self._end[self._length - 1]) if self._length else -np.inf
        now = max(now, latest)
        # After a pause a sample tells of now, not of the time in which nothing came.
        start = latest if now - latest < _PAUSE_SECONDS else now
        return start, now, _bounded(np.fmax(np.asarray(values, dtype=np.float64), self._noted))

    def _make_room(self, now: float) -> None:
        start, end = self._start, self._end
        age = np.maximum(now - start[:-1], np.finfo(float).tiny)
        first = int(np.argmin((end[1:] - start[:-1]) / age))
        second = first + 1
        end[first], self._row[first] = end[second], self._row[second]
        if self._merge == "largest":
            np.fmax(self._values[first], self._values[second], out=self._values[first])
        else:
            self._values[first] = self._values[second]
        for each in (start, end, self._row, self._values):
            each[second:-1] = each[second + 1 :]
        self._length -= 1

    def state(self) -> dict[str, Any]:
        """Return plain arrays that `restore` continues from."""
        samples = self.samples()
        return {
            "start": samples.start,
            "end": samples.end,
            "row": samples.row,
            "values": samples.values,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue where `state` was taken; of more samples than there is room for, neighbours become one.

        Raises
        ------
        StateError
            Something is missing or does not fit. Nothing has changed then.
        """
        try:
            parts = [np.asarray(state[name]) for name in ("start", "end", "row", "values")]
            length = len(parts[0])
            shapes = [(length,), (length,), (length,), (length, self._values.shape[1])]
            if [part.shape for part in parts] != shapes:
                raise StateError("its history is inconsistent")
            own: tuple[NDArray[Any], ...] = (self._start, self._end, self._row, self._values)
            parts = [part.astype(mine.dtype) for part, mine in zip(parts, own, strict=True)]
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(f"its history is incomplete ({error})") from error
        self._length = 0
        for sample in zip(*parts, strict=True):
            self._append(*sample)


def _bounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.clip(values, -_LARGEST, _LARGEST)
