"""What people look at, as JSON-ready documents: the page, figures and reports are all drawn from these.

Numbers that are not finite are null, times are seconds since the epoch, and no document holds a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftlead.errors import InvalidParameterError
from driftlead.monitor.episode import Episode
from driftlead.monitor.history import QUALITY_COLUMNS, HistorySamples, MonitorHistory
from driftlead.monitor.snapshot import DetectorSnapshot, MonitorSnapshot
from driftlead.signals import Signal

__all__ = ["history_document", "overview_document", "signal_document"]

_BINS = 36
_FEW_VALUES = 24
_TAIL = 0.005
_LISTED_SIGNALS = 10

_OTHER, _MISSING = "other", "missing"


def overview_document(snapshot: MonitorSnapshot) -> dict[str, Any]:
    """Return the present at a glance: what drifts and how badly, how good the model is, how monitoring does.

    Returns
    -------
    dict
        ``signals`` hold each signal's statistic over threshold by detector; those of labelled rows come last.
        ``episodes`` are the open ones, without their distributions.
    """
    labels = snapshot.labels
    return {
        **snapshot.to_brief_json(),
        "drifting": snapshot.drifting or any(bool(each.drifting.any()) for each in labels.detectors),
        "episodes": [_brief(episode) for episode in snapshot.open_episodes],
        "detectors": [each.name for each in snapshot.detectors],
        "signals": [
            *_signals(snapshot.signals, snapshot.detectors),
            *_signals(labels.signals, labels.detectors),
        ],
    }


def _brief(episode: Episode) -> dict[str, Any]:
    listed = replace(episode, signals=episode.signals[:_LISTED_SIGNALS]).to_document()
    for signal in listed["signals"]:
        for distribution in ("labels", "reference_ratio", "counts_after"):
            del signal[distribution]
    return listed


def _signals(signals: Sequence[Signal], detectors: Sequence[DetectorSnapshot]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": signal.name, "kind": signal.kind, "ratio": {}, "drifting": [], "alarms": 0}
        for signal in signals
    ]
    for detector in detectors:
        ratio = _rounded(detector.statistic / detector.threshold)
        for place, column in enumerate(detector.columns.tolist()):
            found[column]["ratio"][detector.name] = ratio[place]
            found[column]["alarms"] += int(detector.alarms[place])
            if detector.drifting[place]:
                found[column]["drifting"].append(detector.name)
    return found


def history_document(history: MonitorHistory, after: float = -np.inf) -> dict[str, Any]:
    """Return the past: how far each statistic was from its threshold, and how good the model was.

    Parameters
    ----------
    history : MonitorHistory
    after : float
        Only samples that end later, in seconds since the epoch.

    Returns
    -------
    dict
        ``series`` hold the pairs of signal and detector of served and of labelled rows, each with its own
        times; ``percent``, the statistic in percent of its threshold, has a row per sample and a column per
        pair. ``quality`` holds lists by column.
    """
    quality = history.quality.after(after)
    return {
        "series": [
            _series("rows", history.rows.after(after), history.row_pairs),
            _series("labels", history.labels.after(after), history.label_pairs),
        ],
        "quality": {
            "at": _seconds(quality.end),
            **{name: _rounded(quality.values[:, column], 4) for column, name in enumerate(QUALITY_COLUMNS)},
        },
    }


def _series(of: str, samples: HistorySamples, pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    return {
        "of": of,
        "pairs": [list(pair) for pair in pairs],
        "start": _seconds(samples.start),
        "end": _seconds(samples.end),
        "row": samples.row.tolist(),
        "percent": _percent(samples.values),
    }


def signal_document(
    snapshot: MonitorSnapshot, history: MonitorHistory, name: str, live: NDArray[np.float64] | None = None
) -> dict[str, Any]:
    """Return all about one signal: its statistics, now and over time, and its distribution, live and before.

    Parameters
    ----------
    snapshot, history
        The monitor's.
    name : str
        Of a signal of served or of labelled rows.
    live : ndarray, shape (rows,), optional
        Its latest values, NaN where missing; without them there is no distribution.

    Raises
    ------
    InvalidParameterError
        There is no such signal.
    """
    served = name in {signal.name for signal in snapshot.signals}
    labels = snapshot.labels
    signals, detectors, alarms, samples, pairs = (
        (snapshot.signals, snapshot.detectors, snapshot.recent_alarms, history.rows, history.row_pairs)
        if served
        else (labels.signals, labels.detectors, labels.recent_alarms, history.labels, history.label_pairs)
    )
    column = next((column for column, signal in enumerate(signals) if signal.name == name), None)
    if column is None:
        raise InvalidParameterError("name", "the name of a watched signal", name)
    return {
        "signal": name,
        "kind": signals[column].kind,
        "of": "rows" if served else "labels",
        "rows": snapshot.rows if served else labels.rows,
        "statistics": [each for detector in detectors for each in _statistics(detector, column)],
        "distribution": _distribution(snapshot, column, live) if served and live is not None else None,
        "start": _seconds(samples.start),
        "end": _seconds(samples.end),
        "row": samples.row.tolist(),
        "percent": {
            detector: _percent(samples.values[:, place])
            for place, (signal, detector) in enumerate(pairs)
            if signal == name
        },
        "alarms": [
            {"at": each.at, "row": each.row, "detector": each.detector}
            for each in alarms
            if each.signal == name
        ],
        "changes": [
            {"at": _time_of(samples, drifted.change_row), "row": drifted.change_row, "episode": episode.id}
            for episode in snapshot.open_episodes
            for drifted in episode.signals
            if drifted.signal == name
        ],
    }


def _statistics(detector: DetectorSnapshot, column: int) -> list[dict[str, Any]]:
    return [
        {
            "detector": detector.name,
            "statistic": _finite(detector.statistic[place]),
            "threshold": _finite(detector.threshold[place]),
            "ratio": _finite(detector.statistic[place] / detector.threshold[place]),
            "drifting": bool(detector.drifting[place]),
            "alarms": int(detector.alarms[place]),
            "last_alarm_row": int(detector.last_alarm_row[place]) or None,
        }
        for place in np.flatnonzero(detector.columns == column)
    ]


def _distribution(snapshot: MonitorSnapshot, column: int, live: NDArray[np.float64]) -> dict[str, Any]:
    """Return the shares of the reference and of the latest rows, over bins that both fit into."""
    profile, signal = snapshot.profile, snapshot.signals[column]
    reference, missing = profile.samples[column], int(profile.missing[column])
    present = live[~np.isnan(live)]
    values, numbered = np.unique(np.concatenate([reference, present]), return_inverse=True)
    sides = {"reference": numbered[: len(reference)], "live": numbered[len(reference) :]}
    edges = None
    if signal.kind == "categorical":
        bins = _categories(snapshot, signal.name, values)
    elif len(values) <= _FEW_VALUES:
        bins = [f"{value:g}" for value in values]
    else:
        edges = _edges(reference, present)
        bins = []
        sides = {
            "reference": np.clip(np.searchsorted(edges, reference, "right") - 1, 0, _BINS - 1),
            "live": np.clip(np.searchsorted(edges, present, "right") - 1, 0, _BINS - 1),
        }
    n_bins = len(bins) or _BINS
    # The reference's sample is without the missing values, and may have been thinned.
    missing_before = missing / profile.n_rows
    missing_now = float(np.isnan(live).mean()) if len(live) else None
    return {
        "bins": bins,
        "edges": None if edges is None else [float(edge) for edge in edges],
        "reference": _shares(sides["reference"], n_bins, missing_before),
        "live": _shares(sides["live"], n_bins, missing_now or 0.0),
        "reference_rows": profile.n_rows,
        "live_rows": len(live),
        "reference_mean": _finite(snapshot.reference_mean[column]),
        "live_mean": _finite(snapshot.window_mean[column]),
        "reference_missing": missing_before,
        "live_missing": missing_now,
    }


def _edges(reference: NDArray[np.float64], present: NDArray[np.float64]) -> NDArray[np.float64]:
    """Place bins over the bulk of both; what lies beyond belongs to the outermost."""
    limits = [
        np.quantile(finite, [_TAIL, 1.0 - _TAIL])
        for side in (reference, present)
        if len(finite := side[np.isfinite(side)])
    ]
    low, high = min(each[0] for each in limits), max(each[1] for each in limits)
    if not low < high:
        high = np.nextafter(low, np.inf) if low == 0 else low + abs(low)
    # Halves, for the difference of two huge numbers is infinite.
    return 2.0 * np.linspace(low / 2.0, high / 2.0, _BINS + 1)


def _categories(snapshot: MonitorSnapshot, name: str, values: NDArray[np.float64]) -> list[str]:
    names: Sequence[str] = snapshot.profile.categories.get(name, ())
    if not names and name == "prediction:class":
        names = snapshot.labels.class_names
    return [
        names[int(value)] if value in range(len(names)) else _OTHER if names else f"{value:g}"
        for value in values
    ]


def _shares(bins: NDArray[np.int64], n_bins: int, missing: float) -> list[float] | None:
    if not len(bins):
        return None
    return _rounded((1.0 - missing) * np.bincount(bins, minlength=n_bins) / len(bins), 6)


def _time_of(samples: HistorySamples, row: int) -> float | None:
    """Return about when a row was monitored, as far as the history tells."""
    if not len(samples) or row < samples.row[0]:
        return None
    return float(np.interp(row, samples.row, samples.end))


def _seconds(times: NDArray[np.float64]) -> list[float]:
    return [round(each, 3) for each in times.tolist()]


def _percent(ratio: NDArray[np.float16]) -> list[Any]:
    # Whole numbers take half the time and the room of others; a statistic that is unknown yet is 0.
    found: list[Any] = np.rint(np.nan_to_num(ratio.astype(np.float32)) * 100.0).astype(np.int32).tolist()
    return found


def _rounded(values: NDArray[Any], digits: int = 2) -> list[Any]:
    rounded = np.round(values.astype(np.float64), digits)
    if np.isfinite(rounded).all():
        found: list[Any] = rounded.tolist()
        return found
    return [_finite(each) for each in rounded.tolist()]


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
