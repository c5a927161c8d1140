"""What a report tells, as one JSON-ready document: from a running service, a monitor, or what one left."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

import numpy as np

from driftlead import state
from driftlead.errors import DriftleadError, InvalidParameterError, StateError
from driftlead.monitor import Episode, History, Monitor, MonitorHistory, Store
from driftlead.monitor.documents import history_document, overview_document, signal_document
from driftlead.monitor.history import QUALITY_COLUMNS

__all__ = ["FORMATS", "Format", "collect"]

Format = Literal["html", "json", "md"]

FORMATS: tuple[Format, ...] = ("html", "json", "md")

_MOST_EPISODES = 200
_MOST_SIGNALS = 12
_PATIENCE_SECONDS = 30.0


def collect(
    source: str | Path | Monitor,
    *,
    store: Store | None = None,
    since: float | None = None,
    until: float | None = None,
) -> dict[str, Any]:
    """Return all that a report of a period tells.

    Parameters
    ----------
    source : str, path or Monitor
        The address of a running service, ``http://…``; the folder in which a monitor kept its state; or a
        monitor in this process.
    store : Store, optional
        Where the monitor of a state folder kept its episodes.
    since, until : float, optional
        The period, in seconds since the epoch; by default all that is known, until now.

    Returns
    -------
    dict
        ``overview``, ``history``, ``episodes`` and ``signals``, which are the documents of
        `driftlead.monitor.documents`, cut to the period.

    Raises
    ------
    DriftleadError
        The service does not answer, the folder holds no state, or the store does not answer.
    InvalidParameterError
        The period ends before it begins.
    """
    end = time.time() if until is None else until
    start = 0.0 if since is None else since
    if not start < end:
        raise InvalidParameterError("until", f"after since, {start}", end)
    if isinstance(source, Monitor):
        found = _of_monitor(source)
    elif isinstance(source, str) and urlsplit(source).scheme in ("http", "https"):
        found = _of_service(source)
    else:
        found = _of_folder(Path(source), store)
    overview, history, episodes, signal = found
    present = [each for each in episodes if _within(each, start, end)]
    history = _cut(history, start, end)
    first = [series["start"][0] for series in history["series"] if series["start"]]
    return {
        "made_at": time.time(),
        "since": max(start, min(first, default=start)),
        "until": end,
        "overview": overview,
        "episodes": present,
        "history": history,
        "signals": [document for name in _strongest(history) if (document := signal(name)) is not None],
    }


Found = tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]], Callable[[str], dict[str, Any] | None]]


def _of_monitor(monitor: Monitor) -> Found:
    snapshot, history = monitor.snapshot(), monitor.history()
    served = {each.name for each in snapshot.signals}
    return (
        {"watched": True, **overview_document(snapshot)},
        history_document(history),
        [episode.to_document() for episode in monitor.episodes(_MOST_EPISODES)],
        lambda name: signal_document(
            snapshot, history, name, monitor.recent_values(name) if name in served else None
        ),
    )


def _of_service(url: str) -> Found:
    root = url.rstrip("/") + "/api/v1/"
    overview = _ask(f"{root}overview")
    if not overview["watched"]:
        raise DriftleadError(
            f"{url} serves {overview['model']} without a monitor: there is nothing to report"
        )
    return (
        overview,
        _ask(f"{root}history"),
        _ask(f"{root}episodes?limit={_MOST_EPISODES}")["episodes"],
        lambda name: _ask(f"{root}signal?name={quote(name, safe='')}"),
    )


def _ask(url: str) -> dict[str, Any]:
    try:
        with urlopen(
            Request(url, headers={"Accept": "application/json"}), timeout=_PATIENCE_SECONDS
        ) as answer:
            document = json.load(answer)
    except HTTPError as error:
        raise DriftleadError(f"{url} answers with {error.code} {error.reason}") from None
    except (URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        reason = getattr(reason, "strerror", None) or reason
        raise DriftleadError(
            f"{url} does not answer ({reason}): start the service, or give the address it tells at its start"
        ) from None
    if not isinstance(document, dict):
        raise DriftleadError(f"{url} is no driftlead service")
    return document


def _of_folder(folder: Path, store: Store | None) -> Found:
    """Read what a monitor left: its past, without the reference that only the model has."""
    path = folder / "monitor.state"
    values = state.load(path, "monitor")[1]
    try:
        rows, labels = values["detection"], values["feedback"]["detection"]
        history = MonitorHistory(
            *_restored(rows),
            *_restored(labels),
            _samples(len(QUALITY_COLUMNS), values["quality_history"]),
        )
        overview = {
            "watched": True,
            "rows": int(rows["rows"]),
            "signals": [],
            "drifting": rows["episodes"]["episode"] is not None,
            "labels": {"rows": 0 if labels is None else int(labels["rows"]), "quality": {}, "reference": {}},
            "state_saved_at": path.stat().st_mtime,
        }
    except (KeyError, TypeError, ValueError) as error:
        raise StateError(f"{path}: it tells nothing of the past ({error})") from None
    episodes = [] if store is None else store.episodes(_MOST_EPISODES)
    return (
        overview,
        history_document(history),
        [Episode.from_record(record).to_document() for record in episodes],
        lambda name: None,
    )


def _restored(detection: Mapping[str, Any] | None) -> tuple[Any, tuple[tuple[str, str], ...]]:
    if detection is None:
        return History(0).samples(), ()
    pairs = tuple((signal, detector) for signal, detector in detection["pairs"])
    return _samples(len(pairs), detection["history"]), pairs


def _samples(columns: int, saved: Mapping[str, Any]) -> Any:
    history = History(columns, capacity=max(2, len(saved["start"])))
    history.restore(saved)
    return history.samples()


def _within(episode: Mapping[str, Any], start: float, end: float) -> bool:
    resolved = episode["resolved_at"]
    return episode["changed_at"] <= end and (resolved is None or resolved >= start)


def _cut(history: dict[str, Any], start: float, end: float) -> dict[str, Any]:
    """Keep what lies within a period."""
    quality = history["quality"]
    kept = [place for place, at in enumerate(quality["at"]) if start <= at <= end]
    return {
        "series": [_cut_series(series, start, end) for series in history["series"]],
        "quality": {name: [values[place] for place in kept] for name, values in quality.items()},
    }


def _cut_series(series: Mapping[str, Any], start: float, end: float) -> dict[str, Any]:
    kept = [
        place
        for place, (first, last) in enumerate(zip(series["start"], series["end"], strict=True))
        if last >= start and first <= end
    ]
    sampled = ("start", "end", "row", "percent")
    return {**series, **{name: [series[name][place] for place in kept] for name in sampled}}


def _strongest(history: Mapping[str, Any]) -> list[str]:
    """Return the signals whose statistics exceeded a threshold within the period, worst first."""
    peaks: dict[str, int] = {}
    for series in history["series"]:
        if not series["percent"]:
            continue
        highest = np.max(np.array(series["percent"]), axis=0).tolist()
        for (signal, _), peak in zip(series["pairs"], highest, strict=True):
            peaks[signal] = max(peak, peaks.get(signal, 0))
    exceeded = [name for name, peak in peaks.items() if peak >= 100]
    return sorted(exceeded, key=lambda name: -peaks[name])[:_MOST_SIGNALS]
