"""Predictions and labels in the tables: kept, joined, removed; within the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isfinite
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import Connection, Table, delete, exists, select, tuple_, type_coerce, update
from sqlalchemy.types import NullType

from driftlead.monitor.records import JoinedLabels, KeptPredictions, PredictionBatch, same_outputs
from driftlead.storage.checks import MOST_COLUMNS
from driftlead.storage.schema import among, insert_new, labels, predictions

__all__ = [
    "Arrival",
    "add_labels",
    "add_predictions",
    "claim_waiting",
    "last_waiting",
    "prune_predictions",
    "prune_waiting",
]

#: When a label came, and its id.
Arrival = tuple[float, str]

#: Outputs of an id that different predictions have: a label that comes for it belongs to neither.
_SAME_ID = b""

_MOST_BYTES = 4 * MOST_COLUMNS


class _Known(NamedTuple):
    """A prediction as the table has it: a damaged one may have anything."""

    id: str
    own: Any  # whether of the version that asks
    made_at: Any
    outputs: Any


_arrival = tuple_(labels.c.received_at, labels.c.id)
_outputs = type_coerce(predictions.c.outputs, NullType()).label("outputs")
_has_prediction = exists().where(predictions.c.model == labels.c.model, predictions.c.id == labels.c.id)


def add_predictions(
    connection: Connection, model: int, version: str, batch: PredictionBatch
) -> KeptPredictions:
    """Keep those whose id is new, and mark the ids that different predictions have."""
    outputs = np.ascontiguousarray(batch.outputs, dtype="<f4")
    rows = [
        (model, id, version, made_at, row.tobytes())
        for id, made_at, row in zip(batch.ids, batch.made_at.tolist(), outputs, strict=True)
    ]
    # In one order everywhere: replicas that insert the same ids wait for each other, but never in a circle.
    rows.sort(key=itemgetter(1))
    names = ("model", "id", "version", "made_at", "outputs")
    new = insert_new(connection, predictions, names, rows)
    if len(new) == len(rows):
        return KeptPredictions(len(new))
    return KeptPredictions(len(new), _mark_same_ids(connection, model, rows))


def _mark_same_ids(connection: Connection, model: int, rows: Sequence[tuple[Any, ...]]) -> int:
    """Take the outputs from ids that a batch and the table know different ones of; return how many of it."""
    ids = [row[1] for row in rows]
    chosen = select(predictions.c.id, _outputs).where(
        predictions.c.model == model, among(connection, predictions.c.id, ids)
    )
    locked = chosen.order_by(predictions.c.id).with_for_update()
    stored: dict[str, Any] = {row.id: row.outputs for row in connection.execute(locked)}
    other = [id for _, id, _, _, outputs in rows if id in stored and not _same(stored[id], outputs)]
    marked = [id for id in dict.fromkeys(other) if stored[id] != _SAME_ID]
    connection.execute(
        update(predictions)
        .where(predictions.c.model == model, among(connection, predictions.c.id, marked))
        .values(outputs=_SAME_ID)
    )
    return len(other)


def _same(stored: Any, given: bytes) -> bool:
    if stored == given:
        return True
    return _readable(stored) and same_outputs(np.frombuffer(stored, "<f4"), np.frombuffer(given, "<f4"))


def add_labels(
    connection: Connection,
    model: int,
    version: str,
    first: Mapping[str, float],
    received_at: float,
    *,
    repeated: int,
) -> JoinedLabels:
    """Keep the labels whose id has none yet, and join them; ``repeated`` more are known to be duplicates."""
    ids = sorted(first)
    known = _predictions(connection, model, version, ids)
    rows = [(model, id, first[id], received_at, id not in known) for id in ids]
    kept = insert_new(connection, labels, ("model", "id", "label", "received_at", "waiting"), rows)
    joined = _joined(known, {id: label for id, label in first.items() if id in kept and id in known})
    return replace(
        joined,
        duplicate=len(first) - len(kept) + repeated,
        unmatched=len(kept) - len(joined),
    )


def last_waiting(connection: Connection, model: int, after: Arrival, count: int) -> Arrival | None:
    """Return the ``count``-th waiting label after another, in order of arrival; None where fewer are left."""
    row = connection.execute(
        select(labels.c.received_at, labels.c.id)
        .where(labels.c.model == model, labels.c.waiting, _arrival > after)
        .order_by(labels.c.received_at, labels.c.id)
        .offset(count - 1)
        .limit(1)
    ).one_or_none()
    return None if row is None else (row.received_at, row.id)


def claim_waiting(
    connection: Connection, model: int, version: str, after: Arrival, last: Arrival | None, limit: int
) -> tuple[JoinedLabels, int]:
    """Join waiting labels from an interval of arrival whose prediction has come, in order of arrival.

    Also return how many were claimed: labels that can be joined to nothing wait no longer either.
    """
    ready = (
        select(labels.c.id, type_coerce(labels.c.label, NullType()).label("label"))
        .where(labels.c.model == model, labels.c.waiting, _arrival > after, _has_prediction)
        .order_by(labels.c.received_at, labels.c.id)
        .limit(limit)
        # What another replica is claiming is its own.
        .with_for_update(of=labels, skip_locked=True)
    )
    claimed = connection.execute(ready if last is None else ready.where(_arrival <= last)).all()
    ids = [row.id for row in claimed]
    connection.execute(
        update(labels)
        .where(labels.c.model == model, among(connection, labels.c.id, ids))
        .values(waiting=False)
    )
    known = _predictions(connection, model, version, ids)
    return _joined(known, {row.id: row.label for row in claimed if row.id in known}), len(ids)


def prune_predictions(connection: Connection, model: int, before: float, limit: int) -> int:
    """Remove the oldest predictions with their labels; return how many rows went."""
    ids = connection.scalars(
        select(predictions.c.id)
        .where(predictions.c.model == model, predictions.c.made_at < before)
        .order_by(predictions.c.made_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    return _delete(connection, predictions, model, ids) + _delete(connection, labels, model, ids)


def prune_waiting(connection: Connection, model: int, before: float, limit: int) -> int:
    """Remove labels whose prediction has not come; return how many."""
    ids = connection.scalars(
        select(labels.c.id)
        .where(labels.c.model == model, labels.c.waiting, labels.c.received_at < before, ~_has_prediction)
        .order_by(labels.c.received_at)
        .limit(limit)
        .with_for_update(of=labels, skip_locked=True)
    ).all()
    return _delete(connection, labels, model, ids)


def _delete(connection: Connection, table: Table, model: int, ids: Sequence[str]) -> int:
    statement = delete(table).where(table.c.model == model, among(connection, table.c.id, ids))
    return connection.execute(statement).rowcount


def _predictions(connection: Connection, model: int, version: str, ids: Sequence[str]) -> dict[str, _Known]:
    chosen = select(
        predictions.c.id,
        predictions.c.version == version,
        type_coerce(predictions.c.made_at, NullType()),
        _outputs,
    ).where(predictions.c.model == model, among(connection, predictions.c.id, ids))
    return {row[0]: _Known(*row) for row in connection.execute(chosen).all()}


def _joined(known: Mapping[str, _Known], values: Mapping[str, Any]) -> JoinedLabels:
    """Put predictions and labels side by side; what a damaged file made of one takes no other with it."""
    given = [known[id] for id in values if known[id].outputs != _SAME_ID]
    sound = [each for each in given if _is_sound(each, values[each.id])]
    columns = np.array([len(each.outputs) // 4 for each in sound], dtype=np.int64)
    table = np.full((len(sound), columns.max(initial=0)), np.nan, dtype=np.float32)
    # Row by row, True where a prediction has a column: the order of the concatenated values.
    table[np.arange(table.shape[1]) < columns[:, None]] = np.frombuffer(
        b"".join([each.outputs for each in sound]), dtype="<f4"
    )
    ids = [each.id for each in sound]
    whole = set(ids)
    return JoinedLabels(
        tuple(ids),
        np.array([each.made_at for each in sound], dtype=np.float64),
        table,
        np.array([values[id] for id in ids], dtype=np.float64),
        np.array([each.own for each in sound], dtype=np.bool_),
        damaged=tuple(each.id for each in given if each.id not in whole),
    )


def _is_sound(known: _Known, label: Any) -> bool:
    return _readable(known.outputs) and _finite(known.made_at) and _finite(label)


def _readable(outputs: Any) -> bool:
    """Whether these are outputs of a prediction. SQLite keeps anything in any column."""
    return isinstance(outputs, bytes) and not len(outputs) % 4 and 0 < len(outputs) <= _MOST_BYTES


def _finite(number: Any) -> bool:
    return isinstance(number, (float, int)) and isfinite(number)
