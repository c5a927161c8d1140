"""What a monitor keeps beyond its own process, as plain data, and what it asks of whoever keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ID_RULE",
    "LONGEST_ID",
    "EpisodeRecord",
    "JoinedLabels",
    "KeptPredictions",
    "Notification",
    "PredictionBatch",
    "Store",
    "are_ids",
    "is_id",
    "merged",
    "same_outputs",
]

LONGEST_ID = 300
_LENGTHS = frozenset(range(1, LONGEST_ID + 1))
ID_RULE = f"a text of 1 to {LONGEST_ID} characters, without NUL and lone surrogates"


def is_id(text: object) -> bool:
    """Whether every store can keep a text as the name of something.

    Examples
    --------
    >>> is_id("request-7/3"), is_id("")
    (True, False)
    """
    return isinstance(text, str) and 1 <= len(text) <= LONGEST_ID and _storable(text)


def are_ids(texts: Sequence[Any]) -> bool:
    """Whether `is_id` holds for each: of thousands, in a fraction of the time.

    Examples
    --------
    >>> are_ids(["request-7/3", "request-7/4"]), are_ids(["request-7/3", ""])
    (True, False)
    """
    if not {*map(type, texts)} <= {str}:
        return all(map(is_id, texts))
    lengths = {*map(len, texts)}
    return not lengths - _LENGTHS and _storable("".join(texts))


def _storable(text: str) -> bool:
    if "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass(frozen=True, eq=False)
class PredictionBatch:
    """Predictions that wait for their labels.

    Attributes
    ----------
    ids : sequence of str, length n
        What the client will name each prediction by.
    made_at : ndarray of float64, shape (n,)
        Seconds since the epoch.
    outputs : ndarray of float32, shape (n, k)
        Class probabilities; a single column is the predicted value of a regression.
    """

    ids: Sequence[str]
    made_at: NDArray[np.float64]
    outputs: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.ids)


def same_outputs(one: NDArray[np.float32], two: NDArray[np.float32]) -> bool:
    """Whether a request that was sent twice gave these: another processor may give other last digits.

    Examples
    --------
    >>> same_outputs(np.float32([0.25, 0.75]), np.float32([0.25, 0.7500001]))
    True
    """
    return one.shape == two.shape and bool(np.allclose(one, two, rtol=1e-4, atol=1e-6, equal_nan=True))


class KeptPredictions(NamedTuple):
    """What became of predictions that a store was given.

    Attributes
    ----------
    new : int
        Their id was not known before.
    same_id : int
        Their id is that of a prediction with other outputs. No label can tell which of the two it is for,
        so that from then on it finds neither.
    """

    new: int = 0
    same_id: int = 0


@dataclass(frozen=True, eq=False)
class JoinedLabels:
    """Labels that found their prediction, and how many did not.

    Attributes
    ----------
    ids : tuple of str, length n
        Predictions that got their first label now.
    made_at : ndarray of float64, shape (n,)
        When each was predicted, in seconds since the epoch.
    outputs : ndarray of float32, shape (n, k)
        What was predicted, as in `PredictionBatch`; NaN beyond the columns of a prediction that had fewer.
    labels : ndarray of float64, shape (n,)
        The class index, or the true value.
    own : ndarray of bool, shape (n,)
        Whether it was predicted by the version of the model that asks, and not by another.
    duplicate : int
        Labels of ids that had one already: they change nothing.
    unmatched : int
        Labels of predictions that are not known, or no longer. They are kept for a while, in case the
        prediction comes after its label. Labels of an id that two different predictions have are among them,
        and those of damaged predictions.
    damaged : tuple of str
        Ids whose prediction or label was found and could not be read: left out.
    """

    ids: tuple[str, ...]
    made_at: NDArray[np.float64]
    outputs: NDArray[np.float32]
    labels: NDArray[np.float64]
    own: NDArray[np.bool_]
    duplicate: int = 0
    unmatched: int = 0
    damaged: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class EpisodeRecord:
    """One episode of drift as it is kept.

    Attributes
    ----------
    id : str
        Names it everywhere.
    opened_at : float
        Seconds since the epoch.
    resolved_at, acknowledged_at : float or None
        None while it has not happened.
    document : dict
        All that is known of it, ready for JSON.
    """

    id: str
    opened_at: float
    resolved_at: float | None
    acknowledged_at: float | None
    document: dict[str, Any]


#: What belongs together in the document of an episode: who acknowledged it, and how it ended.
_ACKNOWLEDGEMENT = ("acknowledged_at", "acknowledged_by")
_RESOLUTION = ("resolved_at", "resolved_row", "resolution", "resolved_by")


def merged(before: EpisodeRecord, now: EpisodeRecord) -> EpisodeRecord:
    """Return an episode as it now is, with what was said of it before: what happened first stands.

    Examples
    --------
    >>> told = EpisodeRecord("e", 1.0, None, 5.0, {"acknowledged_by": "mia", "alarms": 1})
    >>> merged(told, EpisodeRecord("e", 1.0, None, None, {"acknowledged_by": None, "alarms": 2})).document
    {'acknowledged_by': 'mia', 'alarms': 2}
    """
    kept = [
        *(_ACKNOWLEDGEMENT if before.acknowledged_at is not None else ()),
        *(_RESOLUTION if before.resolved_at is not None else ()),
    ]
    document = {**now.document, **{name: before.document[name] for name in kept if name in before.document}}
    if document.get("note") is None and before.document.get("note") is not None:
        document["note"] = before.document["note"]
    resolved_at = now.resolved_at if before.resolved_at is None else before.resolved_at
    acknowledged_at = now.acknowledged_at if before.acknowledged_at is None else before.acknowledged_at
    if "status" in document:
        said = "acknowledged" if acknowledged_at is not None else "open"
        document["status"] = "resolved" if resolved_at is not None else said
    return EpisodeRecord(now.id, now.opened_at, resolved_at, acknowledged_at, document)


@dataclass(frozen=True)
class Notification:
    """A message on its way to a webhook; it is delivered at least once.

    Attributes
    ----------
    id : int
    target : str
        Name of the webhook.
    body : dict
        The message, ready for JSON.
    attempts : int
        Deliveries tried so far.
    created_at : float
        Seconds since the epoch.
    """

    id: int
    target: str
    body: dict[str, Any]
    attempts: int
    created_at: float


class Store(Protocol):
    """Where predictions, labels and episodes are kept; `driftlead.storage.SqlStore` is one.

    What a call returns from is durable. Every method may raise `driftlead.errors.StorageError`, and has then
    changed nothing, unless the error is ``uncertain``. Methods are called from several threads.
    """

    def add_predictions(self, batch: PredictionBatch) -> KeptPredictions:
        """Keep predictions. The same once more changes nothing; another one of a known id spoils both."""
        ...

    def add_labels(self, ids: Sequence[str], labels: NDArray[np.float64], received_at: float) -> JoinedLabels:
        """Keep labels, and join them to their predictions. The first label of an id stands for ever."""
        ...

    def join_waiting(self) -> JoinedLabels:
        """Join labels that came before their predictions; each is returned once, whoever else asks.

        One call looks at a part of them, so that it stays quick; call it every few seconds.
        """
        ...

    def save_episode(self, episode: EpisodeRecord, notify: Sequence[tuple[str, dict[str, Any]]] = ()) -> None:
        """Keep an episode, new or changed, and messages about it, as (target, body), or neither.

        What was said of it first stands, as `merged` has it: another replica may have noted it.
        """
        ...

    def episode(self, episode_id: str) -> EpisodeRecord | None:
        """Return one episode."""
        ...

    def episodes(self, limit: int = 100, *, unresolved: bool = False) -> list[EpisodeRecord]:
        """Return the latest episodes, newest first."""
        ...

    def add_reference(self, kind: str, name: str, content: bytes, made_at: float) -> None:
        """Keep a reference for other replicas, unless a newer one of its kind is kept: newer sorts after."""
        ...

    def reference_name(self, kind: str) -> str:
        """Return the name of the newest reference of a kind; an empty one where there is none."""
        ...

    def reference(self, kind: str, name: str) -> bytes | None:
        """Return the content of a reference, while it is the newest of its kind."""
        ...

    def claim_notifications(self, now: float, *, lease: float, limit: int = 10) -> list[Notification]:
        """Take messages that are due; for ``lease`` seconds nobody else gets them."""
        ...

    def finish_notification(self, notification_id: int) -> None:
        """Forget a message that was delivered, or given up."""
        ...

    def postpone_notification(self, notification_id: int, until: float) -> None:
        """Count one more attempt, and let the message wait until a time in seconds since the epoch."""
        ...

    def prune(self, now: float) -> int:
        """Remove what is older than it must be kept; return how many predictions and labels went."""
        ...

    def close(self) -> None:
        """Let go of all connections."""
        ...
