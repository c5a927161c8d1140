"""What an open episode gathers about the signals that drift: alarms, change points, distributions since."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from driftlead.errors import StateError
from driftlead.monitor.bins import SignalBins
from driftlead.monitor.change_point import change_point, log_likelihood_ratio
from driftlead.monitor.episode import DriftedSignal
from driftlead.reference import ReferenceProfile

__all__ = ["Activity", "DriftedSignals", "RecentRows"]


@dataclass(frozen=True, eq=False)
class Activity:
    """The signals on which one detector alarmed within one batch.

    Attributes
    ----------
    detector : str
        Its name.
    signals : ndarray of int64, shape (k,)
        Which of the monitor's signals; each once.
    first_row, last_row : ndarray of int64, shape (k,)
        First and last alarming row of each, in monitored rows from 1.
    peak : ndarray of float64, shape (k,)
        Largest statistic on those rows, in multiples of the threshold.
    openings : ndarray of int64, shape (k,)
        How many excursions opened on them.
    """

    detector: str
    signals: NDArray[np.int64]
    first_row: NDArray[np.int64]
    last_row: NDArray[np.int64]
    peak: NDArray[np.float64]
    openings: NDArray[np.int64]

    @classmethod
    def from_alarms(
        cls,
        detector: str,
        signals: NDArray[np.int64],
        rows: NDArray[np.int64],
        opens: NDArray[np.bool_],
        ratio: NDArray[np.float64],
    ) -> Activity:
        """Summarise alarming rows, in the order in which `driftlead.monitor.watch.excursions` returns them.

        Parameters
        ----------
        detector : str
        signals : ndarray of int64, shape (n,)
            Which of the monitor's signals alarmed, ascending; n is at least 1.
        rows : ndarray of int64, shape (n,)
            On which row, ascending within a signal.
        opens : ndarray of bool, shape (n,)
            Whether it opens an excursion.
        ratio : ndarray of float64, shape (n,)
            Statistic over threshold.

        Examples
        --------
        >>> activity = Activity.from_alarms(
        ...     "nmddm",
        ...     np.array([2, 2, 5]),
        ...     np.array([7, 9, 8]),
        ...     np.array([True, False, True]),
        ...     np.array([1.1, 1.5, 1.2]),
        ... )
        >>> activity.signals.tolist(), activity.first_row.tolist(), activity.last_row.tolist()
        ([2, 5], [7, 8], [9, 8])
        >>> activity.peak.tolist(), activity.openings.tolist()
        ([1.5, 1.2], [1, 1])
        """
        first = np.flatnonzero(np.diff(signals, prepend=-1))
        return cls(
            detector=detector,
            signals=signals[first],
            first_row=rows[first],
            last_row=rows[np.append(first[1:], len(rows)) - 1],
            peak=np.maximum.reduceat(ratio, first),
            openings=np.add.reduceat(opens, first, dtype=np.int64),
        )


class RecentRows(Protocol):
    """What is asked of the monitor while something drifts, and only then; all as of the batch's last row."""

    def bins(self, signal: int) -> NDArray[np.integer[Any]]:
        """Return the bin of each recent row of one signal, oldest first.

        They should reach back over the longest batch and a window or more: no change is seen before them.
        """
        ...

    def counts(self) -> NDArray[np.int64]:
        """Return the counts of all signals, as `BinCounter` keeps them; they are only read."""
        ...

    def means(self, signals: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the means of some signals over the latest window of rows, NaN without values."""
        ...


class DriftedSignals:
    """The signals of one episode. Every array has an entry per signal or bin of the monitor.

    Parameters
    ----------
    profile : ReferenceProfile
        The monitor's.
    bins : sequence of SignalBins
        One per signal.
    """

    def __init__(self, profile: ReferenceProfile, bins: Sequence[SignalBins]) -> None:
        self._profile = profile
        self._bins = bins
        ends = np.cumsum([0, *(len(each.labels) for each in bins)]).tolist()
        self._own_bins = [slice(start, end) for start, end in itertools.pairwise(ends)]
        # Row 0 means never.
        self._first_alarm_row = np.zeros(profile.n_signals, dtype=np.int64)
        self._last_alarm_row = np.zeros(profile.n_signals, dtype=np.int64)
        self._change_row = np.zeros(profile.n_signals, dtype=np.int64)
        self._peaks: dict[str, NDArray[np.float64]] = {}
        self._mean_after = np.full(profile.n_signals, np.nan)
        self._alarmed = np.zeros(profile.n_signals, dtype=bool)  # since the distributions were taken
        self._counts_at_change = np.zeros(ends[-1], dtype=np.int64)
        self._counts_after = np.zeros(ends[-1], dtype=np.int64)

    def __len__(self) -> int:
        return int(np.count_nonzero(self._change_row))

    @property
    def last_alarm_row(self) -> int:
        """Row of the latest alarm of any signal."""
        return int(self._last_alarm_row.max())

    def add(self, rows: int, activity: Sequence[Activity], recent: RecentRows) -> bool:
        """Take the alarms of a batch that ends with a row; say whether further signals joined."""
        for each in activity:
            known = self._first_alarm_row[each.signals]
            first = np.where(known == 0, each.first_row, np.minimum(known, each.first_row))
            self._first_alarm_row[each.signals] = first
            _raise_to(self._last_alarm_row, each.signals, each.last_row)
            peaks = self._peaks.setdefault(each.detector, np.zeros(self._profile.n_signals))
            _raise_to(peaks, each.signals, each.peak)
            self._alarmed[each.signals] = True
        joined = np.flatnonzero((self._first_alarm_row > 0) & (self._change_row == 0))
        for signal in joined.tolist():
            self._locate_change(rows, signal, recent)
        if len(joined):
            self._mean_after[joined] = recent.means(joined)
        return len(joined) > 0

    def refresh(self, recent: RecentRows) -> None:
        """Take anew the distributions of the signals that alarmed since the last time."""
        alarmed = np.flatnonzero(self._alarmed)
        if not len(alarmed):
            return
        counts = recent.counts()
        for signal in alarmed.tolist():
            own = self._own_bins[signal]
            self._counts_after[own] = counts[own] - self._counts_at_change[own]
        self._mean_after[alarmed] = recent.means(alarmed)
        self._alarmed[alarmed] = False

    def strongest(self, limit: int) -> tuple[DriftedSignal, ...]:
        """Return the largest contributions, largest first."""
        drifted = np.flatnonzero(self._change_row).tolist()
        contributions = {
            signal: log_likelihood_ratio(
                self._counts_after[self._own_bins[signal]],
                self._bins[signal].reference_ratio,
                self._reference_size(signal),
            )
            for signal in drifted
        }
        ranked = sorted(drifted, key=lambda signal: -contributions[signal])
        return tuple(self._drifted(signal, contributions[signal]) for signal in ranked[:limit])

    def state(self) -> dict[str, Any]:
        """Return plain data for `driftlead.state`."""
        return {"peaks": dict(self._peaks), **{name: getattr(self, f"_{name}") for name in _ARRAYS}}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`.

        Raises
        ------
        StateError
            When an array is of another shape or type.
        """
        for name in _ARRAYS:
            _copy_into(getattr(self, f"_{name}"), state[name], name)
        for detector, peaks in state["peaks"].items():
            self._peaks[detector] = np.zeros(self._profile.n_signals)
            _copy_into(self._peaks[detector], peaks, "peaks")

    def _locate_change(self, rows: int, signal: int, recent: RecentRows) -> None:
        """Place the change no later than the signal's first alarm, and count from there."""
        bins = recent.bins(signal)
        ratio, own = self._bins[signal].reference_ratio, self._own_bins[signal]
        since_alarm = rows - int(self._first_alarm_row[signal])
        until_alarm = bins[: max(0, len(bins) - since_alarm)]
        found = change_point(until_alarm, ratio, self._reference_size(signal))
        after = min(max(1, found.rows) + since_alarm, len(bins))
        counts_after = np.bincount(bins[len(bins) - after :], minlength=len(ratio))
        self._counts_after[own] = counts_after
        self._counts_at_change[own] = recent.counts()[own] - counts_after
        # Never 0, which means none, even where a monitor's kept rows reach back beyond the first it counted.
        self._change_row[signal] = max(1, rows - after + 1)

    def _reference_size(self, signal: int) -> int:
        # A long sample was thinned, the missing values were all counted: they keep their share.
        sample, missing = len(self._profile.samples[signal]), int(self._profile.missing[signal])
        present = self._profile.n_rows - missing
        return sample + (round(missing * sample / present) if present > sample else missing)

    def _drifted(self, signal: int, contribution: float) -> DriftedSignal:
        bins, counts = self._bins[signal], self._counts_after[self._own_bins[signal]]
        ordered = self._profile.signals[signal].kind == "numeric"
        return DriftedSignal(
            signal=self._profile.signals[signal].name,
            contribution=contribution,
            change_row=int(self._change_row[signal]),
            first_alarm_row=int(self._first_alarm_row[signal]),
            last_alarm_row=int(self._last_alarm_row[signal]),
            peaks={
                detector: _finite(peaks[signal]) for detector, peaks in self._peaks.items() if peaks[signal]
            },
            labels=bins.labels,
            reference_ratio=tuple(bins.reference_ratio.tolist()),
            counts_after=tuple(counts.tolist()),
            mean_before=_finite(self._profile.means[signal]) if ordered else None,
            mean_after=_finite(self._mean_after[signal]) if ordered else None,
            missing_before=float(bins.reference_ratio[-1]),
            missing_after=float(counts[-1] / max(1, counts.sum())),
        )


def _raise_to(array: NDArray[Any], where: NDArray[np.int64], values: NDArray[Any]) -> None:
    array[where] = np.maximum(array[where], values)


def _copy_into(array: NDArray[Any], values: NDArray[Any], name: str) -> None:
    if values.shape != array.shape or values.dtype != array.dtype:
        raise StateError(
            f"{name} of an episode is {values.dtype} {values.shape}, expected {array.dtype} {array.shape}"
        )
    array[...] = values


def _finite(value: np.float64) -> float | None:
    return float(value) if math.isfinite(value) else None


_ARRAYS = (
    "first_alarm_row",
    "last_alarm_row",
    "change_row",
    "mean_after",
    "alarmed",
    "counts_at_change",
    "counts_after",
)
