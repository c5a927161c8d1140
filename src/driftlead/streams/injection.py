"""Drift laid into a user's own rows, so that a monitor can be tried before the world tries it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from driftlead.errors import InvalidDataError, InvalidParameterError
from driftlead.streams.onset import Onset, check_onset, extent, random_rows
from driftlead.streams.stream import Change, Floats, Stream

__all__ = ["INJECTIONS", "inject", "inject_batches"]

Inject = Callable[[Floats, Floats, Floats, Generator], Floats]


def _shift(values: Floats, amount: Floats, like: Floats, rng: Generator) -> Floats:
    return np.asarray(values + amount * np.nanstd(like, axis=0))


def _scale(values: Floats, amount: Floats, like: Floats, rng: Generator) -> Floats:
    mean = np.nanmean(like, axis=0)
    return np.asarray(mean + (values - mean) * (1.0 + amount))


def _noise(values: Floats, amount: Floats, like: Floats, rng: Generator) -> Floats:
    return np.asarray(values + amount * np.nanstd(like, axis=0) * rng.standard_normal(values.shape))


def _missing(values: Floats, amount: Floats, like: Floats, rng: Generator) -> Floats:
    return np.where(rng.random(values.shape) < amount, np.nan, values)


def _swap(values: Floats, amount: Floats, like: Floats, rng: Generator) -> Floats:
    turned = rng.random(values.shape) < amount
    out = values.copy()
    for column, sample in enumerate(like.T):
        found, counts = np.unique(sample[~np.isnan(sample)], return_counts=True)
        if len(found) < 2:
            raise InvalidDataError("a column must hold at least two categories for two to be swapped")
        first, second = found[np.argsort(-counts, kind="stable")[:2]]
        old = values[:, column]
        new = np.where(old == first, second, np.where(old == second, first, old))
        out[:, column] = np.where(turned[:, column], new, old)
    return out


def _shuffle(values: Floats, amount: Floats, like: Floats, rng: Generator) -> Floats:
    turned = rng.random((len(values), 1)) < amount
    return np.where(turned, np.roll(values, 1, axis=1), values)


INJECTIONS: Mapping[str, Inject] = {
    "shift": _shift,
    "scale": _scale,
    "noise": _noise,
    "missing": _missing,
    "swap": _swap,
    "shuffle": _shuffle,
}
"""What can be laid in, at a strength: ``shift`` by so many standard deviations; ``scale`` to 1 + strength of
the distance from the mean; ``noise`` of so many standard deviations; a share of values ``missing``; in a
share of rows the two most frequent categories ``swap`` or the chosen columns ``shuffle`` round by one."""

_SHARES = ("missing", "swap", "shuffle")


def inject(
    rows: ArrayLike,
    kind: str,
    strength: float,
    columns: Sequence[int],
    seed: int,
    *,
    at: int | None = None,
    onset: Onset = "sudden",
    length: int = 1,
) -> Stream:
    """Lay a drift into rows.

    Parameters
    ----------
    rows : array_like, shape (n, d)
        In the order of time; NaN is a missing value. They stay as they are.
    kind : str
        A key of `INJECTIONS`.
    strength : float
        How much of it, in the kind's own unit.
    columns : sequence of int
        Columns that drift.
    seed : int
        Of everything random.
    at : int, optional
        First row that drifts; by default a random one in the middle half.
    onset, length
        How it sets in, see `extent`; the strength grows, or rows with it and without it mix.

    Returns
    -------
    Stream
        Means, deviations and categories are those of the rows before the drift.

    Raises
    ------
    InvalidParameterError
        A parameter breaks its rule.
    InvalidDataError
        The rows are no table of numbers, or a swap finds a single category.

    Examples
    --------
    >>> stream = inject(np.zeros((1000, 3)) + [[0.0, 5.0, 9.0]], "shuffle", 1.0, [0, 2], seed=1)
    >>> stream.changes[0].row, stream.rows[0].tolist(), stream.rows[-1].tolist()
    (257, [0.0, 5.0, 9.0], [9.0, 5.0, 0.0])
    """
    table = np.asarray(rows, dtype=np.float64)
    if table.ndim != 2 or len(table) < 4:
        raise InvalidDataError(f"rows must have shape (n, d) with at least 4 rows, got {table.shape}")
    where, rest = np.random.default_rng(seed).spawn(2)
    start = int(random_rows(where, len(table), 1, len(table) // 4)[0]) if at is None else at
    if not 0 < start < len(table):
        raise InvalidParameterError("at", f"from 1 to {len(table) - 1}", start)
    (changed,) = _injected([table], kind, strength, columns, rest, start, table[:start], onset, length)
    change = Change(start, f"{onset} {kind}", 1 if onset == "sudden" else length, tuple(columns))
    return Stream(changed, None, (change,), f"{onset} {kind} {strength:g}")


def inject_batches(
    batches: Iterable[NDArray[np.float64]],
    kind: str,
    strength: float,
    columns: Sequence[int],
    seed: int,
    *,
    at: int,
    like: ArrayLike,
    onset: Onset = "sudden",
    length: int = 1,
) -> Iterator[NDArray[np.float64]]:
    """Lay a drift into a stream of batches, such as a file larger than memory.

    The same rows come out however they are cut into batches. Parameters and errors are those of `inject`, but
    for two that a stream of unknown length needs.

    Parameters
    ----------
    at : int
        First row that drifts, counted over all batches.
    like : array_like, shape (m, d)
        Rows whose means, deviations and categories count.
    """
    _, rest = np.random.default_rng(seed).spawn(2)
    sample = np.asarray(like, dtype=np.float64)
    return _injected(batches, kind, strength, columns, rest, at, sample, onset, length)


def _injected(
    batches: Iterable[NDArray[np.float64]],
    kind: str,
    strength: float,
    columns: Sequence[int],
    rng: Generator,
    at: int,
    like: Floats,
    onset: Onset,
    length: int,
) -> Iterator[Floats]:
    if kind not in INJECTIONS:
        raise InvalidParameterError("kind", "one of " + ", ".join(INJECTIONS), kind)
    if kind in _SHARES and not 0.0 <= strength <= 1.0:
        raise InvalidParameterError("strength", f"a share from 0 to 1 for {kind}", strength)
    chosen = list(columns)
    if not chosen or not all(0 <= column < like.shape[1] for column in chosen):
        raise InvalidParameterError("columns", f"some of 0 to {like.shape[1] - 1}", chosen)
    check_onset(onset, length)
    # Generators of their own, so that what is drawn for a row does not depend on the batch it comes in.
    steps, values = rng.spawn(2)
    return _each_injected(
        batches, INJECTIONS[kind], strength, chosen, (steps, values), at, like, onset, length
    )


def _each_injected(
    batches: Iterable[NDArray[np.float64]],
    apply: Inject,
    strength: float,
    columns: list[int],
    generators: tuple[Generator, Generator],
    at: int,
    like: Floats,
    onset: Onset,
    length: int,
) -> Iterator[Floats]:
    steps, values = generators
    start = 0
    for batch in batches:
        numbers = np.arange(start, start + len(batch))
        amount = strength * extent(numbers, [at], onset, length, steps)[:, np.newaxis]
        out = batch.astype(np.float64)
        out[:, columns] = apply(out[:, columns], amount, like[:, columns], values)
        start += len(batch)
        yield out
