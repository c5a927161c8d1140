"""The store that a monitor keeps its predictions, labels and episodes in."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from driftlead.errors import InvalidParameterError
from driftlead.monitor.records import (
    EpisodeRecord,
    JoinedLabels,
    KeptPredictions,
    Notification,
    PredictionBatch,
)
from driftlead.storage import episodes, predictions, references
from driftlead.storage.checks import check_id, check_predictions, first_labels
from driftlead.storage.database import Database

__all__ = ["SqlStore"]

DAY = 86_400.0

# Bounds of one transaction. Rows removed, labels joined, and waiting labels looked at: SQLite is locked for a
# tenth of a second, and memory is bounded.
_REMOVED = 1_000
_JOINED = 10_000
_WAITING = 50_000

_EARLIEST = (-np.inf, "")


class SqlStore:
    """Predictions, labels, episodes and messages in SQLite or PostgreSQL: a `monitor.records.Store`.

    Many processes and replicas may share one database. What a call returned from survives a killed process
    and a power cut: SQLite syncs its journal with every commit (WAL, ``synchronous=FULL``), PostgreSQL as its
    server is set.

    The database is opened with the first call, and every call that fails leaves nothing half-written and
    raises `StorageError` within seconds, ``uncertain`` where the server was lost while it committed; a later
    one succeeds once the database is well again. An SQLite file that turns out corrupt is renamed to
    ``<name>.corrupt-<UTC time>`` with a warning in the log, and a new one begun.

    Parameters
    ----------
    url : str
        ``sqlite:///path`` (a local disk) or ``postgresql://user:password@host/name``.
    model : str
        Name of the model. An id of a prediction is unique within it, over all its versions.
    version : str
        Which model of that name makes the predictions.
    keep_seconds : float
        How long predictions are kept, with their labels.
    keep_unmatched_seconds : float
        How long a label waits for its prediction.
    keep_episodes_seconds : float
        How long an episode is kept after it was resolved.

    Raises
    ------
    InvalidParameterError
        When the URL is of another kind, a name is empty, or a duration is not positive.
    StorageError
        When the database's driver is not installed.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> store = SqlStore(f"sqlite:///{folder.name}/driftlead.db", model="digits", version="1")
    >>> made_at, outputs = np.array([100.0, 101.0]), np.array([[0.75, 0.25], [0.5, 0.5]], dtype=np.float32)
    >>> store.add_predictions(PredictionBatch(["a", "b"], made_at, outputs))
    KeptPredictions(new=2, same_id=0)
    >>> joined = store.add_labels(["b", "c"], np.array([1.0, 0.0]), received_at=200.0)
    >>> joined.ids, joined.labels, joined.unmatched
    (('b',), array([1.]), 1)
    >>> store.close()
    >>> folder.cleanup()
    """

    def __init__(
        self,
        url: str,
        *,
        model: str,
        version: str,
        keep_seconds: float = 30 * DAY,
        keep_unmatched_seconds: float = DAY,
        keep_episodes_seconds: float = 365 * DAY,
    ) -> None:
        check_id("model", model)
        check_id("version", version)
        for name, seconds in (
            ("keep_seconds", keep_seconds),
            ("keep_unmatched_seconds", keep_unmatched_seconds),
            ("keep_episodes_seconds", keep_episodes_seconds),
        ):
            if not seconds > 0:
                raise InvalidParameterError(name, "above 0", seconds)
        self._database = Database(url, model)
        self._version = version
        self._keep_seconds = keep_seconds
        self._keep_unmatched_seconds = keep_unmatched_seconds
        self._keep_episodes_seconds = keep_episodes_seconds
        self._waiting_seen = _EARLIEST

    def open(self) -> None:
        """Connect and migrate now, instead of with the first call."""
        self._database.open()

    def add_predictions(self, batch: PredictionBatch) -> KeptPredictions:
        """Keep predictions. The same once more changes nothing; another one of a known id spoils both."""
        check_predictions(batch)
        return self._database.write(
            lambda connection, model: predictions.add_predictions(connection, model, self._version, batch)
        )

    def add_labels(self, ids: Sequence[str], labels: NDArray[np.float64], received_at: float) -> JoinedLabels:
        """Keep labels, and join them to their predictions. The first label of an id stands for ever."""
        first = first_labels(ids, labels, received_at)
        return self._database.write(
            lambda connection, model: predictions.add_labels(
                connection, model, self._version, first, received_at, repeated=len(ids) - len(first)
            )
        )

    def join_waiting(self) -> JoinedLabels:
        """Join labels that came before their predictions, 10 000 at most; each is returned once.

        A call looks at 50 000 waiting labels and the next call at those after them, so that it stays quick
        however many wait for predictions that never come.
        """
        seen = self._waiting_seen
        last = self._database.read(
            lambda connection, model: predictions.last_waiting(connection, model, seen, _WAITING)
        )
        joined, claimed = self._database.write(
            lambda connection, model: predictions.claim_waiting(
                connection, model, self._version, seen, last, _JOINED
            )
        )
        if claimed < _JOINED:
            self._waiting_seen = last or _EARLIEST
        return joined

    def save_episode(self, episode: EpisodeRecord, notify: Sequence[tuple[str, dict[str, Any]]] = ()) -> None:
        """Keep an episode, new or changed, and messages about it, as (target, body), or neither.

        What was said of it first stands: another replica may have noted it.
        """
        check_id("id", episode.id)
        messages = [(target, episodes.to_json("body", body)) for target, body in notify]

        def save(connection: Connection, model: int) -> None:
            episodes.save_episode(connection, model, episode)
            episodes.add_notifications(connection, model, messages, time.time())

        self._database.write(save)

    def episode(self, episode_id: str) -> EpisodeRecord | None:
        """Return one episode."""
        return self._database.read(
            lambda connection, model: episodes.load_episode(connection, model, episode_id)
        )

    def episodes(self, limit: int = 100, *, unresolved: bool = False) -> list[EpisodeRecord]:
        """Return the latest episodes, newest first."""
        return self._database.read(
            lambda connection, model: episodes.load_episodes(connection, model, limit, unresolved=unresolved)
        )

    def add_reference(self, kind: str, name: str, content: bytes, made_at: float) -> None:
        """Keep a reference of this version for its other replicas, unless a newer one of its kind is kept."""
        check_id("name", name)
        self._database.write(
            lambda connection, model: references.add_reference(
                connection, model, self._version, kind, name, content, made_at
            )
        )

    def reference_name(self, kind: str) -> str:
        """Return the name of this version's newest reference of a kind; an empty one where there is none."""
        return self._database.read(
            lambda connection, model: references.reference_name(connection, model, self._version, kind)
        )

    def reference(self, kind: str, name: str) -> bytes | None:
        """Return the content of a reference of this version, while it is the newest of its kind."""
        return self._database.read(
            lambda connection, model: references.reference(connection, model, self._version, kind, name)
        )

    def claim_notifications(self, now: float, *, lease: float, limit: int = 10) -> list[Notification]:
        """Take messages that are due; for ``lease`` seconds nobody else gets them."""
        return self._database.write(
            lambda connection, model: episodes.claim_notifications(connection, model, now, lease, limit)
        )

    def finish_notification(self, notification_id: int) -> None:
        """Forget a message that was delivered, or given up."""
        self._database.write(
            lambda connection, model: episodes.finish_notification(connection, notification_id)
        )

    def postpone_notification(self, notification_id: int, until: float) -> None:
        """Count one more attempt, and let the message wait until a time in seconds since the epoch."""
        self._database.write(
            lambda connection, model: episodes.postpone_notification(connection, notification_id, until)
        )

    def prune(self, now: float) -> int:
        """Remove what is older than it must be kept; return how many predictions and labels went.

        A thousand rows at a time, with a pause as long as their removal took, so that others get their turn.
        """

        def old_predictions(connection: Connection, model: int) -> int:
            return predictions.prune_predictions(connection, model, now - self._keep_seconds, _REMOVED)

        def old_waiting(connection: Connection, model: int) -> int:
            return predictions.prune_waiting(connection, model, now - self._keep_unmatched_seconds, _REMOVED)

        long_ago = now - self._keep_episodes_seconds

        def old_episodes(connection: Connection, model: int) -> None:
            episodes.prune_episodes(connection, model, long_ago)
            references.prune_references(connection, model, self._version, long_ago)

        self._database.write(old_episodes)
        return self._repeat(old_predictions) + self._repeat(old_waiting)

    def close(self) -> None:
        """Let go of all connections."""
        self._database.close()

    def _repeat(self, remove: Callable[[Connection, int], int]) -> int:
        """Remove until nothing is left to remove."""
        total = 0
        while True:
            started = time.monotonic()
            removed = self._database.write(remove)
            if not removed:
                return total
            total += removed
            time.sleep(time.monotonic() - started)
