"""What every form of a report says in words and tables, as plain rows of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from driftlead.wording import counted

__all__ = [
    "EPISODE_HEADS",
    "QUALITY_HEADS",
    "SIGNAL_HEADS",
    "episode_rows",
    "facts",
    "moment_of",
    "quality_rows",
    "signal_rows",
    "verdict",
]

EPISODE_HEADS = ("change", "lasted", "first alarm", "strongest signals", "signals", "alarms", "state")
SIGNAL_HEADS = ("signal", "peak × threshold", "above one for")
QUALITY_HEADS = ("measure", "latest labels", "reference")

_NAMED_SIGNALS = 3
_MOST_SIGNALS = 40
_SHARES = ("accuracy", "macro_precision", "macro_recall")


def moment_of(seconds: float) -> str:
    """Return seconds since the epoch as people read them.

    Examples
    --------
    >>> moment_of(1_700_000_000.0)
    '2023-11-14 22:13:20 UTC'
    """
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def verdict(document: Mapping[str, Any]) -> str:
    """Return the report in a sentence."""
    episodes = document["episodes"]
    if not episodes:
        return "No episode of drift in this period."
    still = sum(episode["resolved_at"] is None for episode in episodes)
    state = f"{still} of them not over" if still else "all of them over"
    if len(episodes) == 1:
        state = "not over" if still else "over"
    return f"{counted(len(episodes), 'episode')} of drift in this period, {state}."


def facts(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return name and value of what the report is about."""
    overview = document["overview"]
    served = [("model", f"{overview['model']}, version {overview['version']}")] if "model" in overview else []
    return [
        *served,
        ("period", f"{moment_of(document['since'])} to {moment_of(document['until'])}"),
        ("rows monitored so far", f"{overview['rows']:,}"),
        ("labels measured so far", f"{overview['labels']['rows']:,}"),
        ("made", moment_of(document["made_at"])),
    ]


def episode_rows(document: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return a row for each episode, newest first."""
    return [
        (
            f"{moment_of(episode['changed_at'])}, row {episode['change_row']:,}",
            _lasted(episode, document["until"]),
            f"{episode['opened_by'][1]} on {episode['opened_by'][0]}, row {episode['opened_row']:,}",
            ", ".join(signal["signal"] for signal in episode["signals"][:_NAMED_SIGNALS]),
            str(episode["n_signals"]),
            str(episode["alarms"]),
            _state(episode),
        )
        for episode in document["episodes"]
    ]


def signal_rows(document: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return a row for each signal that exceeded a threshold, worst first: its peaks, and for how long."""
    found = []
    for series in document["history"]["series"]:
        seconds = [end - start for start, end in zip(series["start"], series["end"], strict=True)]
        columns: dict[str, dict[str, tuple[int, ...]]] = {}
        for (signal, detector), percent in zip(
            series["pairs"], zip(*series["percent"], strict=True), strict=bool(series["percent"])
        ):
            if max(percent) >= 100:
                columns.setdefault(signal, {})[detector] = percent
        for signal, tests in columns.items():
            peaks = sorted(((max(percent), detector) for detector, percent in tests.items()), reverse=True)
            exceeded = [max(values) >= 100 for values in zip(*tests.values(), strict=True)]
            above = sum(length for length, is_above in zip(seconds, exceeded, strict=True) if is_above)
            found.append((signal, peaks, above))
    found.sort(key=lambda each: (-each[1][0][0], each[0]))
    return [
        (
            signal,
            ", ".join(f"{peak / 100:.2f} by {detector}" for peak, detector in peaks),
            _duration(above),
        )
        for signal, peaks, above in found[:_MOST_SIGNALS]
    ]


def quality_rows(document: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return a row for each measure of the model's quality."""
    labels = document["overview"]["labels"]
    rows: list[tuple[str, ...]] = [
        (
            name.replace("_", " "),
            _measure(name, labels["quality"].get(name)),
            _measure(name, labels["reference"].get(name)),
        )
        for name in {**labels["reference"], **labels["quality"]}
    ]
    estimate = labels.get("estimated_accuracy")
    if estimate and estimate["estimate"] is not None:
        interval = f"{estimate['low']:.1%} to {estimate['high']:.1%}"
        rows.append(("accuracy, estimated without labels", f"{estimate['estimate']:.1%} ({interval})", ""))
    return rows


def _measure(name: str, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.1%}" if name in _SHARES else f"{value:.4g}"


def _lasted(episode: Mapping[str, Any], until: float) -> str:
    end = episode["resolved_at"]
    return _duration((until if end is None else end) - episode["changed_at"])


def _state(episode: Mapping[str, Any]) -> str:
    parts = [episode["status"] if episode["resolution"] is None else f"ended: {episode['resolution']}"]
    if episode["acknowledged_by"]:
        parts.append(f"seen by {episode['acknowledged_by']}")
    if episode["note"]:
        parts.append(f"“{episode['note']}”")
    return ", ".join(parts)


def _duration(seconds: float) -> str:
    parts: Sequence[tuple[float, str]] = ((86_400, "d"), (3_600, "h"), (60, "min"))
    for size, unit in parts:
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
