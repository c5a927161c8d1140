"""Whether values are missing more often, or less often, than in the reference."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlogy

from driftlead.monitor.settings import MISSING_RATE, MonitorSettings
from driftlead.monitor.snapshot import DetectorSnapshot
from driftlead.monitor.watch import Alarms, Detected
from driftlead.reference import ReferenceProfile

__all__ = ["MissingWatch", "missing_log_ratio"]

#: What it adds to the budget of all other tests together: so little that these need not share theirs.
_SHARE = 0.001


class MissingWatch(Alarms):
    """The share of missing values of every signal, over the latest window, against the reference's.

    The other tests pass over missing values: without this one a feature that is not sent any more would be
    the quietest of all. A signal of which no value was ever missing, here or in the reference, costs nothing
    and is not shown.

    Parameters
    ----------
    profile : ReferenceProfile
    settings : MonitorSettings
        Window, budget and guarantee.

    Attributes
    ----------
    met : ndarray of bool, shape (n_signals,)
        Signals of which a value was ever missing, here or in the reference: those that are shown.

    Notes
    -----
    The statistic is `missing_log_ratio`, G. For rows that are missing independently with one probability,
    P(G > g) is at most 2·exp(−g), whatever the probability and both sizes: of windows and references
    enumerated, sizes 2 to 100 000, it was at most 0.34 of that. Alarms per row are no more than that, and
    the threshold is the g at which the bound meets the budget. With a guarantee, Markov's inequality bounds
    the share of references that exceed it.
    """

    def __init__(self, profile: ReferenceProfile, settings: MonitorSettings) -> None:
        names = tuple(signal.name for signal in profile.signals)
        super().__init__(MISSING_RATE, np.arange(len(names)), names, settings.window)
        self._reference = (profile.missing, profile.n_rows)
        rate = _SHARE / (settings.false_alarm_every * len(names))
        self._threshold = np.full(len(names), math.log(2.0 / (rate * (1.0 - (settings.guarantee or 0.0)))))
        self._statistic: NDArray[np.float64] = np.zeros(len(names))
        self.met = profile.missing > 0

    @property
    def ratio(self) -> NDArray[np.float64]:
        """Statistic over threshold after the latest row, shape (n_signals,)."""
        return np.asarray(self._statistic / self._threshold)

    def detect(
        self,
        rows: NDArray[np.float64],
        before: Callable[[], NDArray[np.float64]],
        rows_before: int,
        observed_at: NDArray[np.float64],
    ) -> Detected | None:
        """Take rows, and those before them, a window at most; return what alarmed, None where nothing did."""
        arrived = np.isnan(rows)
        self.met |= arrived.any(axis=0)
        met = np.flatnonzero(self.met)
        if not len(met):
            return None
        missing = np.concatenate([np.isnan(before()[:, met]), arrived[:, met]])
        sums = np.concatenate([np.zeros((1, len(met)), dtype=np.int64), missing.cumsum(axis=0)])
        ends = np.arange(len(missing) - len(rows), len(missing)) + 1
        starts = np.maximum(ends - self.window, 0)
        reference_missing, reference_rows = self._reference
        statistic = np.zeros(rows.shape)
        statistic[:, met] = missing_log_ratio(
            sums[ends] - sums[starts], (ends - starts)[:, np.newaxis], reference_missing[met], reference_rows
        )
        self._statistic = statistic[-1].copy()
        return self.note(statistic, statistic > self._threshold, self._threshold, rows_before, observed_at)

    def snapshots(self, rows: int) -> tuple[DetectorSnapshot, ...]:
        """Return the state after so many rows of the signals of which values were missing; none without."""
        met = np.flatnonzero(self.met)
        if not len(met):
            return ()
        whole = vars(self.snapshot_of(self._statistic, self._threshold, rows))
        return (DetectorSnapshot(**{k: v if k == "name" else v[met] for k, v in whole.items()}),)

    def merge(self, parts: list[MissingWatch]) -> None:
        """Take over the alarms of several replicas."""
        self.alarms = np.sum([part.alarms for part in parts], axis=0)
        self.met = np.any([self.met, *(part.met for part in parts)], axis=0)

    def state(self) -> dict[str, Any]:
        """Return all that is needed to continue after a restart; the window is the monitor's."""
        return {**super().state(), "statistic": self._statistic.copy(), "met": self.met.copy()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue where `state` was taken.

        Raises
        ------
        StateError
            The state is of another number of signals.
        """
        super().restore(state)
        self._statistic = np.array(state["statistic"], dtype=np.float64).reshape(self.columns.shape)
        self.met = np.array(state["met"], dtype=np.bool_).reshape(self.columns.shape)


def missing_log_ratio(
    missing: ArrayLike, rows: ArrayLike, reference_missing: ArrayLike, reference_rows: ArrayLike
) -> NDArray[np.float64]:
    """Log-likelihood ratio of two shares of missing values against a common one.

    Parameters
    ----------
    missing, rows : array_like of int
        Missing values in a window, and its size; at least 1.
    reference_missing, reference_rows : array_like of int
        Those of the reference.

    Returns
    -------
    ndarray of float64
        In nats, at least 0; of the arguments' common shape.

    Examples
    --------
    >>> missing_log_ratio([0, 10, 500], 500, 0, 5_000).round(1)
    array([   0. ,   24.1, 1675.5])
    """
    few, size, others, of = np.broadcast_arrays(missing, rows, reference_missing, reference_rows)
    pooled = (few + others) / (size + of)
    apart = _log_likelihood(few, size, few / size) + _log_likelihood(others, of, others / of)
    together = _log_likelihood(few, size, pooled) + _log_likelihood(others, of, pooled)
    return np.asarray(np.maximum(apart - together, 0.0))


def _log_likelihood(missing: NDArray[Any], rows: NDArray[Any], share: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(xlogy(missing, share) + xlogy(rows - missing, 1.0 - share))
