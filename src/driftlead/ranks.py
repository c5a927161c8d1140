"""The reference sample of every signal, sorted once; a live value is located in it once.

With m distinct reference values v₀ < … < v₍ₘ₋₁₎ the line falls into 2·m + 1 *slots*: slot 2·i + 1 is
the value vᵢ itself, slot 2·i the open gap below it, slot 2·m everything above. A value's slot says
all that its rank can say, ties included, so the KS leaf, the normal score and the density bin are
functions of the slot and never look at the value again.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from driftlead.errors import InvalidDataError, StateError

__all__ = ["MISSING", "SortedReference"]

MISSING = -1
"""The slot of a missing value (NaN)."""

_BLOCK = 512  # rows searched side by side: their values and positions stay in the first-level cache
_MAX_SIZE = 2**30 - 1  # slots are int32, as are positions among the values of all signals


@njit(cache=True, nogil=True)
def _locate(
    columns: NDArray[np.float64],
    values: NDArray[np.float64],
    offsets: NDArray[np.int64],
    slots: NDArray[np.int32],
) -> None:
    """Write the slot of ``columns[j, r]`` to ``slots[j, r]``.

    Binary searches run side by side, over the rows of a signal or over the signals of a single row,
    and each step is one pass of vector instructions over all of them. A search at a time would
    mispredict every other step, which costs more than all the rest.
    """
    rows = columns.shape[1]
    if rows == 1:
        _locate_signals(columns.reshape(-1), values, offsets, slots.reshape(-1))
        return
    for j in range(columns.shape[0]):
        v = values[offsets[j] : offsets[j + 1]]
        for start in range(0, rows, _BLOCK):
            _locate_rows(columns[j, start : start + _BLOCK], v, slots[j, start : start + _BLOCK])


@njit(cache=True, nogil=True)
def _locate_rows(x, v, slots):  # type: ignore[no-untyped-def]
    """Write the slots of values ``x`` of one signal with sorted distinct values ``v``."""
    last = np.uint32(v.shape[0] - 1)
    for r in range(x.shape[0]):
        slots[r] = 0
    size = v.shape[0]
    while size > 1:
        half = np.uint32(size >> 1)
        for r in range(x.shape[0]):
            ahead = np.uint32(slots[r]) + half
            slots[r] = ahead if v[np.uint64(ahead - np.uint32(1))] < x[r] else slots[r]
        size -= size >> 1
    for r in range(x.shape[0]):
        at = np.uint32(slots[r])
        at += np.uint32(v[np.uint64(at)] < x[r])
        found = np.int32(2 * at) + np.int32(v[np.uint64(min(at, last))] == x[r])
        slots[r] = found if x[r] == x[r] else np.int32(MISSING)


@njit(cache=True, nogil=True)
def _locate_signals(x, values, offsets, slots):  # type: ignore[no-untyped-def]
    """Write the slots of one value ``x`` of each signal; short searches wait for the longest."""
    signals = x.shape[0]
    size = np.empty(signals, dtype=np.int32)
    longest = np.int32(1)
    for j in range(signals):
        slots[j] = np.int32(offsets[j])
        size[j] = np.int32(offsets[j + 1] - offsets[j])
        longest = max(longest, size[j])
    while longest > 1:
        for j in range(signals):
            half = np.int32(size[j] >> np.int32(1))  # 0 where that search has ended: any probe will do
            probe = np.uint32(slots[j] + half - np.int32(half > 0))
            slots[j] = np.int32(slots[j] + half) if values[np.uint64(probe)] < x[j] else slots[j]
            size[j] = np.int32(size[j] - half)
        longest -= longest >> 1
    for j in range(signals):
        first, last = np.int32(offsets[j]), np.int32(offsets[j + 1] - 1)
        at = np.int32(slots[j] + np.int32(values[np.uint32(slots[j])] < x[j]))
        found = np.int32(2 * (at - first)) + np.int32(values[np.uint32(min(at, last))] == x[j])
        slots[j] = np.int32(found) if x[j] == x[j] else np.int32(MISSING)


class SortedReference:
    """The sorted reference sample of each signal.

    Parameters
    ----------
    samples : array of shape (n,) or (n, d), or sequence of d arrays of shape (n_j,)
        Reference values of each signal, in the signal's own unit; a list of lists holds one list per
        signal. NaN is a missing value and is dropped; ±inf are values like any other.

    Raises
    ------
    InvalidDataError
        A sample is not numeric, has the wrong shape, or holds no value.

    Examples
    --------
    >>> import numpy as np
    >>> reference = SortedReference(np.array([1.0, 2.0, 2.0, 4.0]))
    >>> reference.locate(np.array([[0.0], [1.0], [1.5], [2.0], [9.0], [np.nan]])).ravel()
    array([ 0,  1,  2,  3,  6, -1], dtype=int32)
    """

    def __init__(self, samples: ArrayLike | Sequence[ArrayLike]) -> None:
        columns = _columns(samples)
        distinct, counts = [], []
        for j, column in enumerate(columns):
            present = column[~np.isnan(column)]
            if not 0 < present.size <= _MAX_SIZE:
                raise InvalidDataError(f"the reference of signal {j} holds no value")
            values, count = np.unique(present, return_counts=True)
            distinct.append(values)
            counts.append(count)
        self._adopt(distinct, counts)

    def _adopt(self, distinct: list[NDArray[np.float64]], counts: list[NDArray[np.int64]]) -> None:
        lengths = np.array([len(values) for values in distinct], dtype=np.int64)
        self.offsets: NDArray[np.int64] = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        if self.offsets[-1] > _MAX_SIZE:
            raise InvalidDataError(f"a reference holds at most {_MAX_SIZE} distinct values in all")
        self.values: NDArray[np.float64] = np.concatenate(distinct)
        running = [np.concatenate([[0], np.cumsum(count)]) for count in counts]
        self.cumulative: NDArray[np.int32] = np.concatenate(running).astype(np.int32)
        self.sizes: NDArray[np.int64] = np.array([total[-1] for total in running], dtype=np.int64)
        for array in (self.offsets, self.values, self.cumulative, self.sizes):
            array.flags.writeable = False

    @property
    def n_signals(self) -> int:
        """Number of signals d."""
        return len(self.sizes)

    @property
    def n_distinct(self) -> NDArray[np.int64]:
        """Number of distinct reference values m of each signal, shape (d,)."""
        return np.diff(self.offsets)

    def distinct(self, signal: int) -> NDArray[np.float64]:
        """Return the sorted distinct reference values of one signal, shape (m,), read-only."""
        return self.values[self.offsets[signal] : self.offsets[signal + 1]]

    def counts_up_to(self, signal: int) -> NDArray[np.int32]:
        """Return how many reference values lie below and up to each distinct one, shape (m + 1,).

        Entry i counts the values less than vᵢ, entry i + 1 those up to and with vᵢ: for a value in
        slot s, entries ``s >> 1`` and ``(s + 1) >> 1`` count the reference below it and up to it.
        """
        start = self.offsets[signal] + signal  # each signal has one entry more than values
        return self.cumulative[start : start + self.n_distinct[signal] + 1]

    def locate(self, rows: ArrayLike) -> NDArray[np.int32]:
        """Return the slot of every value.

        Parameters
        ----------
        rows : array of shape (rows, d)

        Returns
        -------
        array of int32, shape (rows, d)
            2·i + 1 for a value equal to vᵢ, 2·i for one between v₍ᵢ₋₁₎ and vᵢ, 0 … 2·m; -1 for NaN.
            Laid out by column, as the detectors read it.

        Raises
        ------
        InvalidDataError
            ``rows`` is not numeric or has another number of columns.
        """
        try:
            block = np.asarray(rows, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise InvalidDataError(f"rows must be numeric ({error})") from error
        if block.ndim != 2 or block.shape[1] != self.n_signals:
            raise InvalidDataError(f"rows must have shape (rows, {self.n_signals}), got {block.shape}")
        columns = np.ascontiguousarray(block.T)
        slots = np.empty(columns.shape, dtype=np.int32)
        self.locating(columns, slots)()
        return slots.T

    def locating(self, columns: NDArray[np.float64], slots: NDArray[np.int32]) -> functools.partial[None]:
        """Return the call that fills ``slots``, unchecked: both are C-contiguous, shape (d, rows)."""
        return functools.partial(_locate, columns, self.values, self.offsets, slots)

    def select(self, signals: ArrayLike) -> SortedReference:
        """Return the reference of some of the signals.

        Parameters
        ----------
        signals : array of int or bool
            Indices, or a mask of shape (d,).
        """
        chosen = np.arange(self.n_signals)[np.asarray(signals)] if np.size(signals) else []
        return self._of(
            [self.distinct(j) for j in chosen],
            [np.diff(self.counts_up_to(j)).astype(np.int64) for j in chosen],
        )

    def digest(self) -> str:
        """Return a SHA-256 over all signals' values and counts: equal references, equal digests."""
        digest = hashlib.sha256()
        for array in (self.offsets, self.values + 0.0, self.cumulative):  # + 0.0 drops the sign of zero
            digest.update(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes())
        return digest.hexdigest()

    def to_state(self) -> dict[str, Any]:
        """Return the reference as plain arrays, for `driftlead.state`."""
        return {"values": self.values.copy(), "offsets": self.offsets.copy(), "counts": self._counts()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> SortedReference:
        """Restore what `to_state` returned.

        Raises
        ------
        StateError
            The arrays are missing or do not belong together.
        """
        try:
            values = np.asarray(state["values"], dtype=np.float64)
            offsets = np.asarray(state["offsets"], dtype=np.int64)
            counts = np.asarray(state["counts"], dtype=np.int64)
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(f"the reference in the state is incomplete ({error})") from error
        if (
            values.ndim != 1
            or counts.shape != values.shape
            or offsets.ndim != 1
            or offsets.size < 2
            or offsets[0] != 0
            or offsets[-1] != values.size
            or np.any(np.diff(offsets) < 1)
            or np.any(counts < 1)
            or np.any(counts > _MAX_SIZE)
            or np.any(np.add.reduceat(counts, offsets[:-1]) > _MAX_SIZE)
        ):
            raise StateError("the reference in the state is inconsistent")
        pieces = list(itertools.pairwise(offsets))
        if (
            not all(np.all(np.diff(values[a:b]) > 0) for a, b in pieces if b - a > 1)
            or np.isnan(values).any()
        ):
            raise StateError("the reference in the state is not sorted")
        return cls._of([values[a:b] for a, b in pieces], [counts[a:b] for a, b in pieces])

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).from_state, (self.to_state(),)  # copies and pickles stay read-only

    def _counts(self) -> NDArray[np.int64]:
        return np.concatenate([np.diff(self.counts_up_to(j)) for j in range(self.n_signals)]).astype(np.int64)

    @classmethod
    def _of(cls, distinct: list[NDArray[np.float64]], counts: list[NDArray[np.int64]]) -> SortedReference:
        if not distinct:
            raise InvalidDataError("a reference needs at least one signal")
        reference = cls.__new__(cls)
        reference._adopt(distinct, counts)
        return reference


def _columns(samples: ArrayLike | Sequence[ArrayLike]) -> list[NDArray[np.float64]]:
    """Return one float64 column per signal."""
    ragged = isinstance(samples, list | tuple) and samples and not np.isscalar(samples[0])
    try:
        if ragged:
            columns = [np.asarray(column, dtype=np.float64) for column in samples]  # type: ignore[union-attr]
        else:
            block = np.asarray(samples, dtype=np.float64)
            if block.ndim not in (1, 2):
                raise InvalidDataError(f"a reference must have shape (n,) or (n, d), got {block.shape}")
            columns = [block] if block.ndim == 1 else list(block.T)
    except (TypeError, ValueError) as error:
        if isinstance(error, InvalidDataError):
            raise
        raise InvalidDataError(f"a reference must be numeric ({error})") from error
    if not columns or any(column.ndim != 1 for column in columns):
        raise InvalidDataError("a reference needs at least one signal, each of shape (n_j,)")
    return columns
