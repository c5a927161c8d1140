"""Samples of bounded size, from data of any."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from driftlead.errors import InvalidDataError
from driftlead.reference.tables import Table

__all__ = [
    "MOST_CATEGORIES",
    "CategoryCounter",
    "Progress",
    "Reservoir",
    "Summary",
    "as_matrix",
    "summarise_batches",
    "summarise_column",
    "summarise_table",
    "thin",
]

Progress = Callable[[int, int | None], None]
"""Called with the rows done and, where it is known, the rows in all."""

MOST_CATEGORIES = 10_000
"""Most different texts in a column: with more it holds names or prose, not categories."""


@dataclass(frozen=True, eq=False)
class Summary:
    """What a profile keeps of one signal.

    Attributes
    ----------
    sample : ndarray
        Sorted values, none missing.
    mean : float
        Of all values that are not missing; NaN where all are.
    missing : int
        Number of missing values.
    categories : tuple of str
        Names of the codes 0, 1, … of a text column, the most frequent first; empty for numbers.
    """

    sample: NDArray[np.float64]
    mean: float
    missing: int
    categories: tuple[str, ...] = ()


class Reservoir:
    """A uniform sample of a stream of numbers, with their exact number, mean and extremes.

    Every value draws a random key, and those with the least keys stay. So the sample does not
    depend on how the stream was cut into batches.

    Parameters
    ----------
    size : int
        Values kept; up to so many, all are.
    seed : sequence of int
        Another one for each signal: with a common one, the places kept would be the same in all,
        and rows could be put together.
    """

    def __init__(self, size: int, seed: tuple[int, ...]) -> None:
        self._size = size
        self._rng = np.random.default_rng(seed)
        capacity = size + size // 4 + 1  # room to collect before the largest keys are sorted out
        self._keys = np.empty(capacity)
        self._values = np.empty(capacity)
        self._used = 0
        self._highest_key = np.inf
        self._number, self._missing, self._sum = 0, 0, 0.0
        self._least, self._most = np.inf, -np.inf

    def add(self, column: NDArray[np.float64]) -> None:
        """Add values, shape (n,); NaN is missing."""
        values = column[~np.isnan(column)]
        self._missing += len(column) - len(values)
        if not len(values):
            return
        self._number += len(values)
        self._least = min(self._least, float(values.min()))
        self._most = max(self._most, float(values.max()))
        with np.errstate(
            invalid="ignore", over="ignore"
        ):  # +inf and -inf have no mean, and that is what NaN says
            self._sum += float(values.sum())
        keys = self._rng.random(len(values))
        stays = keys < self._highest_key
        keys, values = keys[stays], values[stays]
        start = 0
        while start < len(keys):
            taken = min(len(keys) - start, len(self._keys) - self._used)
            self._keys[self._used : self._used + taken] = keys[start : start + taken]
            self._values[self._used : self._used + taken] = values[start : start + taken]
            self._used += taken
            start += taken
            if self._used == len(self._keys):
                self._drop_highest()

    def summary(self) -> Summary:
        """Return what there is so far; the least and the most value are always in the sample."""
        if self._used > self._size:
            self._drop_highest()
        sample = np.sort(self._values[: self._used])
        if len(sample):
            sample[0], sample[-1] = self._least, self._most
        return Summary(sample, self._sum / self._number if self._number else np.nan, self._missing)

    def _drop_highest(self) -> None:
        kept = np.argpartition(self._keys[: self._used], self._size - 1)[: self._size]
        self._keys[: self._size], self._values[: self._size] = self._keys[kept], self._values[kept]
        self._used = self._size
        self._highest_key = float(self._keys[: self._size].max())


class CategoryCounter:
    """Counts of the texts in a column, coded in the end: 0 is the most frequent.

    Parameters
    ----------
    size : int
        Longest sample of codes.
    name : str
        The column, for errors.
    """

    def __init__(self, size: int, name: str) -> None:
        self._size = size
        self._name = name
        self._counts: Counter[str] = Counter()
        self._missing = 0

    def add(self, counts: Mapping[str | None, int]) -> None:
        """Add how often each text occurred; None and the empty text are missing.

        Raises
        ------
        InvalidDataError
            There are more than `MOST_CATEGORIES` different ones.
        """
        for text, count in counts.items():
            if text:
                self._counts[text] += count
            else:
                self._missing += count
        if len(self._counts) > MOST_CATEGORIES:
            raise InvalidDataError(
                f"column {self._name!r} must hold at most {MOST_CATEGORIES} different texts, got more, "
                f"such as {min(self._counts)[:40]!r}; leave it out by naming the columns"
            )

    def summary(self) -> Summary:
        """Return the codes so far, thinned in proportion where there are too many."""
        ordered = sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))
        counts = np.array([count for _, count in ordered], dtype=np.int64)
        total, codes = int(counts.sum()), np.arange(len(counts))
        places = np.arange(total) if total <= self._size else _evenly_spaced(total, self._size)
        return Summary(
            sample=np.searchsorted(np.cumsum(counts), places, side="right").astype(np.float64),
            mean=float(codes @ counts / total) if total else np.nan,
            missing=self._missing,
            categories=tuple(text for text, _ in ordered),
        )


def summarise_column(column: NDArray[np.float64], size: int) -> Summary:
    """Return a summary of values in memory: a long sample is thinned, see `thin`."""
    values = column[~np.isnan(column)]
    mean = _sum(values) / len(values) if len(values) else np.nan
    return Summary(thin(values, size), mean, len(column) - len(values))


def summarise_batches(
    batches: Iterable[ArrayLike], n_signals: int, size: int, seed: int, progress: Progress | None
) -> tuple[list[Summary], int]:
    """Return a summary of each signal, and the number of rows; see `ReferenceProfile.from_batches`."""
    reservoirs = [Reservoir(size, (seed, column)) for column in range(n_signals)]
    n_rows = 0
    for number, batch in enumerate(batches):
        matrix = as_matrix(batch, f"batch {number}")
        if matrix.ndim != 2 or matrix.shape[1] != n_signals:
            raise InvalidDataError(f"batch {number} must have shape (rows, {n_signals}), got {matrix.shape}")
        for reservoir, column in zip(reservoirs, matrix.T, strict=True):
            reservoir.add(column)
        n_rows += len(matrix)
        if progress is not None:
            progress(n_rows, None)
    return [reservoir.summary() for reservoir in reservoirs], n_rows


def summarise_table(
    table: Table, size: int, seed: int, progress: Progress | None
) -> tuple[list[Summary], int]:
    """Return a summary of each column, and the number of rows; see `ReferenceProfile.from_file`."""
    collectors = [
        CategoryCounter(size, name) if is_text else Reservoir(size, (seed, column))
        for column, (name, is_text) in enumerate(zip(table.columns, table.is_text, strict=True))
    ]
    n_rows = 0
    for rows, columns in table.batches():
        for collector, column in zip(collectors, columns, strict=True):
            collector.add(column)  # type: ignore[arg-type]  # counts come from columns of text, and only from them
        n_rows += rows
        if progress is not None:
            progress(n_rows, max(n_rows, table.expected_rows))
    return [collector.summary() for collector in collectors], n_rows


def as_matrix(rows: ArrayLike, name: str) -> NDArray[np.float64]:
    """Return rows as numbers; refuse what holds others."""
    try:
        return np.asarray(rows, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidDataError(f"{name} must be a table of numbers: {error}") from None


def thin(values: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Return values sorted, thinned to evenly spaced order statistics where there are more than ``size``."""
    ordered = np.sort(values)
    return ordered if len(ordered) <= size else ordered[_evenly_spaced(len(ordered), size)]


def _sum(values: NDArray[np.float64]) -> float:
    with np.errstate(invalid="ignore", over="ignore"):  # the sum of +inf and -inf is NaN, which is true
        return float(values.sum())


def _evenly_spaced(number: int, size: int) -> NDArray[np.int64]:
    return np.linspace(0, number - 1, size).round().astype(np.int64)
