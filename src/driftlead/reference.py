"""The reference profile: what every signal looked like when the model was good.

A profile is taken once, at training time, and travels with the model. It keeps each signal's own sorted
sample, so that rows cannot be put together again, of bounded size, and it is tied to one model by hash.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from driftlead.errors import InvalidDataError, InvalidParameterError, ReferenceMismatchError, StateError
from driftlead.signals import Signal

__all__ = ["ReferenceProfile"]

_VERSION = 1


@dataclass(frozen=True, eq=False)
class ReferenceProfile:
    """The frozen training-time distribution of every signal of one model.

    Attributes
    ----------
    signals : tuple of Signal
        What was profiled, in the order of the monitored rows' columns.
    samples : tuple of ndarray
        Sorted values of each signal, without the missing ones; at most ``max_sample`` of them.
    means : ndarray, shape (n_signals,)
        Mean of each signal over all rows, missing values aside; NaN where all were missing.
    missing : ndarray of int64, shape (n_signals,)
        Number of missing values of each signal.
    n_rows : int
        Number of rows that the profile was taken from.
    model_hash : str
        Hash of the model that the rows went through.
    """

    signals: tuple[Signal, ...]
    samples: tuple[NDArray[np.float64], ...]
    means: NDArray[np.float64]
    missing: NDArray[np.int64]
    n_rows: int
    model_hash: str

    @classmethod
    def from_rows(
        cls,
        signals: Sequence[Signal],
        rows: ArrayLike,
        *,
        model_hash: str,
        max_sample: int = 20_000,
    ) -> ReferenceProfile:
        """Take a profile from rows of signals.

        Parameters
        ----------
        signals : sequence of Signal
            Names and kinds of the columns.
        rows : array_like, shape (n_rows, n_signals)
            One value per row and signal, NaN where missing. Rows that the model was not trained on:
            a network is surer of its training data than of anything it will meet.
        model_hash : str
            Hash of the model.
        max_sample : int
            Longest sample kept per signal. A longer numeric one is thinned to evenly spaced order
            statistics, smallest and largest included.

        Returns
        -------
        ReferenceProfile

        Raises
        ------
        InvalidDataError
            When shapes do not fit, or a signal has no value at all.
        InvalidParameterError
            When ``max_sample`` is below 2 or a signal is named twice.

        Examples
        --------
        >>> rows = np.random.default_rng(0).normal(size=(100, 2))
        >>> profile = ReferenceProfile.from_rows([Signal("a"), Signal("b")], rows, model_hash="1f")
        >>> profile.n_rows, [len(sample) for sample in profile.samples]
        (100, [100, 100])
        """
        matrix = np.asarray(rows, dtype=np.float64)
        if matrix.ndim != 2 or matrix.shape[1] != len(signals) or len(matrix) == 0:
            raise InvalidDataError(
                f"rows must have shape (n_rows, {len(signals)}) with at least one row, got {matrix.shape}"
            )
        if max_sample < 2:
            raise InvalidParameterError("max_sample", "at least 2", max_sample)
        names = [signal.name for signal in signals]
        if len(set(names)) != len(names):
            repeated = next(name for name in names if names.count(name) > 1)
            raise InvalidParameterError("signals", "named once each", repeated)
        missing = np.isnan(matrix)
        for index in np.flatnonzero(missing.all(axis=0)):
            raise InvalidDataError(f"signal {names[index]!r} has no value in any of the {len(matrix)} rows")
        return cls(
            signals=tuple(signals),
            samples=tuple(
                _sample(column[~absent], max_sample)
                for column, absent in zip(matrix.T, missing.T, strict=True)
            ),
            means=np.nanmean(matrix, axis=0),
            missing=missing.sum(axis=0, dtype=np.int64),
            n_rows=len(matrix),
            model_hash=model_hash,
        )

    @property
    def n_signals(self) -> int:
        """Number of signals."""
        return len(self.signals)

    def require_model(self, model_hash: str) -> None:
        """Refuse a model that this profile was not taken from.

        Raises
        ------
        ReferenceMismatchError
            When the hashes differ.

        Examples
        --------
        >>> profile = ReferenceProfile.from_rows([Signal("a")], [[1.0]], model_hash="1f")
        >>> profile.require_model("2e")
        Traceback (most recent call last):
        ...
        driftlead.errors.ReferenceMismatchError: the reference profile belongs to model 1f, not to model 2e
        """
        if model_hash != self.model_hash:
            raise ReferenceMismatchError(
                f"the reference profile belongs to model {self.model_hash}, not to model {model_hash}"
            )

    def to_state(self) -> dict[str, Any]:
        """Return plain arrays, strings and numbers that `from_state` restores the profile from."""
        return {
            "version": _VERSION,
            "names": [signal.name for signal in self.signals],
            "kinds": [signal.kind for signal in self.signals],
            "sizes": np.array([len(sample) for sample in self.samples], dtype=np.int64),
            "values": np.concatenate(self.samples),
            "means": self.means,
            "missing": self.missing,
            "n_rows": self.n_rows,
            "model_hash": self.model_hash,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> ReferenceProfile:
        """Restore a profile from `to_state`.

        Raises
        ------
        StateError
            When something is missing, inconsistent, or from a newer version.

        Examples
        --------
        >>> profile = ReferenceProfile.from_rows([Signal("a")], [[1.0], [2.0]], model_hash="1f")
        >>> ReferenceProfile.from_state(profile.to_state()).samples
        (array([1., 2.]),)
        """
        try:
            version = int(state["version"])
            if version > _VERSION:
                raise StateError(
                    f"reference profile has version {version}; this driftlead reads up to {_VERSION}"
                )
            sizes = np.asarray(state["sizes"], dtype=np.int64)
            values = np.asarray(state["values"], dtype=np.float64)
            if sizes.sum() != len(values) or (sizes < 1).any():
                raise StateError("reference profile is inconsistent: sizes do not add up to its values")
            profile = cls(
                signals=tuple(
                    Signal(name, kind) for name, kind in zip(state["names"], state["kinds"], strict=True)
                ),
                samples=tuple(np.split(values, np.cumsum(sizes)[:-1])),
                means=np.asarray(state["means"], dtype=np.float64),
                missing=np.asarray(state["missing"], dtype=np.int64),
                n_rows=int(state["n_rows"]),
                model_hash=str(state["model_hash"]),
            )
        except StateError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(f"reference profile is unreadable: {error}") from error
        lengths = {len(profile.samples), len(profile.means), len(profile.missing)}
        if lengths != {profile.n_signals}:
            raise StateError("reference profile is inconsistent: its arrays differ in length")
        return profile


def _sample(values: NDArray[np.float64], max_sample: int) -> NDArray[np.float64]:
    """Sorted values, thinned to evenly spaced order statistics where there are too many."""
    ordered = np.sort(values)
    if len(ordered) <= max_sample:
        return ordered
    return ordered[np.linspace(0, len(ordered) - 1, max_sample).round().astype(np.int64)]
