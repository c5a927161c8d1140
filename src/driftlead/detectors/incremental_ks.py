"""Incremental Kolmogorov-Smirnov test: whether the distribution changed at all."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from driftlead.detectors import _arguments, _rings, _ties
from driftlead.detectors._ks_windows import AdjacentWindows, FixedReference
from driftlead.detectors._row import Row
from driftlead.detectors._ties import RandomTies, Ties
from driftlead.detectors.base import Detector
from driftlead.errors import InvalidDataError, InvalidParameterError, StateError
from driftlead.ranks import MISSING, SortedReference

__all__ = ["IncrementalKS"]


class IncrementalKS(Detector):
    r"""Two-sample Kolmogorov-Smirnov statistic of a sliding window, exact after every observation.

    The statistic is :math:`D = \max_x |F_\text{reference}(x) - F_\text{window}(x)|`, equal to
    ``scipy.stats.ks_2samp`` with ties, infinities and windows of any size, because it is kept in
    integers. Until a signal's window is full its statistic is 0 and it cannot alarm. A missing
    value does not enter the window.

    With ``ties="random"`` values are pairs with uniform numbers, those of the reference drawn once, and D
    is that of the pairs in lexicographic order. Where no live value equals a reference value the two are
    the same. A budget needs it: ties make D small, so that on counts, flags or many zeros a threshold
    for data without ties is met far too rarely. A threshold of one's own for such data, with exact ties,
    sees more.

    With a reference (size n) one update costs about as much as one binary search in it. Without one,
    the window of the latest ``window`` values is compared with the ``past`` values just before it.

    Parameters
    ----------
    reference : array of shape (n,) or (n, d), SortedReference, or None
        Reference sample of each signal; None compares two adjacent windows.
    window : int
        Values in the sliding window, at least 1. For a budget at most half the reference, better a
        twentieth of it: with fewer reference values the distance takes few values, and much of it is
        the reference's own error.
    past : int, optional
        Values in the window before it, where there is no reference; as many as ``window`` by default.
    n_signals : int, optional
        Number of signals without a reference, 1 by default.
    threshold : float, array of shape (d,), or None
        Alarm when D exceeds this. None: from ``false_alarm_every``.
    false_alarm_every : float
        Budget of one signal: rows per false alarm, where ``threshold`` is None. A sample too small
        for its budget gets the threshold 1, and cannot alarm. Two adjacent windows get a threshold on
        the cautious side of it.
    ties : {"exact", "random"}, optional
        What to do with live values that equal reference values. By default random where a reference and
        a budget are given, so that the budget is met whatever the data, and exact otherwise.
    seed : int
        Seed of the uniform numbers; value number c of a signal always has the same one.

    Raises
    ------
    InvalidParameterError
        A parameter breaks its rule.
    InvalidDataError
        The reference is not numeric, misshapen or empty.

    References
    ----------
    dos Reis, D. M., Flach, P., Matwin, S. and Batista, G. (2016). Fast unsupervised online drift
    detection using incremental Kolmogorov-Smirnov test. KDD 2016, section 4 (the statistic; the
    structure here is a flat one instead of their treap).

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(7)
    >>> detector = IncrementalKS(rng.normal(size=1000), window=100, threshold=0.25)
    >>> trace = detector.update_many(np.concatenate([rng.normal(size=300), rng.normal(loc=1.0, size=100)]))
    >>> int(np.argmax(trace.alarm))
    320
    >>> round(float(detector.statistic[0]), 3)
    0.427
    """

    kind: ClassVar[str] = "incremental_ks"
    version: ClassVar[int] = 2  # since 2: ties, seed

    def __init__(
        self,
        reference: ArrayLike | SortedReference | None = None,
        window: int = 500,
        *,
        past: int | None = None,
        n_signals: int | None = None,
        threshold: float | ArrayLike | None = None,
        false_alarm_every: float = 1_000_000,
        ties: Ties | None = None,
        seed: int = 0,
    ) -> None:
        located, d = _arguments.reference_and_signals(reference, n_signals)
        self._window = _arguments.integer("window", window, 1, 2**30)
        if located is not None and past is not None:
            raise InvalidParameterError("past", "left out where there is a reference", past)
        self._past = self._window if past is None else _arguments.integer("past", past, 1, 2**30)
        self._budget = None if threshold is not None else false_alarm_every
        self._ties = _ties.chosen(ties, possible=located is not None, by_budget=threshold is None)
        self._seed = _arguments.integer("seed", seed, 0, 2**63 - 1)
        sizes = np.full(d, self._past) if located is None else located.sizes
        pace = _pace(self._past, self._window) if located is None else 1.0
        limits = _arguments.thresholds(
            threshold, d, false_alarm_every, functools.partial(_from_budget, sizes, self._window, pace)
        )
        super().__init__(located, np.zeros(d, dtype=np.int64), np.zeros(d), limits)
        self._samples: FixedReference | AdjacentWindows = (
            AdjacentWindows(d, self._past, self._window)
            if located is None
            else FixedReference(located, self._window, self._broken(located))
        )

    def _broken(self, reference: SortedReference) -> RandomTies | None:
        return RandomTies(reference, self._seed) if self._ties == "random" else None

    @property
    def window(self) -> int:
        """Values in the sliding window, w."""
        return self._window

    @property
    def window_full(self) -> NDArray[np.bool_]:
        """Whether each signal has seen enough values to be tested, shape (d,)."""
        return self._count >= self._samples.ring.shape[1]

    def p_value(self) -> NDArray[np.float64]:
        """Return the two-sided p-value of the current statistic of each signal.

        It treats the two samples as drawn for this one comparison. After every row anew it is
        descriptive only: never alarm on it.

        Returns
        -------
        array of float64, shape (d,)
            As from ``scipy.stats.ks_2samp``, exact where that is exact (both samples up to 10 000);
            1 until the window is full.
        """
        full = self.window_full
        return np.array([self._p_value(j) if full[j] else 1.0 for j in range(self.n_signals)])

    def _p_value(self, signal: int) -> float:
        from scipy import stats  # here, because it takes a second to import

        first, second = self._samples.samples(signal, self._count)
        with warnings.catch_warnings():  # scipy's remark that it switched to the asymptotic formula
            warnings.simplefilter("ignore", RuntimeWarning)
            return float(stats.ks_2samp(first, second).pvalue)

    def rebase(self) -> None:
        """Make the current window of every signal its reference; the windows keep their content.

        Right after it every statistic is 0. A detector of two adjacent windows becomes one with a
        fixed reference. Thresholds from a budget are computed anew, given ones stay.

        Raises
        ------
        InvalidDataError
            A window is not full, or its values are unknown because rows came by `update_located`.
        """
        if not self.window_full.all():
            signal = int(np.argmin(self.window_full))
            raise InvalidDataError(f"rebase needs full windows, that of signal {signal} is not")
        held = self._samples.values
        if not held.size:
            raise InvalidDataError("rebase needs the window's values, but rows came located")
        values = _rings.unroll(held, self._count, np.nan)[:, -self._window :]
        reference = SortedReference(values.T)
        samples = FixedReference(reference, self._window, self._broken(reference))
        slots = reference.locate(values.T).T
        if samples.ties is not None:  # each value is a reference value, so it has the rank of that one
            slots = 2 * values.argsort(axis=1, kind="stable").argsort(axis=1).astype(np.int32) + 1
        samples.replay(slots, self._count, self._current)
        samples.values = _rings.roll(values, self._count)
        if self._budget is not None:
            self._threshold = np.array(_from_budget(reference.sizes, self._window, 1.0, self._budget))
        self._reference, self._samples = reference, samples
        self._row = Row(self.n_signals, reference)
        self._bound.clear()

    def _feeding(
        self,
        columns: NDArray[np.float64] | None,
        slots: NDArray[np.int32],
        statistic: NDArray[np.float64],
        alarm: NDArray[np.bool_],
        change_point: NDArray[np.int32] | None,
    ) -> functools.partial[bool]:
        samples, kept = self._samples, (self._count, self._current, self._threshold, statistic, alarm)
        if isinstance(samples, AdjacentWindows):
            assert columns is not None
            return samples.feeding(columns, *kept)
        values = samples.values
        call = samples.feeding(columns, slots, *kept)
        if samples.values is not values:
            self._bound.clear()
        return call

    def _clear(self) -> None:
        self._samples.clear()

    def _state(self) -> dict[str, Any]:
        samples = self._samples
        fixed = isinstance(samples, FixedReference)
        return {
            "window": self._window,
            "past": None if fixed else self._past,
            "false_alarm_every": self._budget,
            "ties": self._ties,
            "seed": self._seed,
            "slots": _rings.unroll(samples.ring, self._count, MISSING) if fixed else None,
            "values": _rings.unroll(samples.values, self._count, np.nan) if samples.values.size else None,
        }

    @classmethod
    def _restored(cls, state: Mapping[str, Any], reference: SortedReference | None) -> Self:
        detector = cls(
            reference,
            state["window"],
            past=state["past"],
            n_signals=len(state["threshold"]),
            threshold=state["threshold"],
            ties=state["ties"] if state["version"] > 1 else "exact",
            seed=state["seed"] if state["version"] > 1 else 0,
        )
        detector._budget = state["false_alarm_every"]
        samples, shape = detector._samples, detector._samples.ring.shape
        count = _arguments.stored(state, "count", np.int64, (detector.n_signals,))
        values = None
        if state["values"] is not None:
            values = _arguments.stored(state, "values", np.float64, shape)
            _check_filled(~np.isnan(values), count)
        if isinstance(samples, AdjacentWindows):
            if values is None or state["slots"] is not None:
                raise StateError("the state of two adjacent windows holds their values and nothing else")
            samples.replay(values, count, detector._current)
            return detector
        slots = _arguments.stored(state, "slots", np.int32, shape)
        _check_filled(slots != MISSING, count)
        samples.replay(_arguments.slots(slots.T, samples.reference), count, detector._current)
        if values is not None:
            samples.values = _rings.roll(values, count)
        return detector


def _from_budget(sizes: NDArray[np.int64], window: int, pace: float, budget: float) -> list[float]:
    from driftlead import thresholds  # here, because it needs scipy, which takes a second to import

    solve = functools.cache(lambda n: thresholds.incremental_ks(budget * pace, n, window))
    return [solve(int(n)) for n in sizes]


def _pace(past: int, window: int) -> float:
    """Return how much faster D renews itself when the past moves along, against a fixed reference.

    One row changes F(x) of the recent window by ±1/w twice. Where the past moves along, the value that
    passes over changes both, and one more leaves the past; false alarms come in proportion to the
    variance of those steps.
    """
    return (1.0 + (window / past) ** 2 + (1.0 + window / past) ** 2) / 2.0


def _check_filled(present: NDArray[np.bool_], count: NDArray[np.int64]) -> None:
    if not _rings.holds(present, count):
        raise StateError("the state's window and its count disagree")
