"""A store in this process's memory: for a notebook, a test, or a monitor whose labels come soon."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from driftlead.monitor.records import (
    EpisodeRecord,
    JoinedLabels,
    KeptPredictions,
    Notification,
    PredictionBatch,
    merged,
    same_outputs,
)

__all__ = ["MemoryStore"]


class _Prediction(NamedTuple):
    made_at: float
    outputs: NDArray[np.float32] | None  # None where different predictions have the id


class MemoryStore:
    """Keep the latest predictions, their labels and all episodes until the process ends.

    See `driftlead.monitor.records.Store`.

    Parameters
    ----------
    capacity : int
        Most predictions kept, labelled or not, and most labels without one; the oldest go first.

    Examples
    --------
    >>> store = MemoryStore()
    >>> scores = np.array([[0.9, 0.1]], dtype=np.float32)
    >>> store.add_predictions(PredictionBatch(["a"], np.array([0.0]), scores))
    KeptPredictions(new=1, same_id=0)
    >>> joined = store.add_labels(["a", "b"], np.array([0.0, 1.0]), received_at=5.0)
    >>> joined.ids, joined.unmatched
    (('a',), 1)
    """

    def __init__(self, capacity: int = 100_000) -> None:
        self.capacity = capacity
        self._lock = threading.Lock()
        self._predictions: dict[str, _Prediction] = {}
        self._labelled: set[str] = set()
        self._waiting: dict[str, float] = {}
        self._episodes: dict[str, EpisodeRecord] = {}
        self._notifications: dict[int, tuple[Notification, float]] = {}
        self._next_notification = 1
        self._references: dict[str, tuple[str, bytes]] = {}

    def add_predictions(self, batch: PredictionBatch) -> KeptPredictions:
        """Keep predictions. The same once more changes nothing; another one of a known id spoils both."""
        with self._lock:
            new = same_id = 0
            for name, made_at, outputs in zip(batch.ids, batch.made_at, batch.outputs, strict=True):
                known = self._predictions.get(name)
                if known is None:
                    self._predictions[name] = _Prediction(float(made_at), outputs)
                    new += 1
                elif known.outputs is None or not same_outputs(known.outputs, outputs):
                    self._predictions[name] = known._replace(outputs=None)
                    same_id += 1
            while len(self._predictions) > self.capacity:
                oldest = next(iter(self._predictions))
                del self._predictions[oldest]
                self._labelled.discard(oldest)
            return KeptPredictions(new, same_id)

    def add_labels(self, ids: Sequence[str], labels: NDArray[np.float64], received_at: float) -> JoinedLabels:
        """Keep labels, and join them to their predictions."""
        with self._lock:
            matched: dict[str, float] = {}
            duplicate = unmatched = 0
            for name, label in zip(ids, labels, strict=True):
                if name in self._labelled or name in self._waiting:
                    duplicate += 1
                elif name in self._predictions:
                    self._labelled.add(name)
                    if self._predictions[name].outputs is None:
                        unmatched += 1
                    else:
                        matched[name] = float(label)
                else:
                    self._waiting[name] = float(label)
                    unmatched += 1
            while len(self._waiting) > self.capacity:
                del self._waiting[next(iter(self._waiting))]
            return self._joined(matched, duplicate, unmatched)

    def join_waiting(self) -> JoinedLabels:
        """Join labels that came before their predictions."""
        with self._lock:
            found = {name: label for name, label in self._waiting.items() if name in self._predictions}
            for name in found:
                del self._waiting[name]
            self._labelled.update(found)
            return self._joined(found)

    def save_episode(self, episode: EpisodeRecord, notify: Sequence[tuple[str, dict[str, Any]]] = ()) -> None:
        """Keep an episode and messages about it."""
        with self._lock:
            before = self._episodes.get(episode.id)
            self._episodes[episode.id] = episode if before is None else merged(before, episode)
            for target, body in notify:
                message = Notification(self._next_notification, target, body, 0, episode.opened_at)
                self._notifications[message.id] = (message, 0.0)
                self._next_notification += 1

    def episode(self, episode_id: str) -> EpisodeRecord | None:
        """Return one episode."""
        return self._episodes.get(episode_id)

    def episodes(self, limit: int = 100, *, unresolved: bool = False) -> list[EpisodeRecord]:
        """Return the latest episodes, newest first."""
        with self._lock:
            found = [each for each in self._episodes.values() if not unresolved or each.resolved_at is None]
        return sorted(found, key=lambda each: (each.opened_at, each.id), reverse=True)[:limit]

    def add_reference(self, kind: str, name: str, content: bytes, made_at: float) -> None:
        """Keep the newest reference of a kind."""
        with self._lock:
            self._references[kind] = max(self._references.get(kind, ("", b"")), (name, content))

    def reference_name(self, kind: str) -> str:
        """Return the name of the newest reference of a kind."""
        return self._references.get(kind, ("", b""))[0]

    def reference(self, kind: str, name: str) -> bytes | None:
        """Return the content of a reference, while it is the newest of its kind."""
        newest, content = self._references.get(kind, ("", b""))
        return content if newest == name else None

    def claim_notifications(self, now: float, *, lease: float, limit: int = 10) -> list[Notification]:
        """Take messages that are due."""
        with self._lock:
            due = [message for message, until in self._notifications.values() if until <= now][:limit]
            for message in due:
                self._notifications[message.id] = (message, now + lease)
            return due

    def finish_notification(self, notification_id: int) -> None:
        """Forget a message."""
        with self._lock:
            self._notifications.pop(notification_id, None)

    def postpone_notification(self, notification_id: int, until: float) -> None:
        """Count one more attempt, and let the message wait."""
        with self._lock:
            if notification_id in self._notifications:
                message, _ = self._notifications[notification_id]
                self._notifications[notification_id] = (
                    replace(message, attempts=message.attempts + 1),
                    until,
                )

    def prune(self, now: float) -> int:
        """Remove nothing: the capacity bounds what is kept."""
        return 0

    def close(self) -> None:
        """Let go of nothing."""

    def _joined(self, labels: dict[str, float], duplicate: int = 0, unmatched: int = 0) -> JoinedLabels:
        known = {name: self._predictions[name] for name in labels}
        found = {name: each.outputs for name, each in known.items() if each.outputs is not None}
        width = max(map(len, found.values()), default=0)
        outputs = np.full((len(found), width), np.nan, dtype=np.float32)
        for row, given in zip(outputs, found.values(), strict=True):
            row[: len(given)] = given
        return JoinedLabels(
            ids=tuple(found),
            made_at=np.array([known[name].made_at for name in found]),
            outputs=outputs,
            labels=np.array([labels[name] for name in found]),
            own=np.ones(len(found), dtype=np.bool_),
            duplicate=duplicate,
            unmatched=unmatched,
        )
