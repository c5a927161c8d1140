"""The reference profile: what every signal looked like when the model was good.

A profile is taken once, at training time, and travels with the model. It keeps each signal's own sorted
sample, so that rows cannot be put together again, of bounded size, and it is tied to one model by hash.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from driftlead import state
from driftlead.errors import InvalidDataError, InvalidParameterError, ReferenceMismatchError, StateError
from driftlead.reference.quality import ReferenceQuality
from driftlead.reference.samples import (
    Progress,
    Summary,
    as_matrix,
    summarise_batches,
    summarise_column,
    summarise_table,
)
from driftlead.reference.tables import open_table
from driftlead.signals import Signal

__all__ = ["ReferenceProfile"]

_KIND = "reference_profile"
_VERSION = 2


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
    categories : dict of str to tuple of str
        Names of the codes 0, 1, … of signals that were text, by name of the signal; see `encode`.
    quality : ReferenceQuality or None
        How good the model's answers to labelled reference rows were.
    """

    signals: tuple[Signal, ...]
    samples: tuple[NDArray[np.float64], ...]
    means: NDArray[np.float64]
    missing: NDArray[np.int64]
    n_rows: int
    model_hash: str
    categories: dict[str, tuple[str, ...]] = field(default_factory=dict)
    quality: ReferenceQuality | None = None

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
            When shapes do not fit, a value is no number, or a signal has no value at all.
        InvalidParameterError
            When ``max_sample`` is below 2 or a signal is named twice.

        Examples
        --------
        >>> rows = np.random.default_rng(0).normal(size=(100, 2))
        >>> profile = ReferenceProfile.from_rows([Signal("a"), Signal("b")], rows, model_hash="1f")
        >>> profile.n_rows, [len(sample) for sample in profile.samples]
        (100, [100, 100])
        """
        matrix = as_matrix(rows, "rows")
        if matrix.ndim != 2 or matrix.shape[1] != len(signals) or len(matrix) == 0:
            raise InvalidDataError(
                f"rows must have shape (n_rows, {len(signals)}) with at least one row, got {matrix.shape}"
            )
        _check(signals, max_sample)
        summaries = [summarise_column(column, max_sample) for column in matrix.T]
        return cls._of(signals, summaries, len(matrix), model_hash)

    @classmethod
    def from_batches(
        cls,
        signals: Sequence[Signal],
        batches: Iterable[ArrayLike],
        *,
        model_hash: str,
        max_sample: int = 20_000,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> ReferenceProfile:
        """Take a profile from more rows than fit into memory.

        A signal with at most ``max_sample`` values keeps all. Of more it keeps a uniform sample, another for
        each signal, and the least and the most value; means and missing values are of all rows. How the
        rows are cut into batches makes no difference to the samples.

        Parameters
        ----------
        signals : sequence of Signal
            Names and kinds of the columns.
        batches : iterable of array_like, shape (rows, n_signals)
            Each batch as in `from_rows`; taken one at a time, once.
        model_hash : str
            Hash of the model.
        max_sample : int
            Longest sample kept per signal.
        seed : int
            Of the samples.
        progress : callable, optional
            Called after every batch.

        Raises
        ------
        InvalidDataError, InvalidParameterError
            As for `from_rows`; the batch is named.

        Examples
        --------
        >>> rng = np.random.default_rng(0)
        >>> batches = (rng.normal(size=(1_000, 1)) for _ in range(30))
        >>> profile = ReferenceProfile.from_batches([Signal("a")], batches, model_hash="1f", max_sample=500)
        >>> profile.n_rows, len(profile.samples[0])
        (30000, 500)
        """
        _check(signals, max_sample, seed)
        return cls._of(
            signals, *summarise_batches(batches, len(signals), max_sample, seed, progress), model_hash
        )

    @classmethod
    def from_file(
        cls,
        path: str | os.PathLike[str],
        signals: Sequence[Signal] | None = None,
        columns: Sequence[str] | None = None,
        *,
        model_hash: str,
        max_sample: int = 20_000,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> ReferenceProfile:
        r"""Take a profile from a CSV, JSON Lines or Parquet file of any size, as `from_batches` does.

        Numbers and booleans are taken as they are. Texts become the codes 0, 1, … from the most frequent on,
        which `categories` lists and `encode` applies. Dates, nested columns and bytes are refused.

        Parameters
        ----------
        path : path-like
            A file that ends in ``.parquet``, in ``.jsonl``, or in ``.csv`` or ``.tsv`` with names in its
            first line. An empty cell is a missing value.
        signals : sequence of Signal, optional
            One per column; ``feature:<column>`` by default, categorical where the column is text.
        columns : sequence of str, optional
            Which columns, in this order; all by default.
        model_hash, max_sample, seed, progress
            As for `from_batches`.

        Raises
        ------
        DriftleadError
            pyarrow is not installed (extra ``tables``).
        InvalidDataError
            The file cannot be read; a column is missing, holds neither numbers nor text, more than 10 000
            different texts, or nothing.
        InvalidParameterError
            The number of signals is another than that of columns, or a column of text has a numeric one.

        Examples
        --------
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     written = Path(folder, "trips.csv").write_text("km,city\n3.5,Rome\n1.2,Oslo\n,Rome\n")
        ...     profile = ReferenceProfile.from_file(Path(folder, "trips.csv"), model_hash="1f")
        >>> profile.samples
        (array([1.2, 3.5]), array([0., 0., 1.]))
        >>> profile.categories
        {'feature:city': ('Rome', 'Oslo')}
        """
        table = open_table(Path(path), columns)
        if signals is None:
            signals = [
                Signal(f"feature:{name}", "categorical" if is_text else "numeric")
                for name, is_text in zip(table.columns, table.is_text, strict=True)
            ]
        if len(signals) != len(table.columns):
            raise InvalidParameterError(
                "signals", f"one for each of {len(table.columns)} columns", len(signals)
            )
        _check(signals, max_sample, seed)
        for signal, name, is_text in zip(signals, table.columns, table.is_text, strict=True):
            if is_text and signal.kind == "numeric":
                raise InvalidParameterError("signals", f"categorical for {name!r}, a column of text", signal)
        return cls._of(signals, *summarise_table(table, max_sample, seed, progress), model_hash)

    def with_quality(
        self,
        outputs: ArrayLike,
        labels: ArrayLike,
        class_names: Sequence[str] = (),
        *,
        max_sample: int = 20_000,
    ) -> ReferenceProfile:
        """Return this profile with what labelled reference rows say about the model.

        Parameters
        ----------
        outputs, labels, class_names, max_sample
            As for `ReferenceQuality.from_labels`: rows that the model was not trained on.

        Raises
        ------
        InvalidDataError, InvalidParameterError
            As there.

        Examples
        --------
        >>> profile = ReferenceProfile.from_rows([Signal("a")], [[1.0], [2.0]], model_hash="1f")
        >>> profile.with_quality([[0.9, 0.1], [0.4, 0.6]], [0, 0]).quality.metrics["accuracy"]
        0.5
        """
        quality = ReferenceQuality.from_labels(outputs, labels, class_names, max_sample=max_sample)
        return replace(self, quality=quality)

    def encode(self, signal: str, texts: Sequence[str | None]) -> NDArray[np.float64]:
        """Return the codes of texts of one signal, as the profile's sample has them.

        Parameters
        ----------
        signal : str
            Name of a signal in `categories`.
        texts : sequence of str or None
            None or the empty text is missing.

        Returns
        -------
        ndarray, shape (len(texts),)
            The place in `categories`; one more than the last for a text that is not there, which the monitor
            counts in the bin ``other``; NaN where missing.

        Raises
        ------
        InvalidParameterError
            The signal was not text.

        Examples
        --------
        >>> profile = ReferenceProfile.from_rows([Signal("city", "categorical")], [[0], [1]], model_hash="1f")
        >>> profile = replace(profile, categories={"city": ("Rome", "Oslo")})
        >>> profile.encode("city", ["Oslo", "Bern", None])
        array([ 1.,  2., nan])
        """
        if signal not in self.categories:
            raise InvalidParameterError("signal", "one of " + ", ".join(map(repr, self.categories)), signal)
        names = self.categories[signal]
        code: dict[str | None, float] = {name: float(index) for index, name in enumerate(names)}
        code |= {None: np.nan, "": np.nan}
        return np.array([code.get(text, float(len(names))) for text in texts], dtype=np.float64)

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
            owner = f"model {self.model_hash}" if self.model_hash else "no model"
            raise ReferenceMismatchError(
                f"the reference profile belongs to {owner}, not to model {model_hash}"
            )

    @classmethod
    def _of(
        cls, signals: Sequence[Signal], summaries: Sequence[Summary], n_rows: int, model_hash: str
    ) -> ReferenceProfile:
        for signal, summary in zip(signals, summaries, strict=True):
            if not len(summary.sample):
                raise InvalidDataError(f"signal {signal.name!r} has no value in any of the {n_rows} rows")
        return cls(
            signals=tuple(signals),
            samples=tuple(summary.sample for summary in summaries),
            means=np.array([summary.mean for summary in summaries]),
            missing=np.array([summary.missing for summary in summaries], dtype=np.int64),
            n_rows=n_rows,
            model_hash=model_hash,
            categories={
                signal.name: summary.categories
                for signal, summary in zip(signals, summaries, strict=True)
                if summary.categories
            },
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
            "categories": {name: list(names) for name, names in self.categories.items()},
            "quality": None if self.quality is None else self.quality.to_state(),
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the profile to a file.

        Raises
        ------
        StateError
            It cannot be written.
        """
        state.save(path, _KIND, _VERSION, self.to_state())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ReferenceProfile:
        """Read a profile that `save` wrote.

        Raises
        ------
        StateError
            The file is missing, unreadable, or of another kind.

        Examples
        --------
        >>> import tempfile
        >>> profile = ReferenceProfile.from_rows([Signal("a")], [[1.0], [2.0]], model_hash="1f")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     profile.save(Path(folder, "reference.state"))
        ...     ReferenceProfile.load(Path(folder, "reference.state")).n_rows
        2
        """
        return cls.from_state(state.load(path, _KIND)[1])

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
            # Version 1 had neither.
            categories, quality = (state["categories"], state["quality"]) if version > 1 else ({}, None)
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
                categories={str(name): tuple(names) for name, names in categories.items()},
                quality=None if quality is None else ReferenceQuality.from_state(quality),
            )
        except StateError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StateError(f"reference profile is unreadable: {error}") from error
        for name in profile.categories:
            if name not in {signal.name for signal in profile.signals}:
                raise StateError(
                    f"reference profile is inconsistent: it names categories of {name!r}, no signal"
                )
        lengths = {len(profile.samples), len(profile.means), len(profile.missing)}
        if lengths != {profile.n_signals}:
            raise StateError("reference profile is inconsistent: its arrays differ in length")
        return profile


def _check(signals: Sequence[Signal], max_sample: int, seed: int = 0) -> None:
    if max_sample < 2:
        raise InvalidParameterError("max_sample", "at least 2", max_sample)
    if seed < 0:
        raise InvalidParameterError("seed", "at least 0", seed)
    names = [signal.name for signal in signals]
    for name in names:
        if names.count(name) > 1:
            raise InvalidParameterError("signals", "named once each", name)
