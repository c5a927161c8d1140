"""What every detector is: a row goes in, one statistic and one verdict per signal come out."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from driftlead.detectors import _arguments
from driftlead.detectors._row import Row, bind
from driftlead.errors import DriftleadError, InvalidDataError, ReferenceMismatchError, StateError
from driftlead.ranks import SortedReference

__all__ = ["Detector", "Trace"]

_Array = TypeVar("_Array", bound=np.ndarray[Any, Any])
_Outputs = tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int32] | None]
_INT32, _BOOL = np.dtype(np.int32), np.dtype(np.bool_)


class Trace(NamedTuple):
    """What a detector said after each of several rows.

    Attributes
    ----------
    statistic : array of float64, shape (n, d)
        The statistic of each signal after each row.
    alarm : array of bool, shape (n, d)
        Whether it exceeded its threshold.
    change_point : array of int32, shape (n, d), or None
        How many of the signal's latest values lie after the estimated change, where the detector
        estimates one.
    """

    statistic: NDArray[np.float64]
    alarm: NDArray[np.bool_]
    change_point: NDArray[np.int32] | None = None


class Detector(ABC):
    """A sequential test on each of d signals, all signals in one object and one call per batch.

    A NaN is a missing value: it is counted in `missing`, passed over, and leaves the statistic as it
    was. A detector is not thread-safe, but its kernels release the GIL.

    A subclass keeps arrays whose first axis is the signal. It implements `_feeding`, which says what to
    call to feed rows, and `_clear`, `_state` and `_restored`. A call for a single row is kept and used
    again, so whoever replaces an array that `_feeding` hands out, other than in `_clear`, must empty
    ``self._bound``.

    Parameters
    ----------
    reference : SortedReference or None
        Where values are located, for a detector that works on ranks.
    count : array of shape (d,)
        Present values of each signal, counted in place.
    current : array of float64, shape (d,)
        Latest statistic of each signal, kept in place.
    threshold : array of float64, shape (d,)
        A signal alarms when its statistic exceeds this.
    """

    kind: ClassVar[str]
    """Name of the detector in states, metrics and registries."""
    version: ClassVar[int] = 1
    """Layout of what `state` returns."""
    _finds_change_point: ClassVar[bool] = False

    def __init__(
        self,
        reference: SortedReference | None,
        count: NDArray[Any],
        current: NDArray[np.float64],
        threshold: NDArray[np.float64],
    ) -> None:
        self._reference = reference
        self._count = count
        self._current = current
        self._threshold = threshold
        self._n_seen = 0
        # One row's memory and calls, made once: update() must cost little more than its kernel.
        self._row = Row(len(count), reference)
        self._row_out = self._outputs(1)
        self._bound: dict[Row, Callable[[], bool]] = {}

    @property
    def n_signals(self) -> int:
        """Number of signals d."""
        return len(self._count)

    @property
    def n_seen(self) -> int:
        """Rows fed since construction or `reset`, missing values included."""
        return self._n_seen

    @property
    def missing(self) -> NDArray[np.int64]:
        """How many of those rows lacked each signal, shape (d,), read-only."""
        return _frozen(self._n_seen - self._count.astype(np.int64))

    @property
    def statistic(self) -> NDArray[np.float64]:
        """The statistic of each signal after the latest row, shape (d,), read-only."""
        return _frozen(self._current.copy())

    @property
    def threshold(self) -> NDArray[np.float64]:
        """The threshold of each signal, shape (d,), read-only."""
        return _frozen(self._threshold.copy())

    @property
    def alarms(self) -> NDArray[np.bool_]:
        """Whether each statistic exceeded its threshold after the latest row, shape (d,), read-only."""
        return _frozen(self._current > self._threshold)

    @property
    def reference(self) -> SortedReference | None:
        """The reference in which values are located, if there is one."""
        return self._reference

    def update(self, x: ArrayLike) -> bool:
        """Feed one row.

        Parameters
        ----------
        x : float, or array of shape (d,)
            The row; a scalar where there is one signal. NaN is a missing value.

        Returns
        -------
        bool
            Whether any signal alarms.

        Raises
        ------
        InvalidDataError
            The row is not numeric or has another shape. Nothing has been fed then.
        """
        row = self._row
        row.take(x)
        if self._reference is not None:
            row.locate()
        return self._feed(row)

    def update_many(self, X: ArrayLike) -> Trace:
        """Feed several rows; the same, bit for bit, as `update` on each.

        Parameters
        ----------
        X : array of shape (n, d), or (n,) where there is one signal
            Rows in the order in which they were observed. NaN is a missing value.

        Returns
        -------
        Trace

        Raises
        ------
        InvalidDataError
            The rows are not numeric or have another shape. Nothing has been fed then.
        """
        columns = np.ascontiguousarray(_arguments.rows(X, self.n_signals).T)
        rows = columns.shape[1]
        out = self._outputs(rows)
        self._advance_columns(columns, np.empty(columns.shape, dtype=np.int32), *out)
        self._n_seen += rows
        return _trace(*out)

    def update_located(self, slots: ArrayLike) -> Trace:
        """Feed several rows that were already located in `reference`; the same as `update_many`.

        Parameters
        ----------
        slots : array of int32, shape (n, d)
            What ``detector.reference.locate(X)`` returns.

        Returns
        -------
        Trace

        Raises
        ------
        InvalidDataError
            The detector has no reference, or the slots are not of it. Nothing has been fed then.
        """
        if self._reference is None:
            raise InvalidDataError("this detector works on values, not on ranks: it has no reference")
        located = _arguments.slots(slots, self._reference)
        rows = located.shape[1]
        out = self._outputs(rows)
        try:
            self._feeding(None, located, *out)()
        except ValueError:  # from the kernel, before it has fed anything
            raise InvalidDataError("slots lie outside the detector's reference") from None
        self._n_seen += rows
        return _trace(*out)

    def reset(self) -> None:
        """Forget every row, as if newly constructed; parameters and reference stay."""
        self._n_seen = 0
        self._count[:] = 0
        self._current[:] = 0.0
        self._clear()
        self._bound.clear()

    def state(self, *, with_reference: bool = True) -> dict[str, Any]:
        """Return all that is needed to continue elsewhere, bit for bit, as plain arrays and scalars.

        Parameters
        ----------
        with_reference : bool
            Whether the reference goes along. Without it, whoever restores must hand over an equal one.

        Returns
        -------
        dict
            Fit for `driftlead.state`; holds copies.
        """
        state: dict[str, Any] = {
            "kind": self.kind,
            "version": self.version,
            "n_seen": self._n_seen,
            "count": self._count.astype(np.int64),
            "threshold": self._threshold.copy(),
            "statistic": self._current.copy(),
            "reference": None,
            "reference_digest": None,
        }
        if self._reference is not None:
            state["reference_digest"] = self._reference.digest()
            if with_reference:
                state["reference"] = self._reference.to_state()
        return state | self._state()

    @classmethod
    def from_state(
        cls, state: Mapping[str, Any], reference: ArrayLike | SortedReference | None = None
    ) -> Self:
        """Return a detector that continues where `state` was taken.

        Parameters
        ----------
        state : mapping
            What `state` returned, under this version of driftlead or an older one.
        reference : SortedReference or its samples, optional
            The reference, where the state does not hold it.

        Raises
        ------
        StateError
            The state is of another kind, newer than this version, incomplete or inconsistent.
        ReferenceMismatchError
            The reference handed over is not the one that the state was taken with.
        """
        if state.get("kind") != cls.kind:
            raise StateError(f"the state is of kind {state.get('kind')!r}, expected {cls.kind!r}")
        version = state.get("version")
        if not isinstance(version, int) or not 1 <= version <= cls.version:
            raise StateError(f"the state has version {version!r}, this driftlead reads 1 to {cls.version}")
        try:
            detector = cls._restored(state, _stored_reference(state, reference))
            detector._restore_common(state)
        except (StateError, ReferenceMismatchError):
            raise
        except (DriftleadError, KeyError, TypeError, ValueError, IndexError) as error:
            raise StateError(f"the state is incomplete or inconsistent ({error})") from error
        return detector

    def __reduce__(self) -> tuple[Any, ...]:
        # Arrays are views of each other and bound to calls, which neither copy nor pickle would keep so.
        return type(self).from_state, (self.state(with_reference=False), self._reference)

    def _restore_common(self, state: Mapping[str, Any]) -> None:
        shape = (self.n_signals,)
        self._n_seen = int(state["n_seen"])
        self._count[:] = _arguments.stored(state, "count", np.int64, shape)
        if np.any(self._count < 0) or np.any(self._count > self._n_seen):
            raise StateError("the state counts more values than rows")
        self._current[:] = _arguments.stored(state, "statistic", np.float64, shape)
        if np.isnan(self._current).any():
            raise StateError("the state's statistic is not a number")

    def _feed(self, row: Row) -> bool:
        """Feed one row, located where there is a reference: this detector's, or another's of the same."""
        alarmed = (self._bound.get(row) or self._bind(row))()
        self._n_seen += 1
        return alarmed

    def _bind(self, row: Row) -> Callable[[], bool]:
        feed = bind(self._feeding(row.columns, row.slots, *self._row_out))
        if len(self._bound) > 1:  # its own row and that of a detector fed together with it are enough
            self._bound.clear()
        self._bound[row] = feed
        return feed

    def _outputs(self, rows: int) -> _Outputs:
        """Return columns for statistic, alarm and, where the detector finds them, change points."""
        shape = (len(self._count), rows)
        return (
            np.empty(shape),
            np.empty(shape, _BOOL),
            np.empty(shape, _INT32) if self._finds_change_point else None,
        )

    def _advance_columns(
        self,
        columns: NDArray[np.float64],
        slots: NDArray[np.int32],
        statistic: NDArray[np.float64],
        alarm: NDArray[np.bool_],
        change_point: NDArray[np.int32] | None,
    ) -> bool:
        """Feed values, by way of their slots where there is a reference."""
        if self._reference is not None:
            self._reference.locating(columns, slots)()
        return self._feeding(columns, slots, statistic, alarm, change_point)()

    @abstractmethod
    def _feeding(
        self,
        columns: NDArray[np.float64] | None,
        slots: NDArray[np.int32],
        statistic: NDArray[np.float64],
        alarm: NDArray[np.bool_],
        change_point: NDArray[np.int32] | None,
    ) -> functools.partial[bool]:
        """Return the call that feeds rows and fills the outputs, all of shape (d, rows).

        It adds the present values to ``self._count``, leaves the latest statistics in ``self._current``,
        and returns whether any row alarmed.

        ``slots`` are filled where there is a reference; the call raises ValueError before anything is fed
        if one lies outside. ``columns`` are the values, or None where rows came located.
        """

    @abstractmethod
    def _clear(self) -> None:
        """Set the subclass's own arrays to their initial values."""

    @abstractmethod
    def _state(self) -> dict[str, Any]:
        """Return the subclass's own parameters and arrays, copied."""

    @classmethod
    @abstractmethod
    def _restored(cls, state: Mapping[str, Any], reference: SortedReference | None) -> Self:
        """Return a detector with the parameters and arrays that `_state` returned."""


def _trace(
    statistic: NDArray[np.float64], alarm: NDArray[np.bool_], change_point: NDArray[np.int32] | None
) -> Trace:
    """Turn columns to rows."""
    return Trace(statistic.T, alarm.T, None if change_point is None else change_point.T)


def _frozen(array: _Array) -> _Array:
    array.flags.writeable = False
    return array


def _stored_reference(
    state: Mapping[str, Any], handed: ArrayLike | SortedReference | None
) -> SortedReference | None:
    """Return the state's reference, or the one handed over in its place once proven equal."""
    digest, held = state["reference_digest"], state["reference"]
    if digest is None:
        return None
    if handed is None:
        if held is None:
            raise StateError("the state holds no reference, so one must be handed over")
        reference = SortedReference.from_state(held)
    else:
        reference = handed if isinstance(handed, SortedReference) else SortedReference(handed)
    if reference.digest() != digest:
        raise ReferenceMismatchError("the reference is not the one that the state was taken with")
    return reference
