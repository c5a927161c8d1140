"""Predictions and labels in the tables: kept, joined, removed; within the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter

import numpy as np
from sqlalchemy import Connection, Table, delete, exists, select, tuple_, update

from driftlead.monitor.records import JoinedLabels, PredictionBatch
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

#: A prediction's id, the version of the model, when it was made, and its outputs as bytes.
_Known = tuple[str, str, float, bytes]

_arrival = tuple_(labels.c.received_at, labels.c.id)
_has_prediction = exists().where(predictions.c.model == labels.c.model, predictions.c.id == labels.c.id)


def add_predictions(connection: Connection, model: int, version: str, batch: PredictionBatch) -> int:
    """Keep those whose id is new; return how many."""
    outputs = np.ascontiguousarray(batch.outputs, dtype="<f4")
    rows = [
        (model, id, version, made_at, row.tobytes())
        for id, made_at, row in zip(batch.ids, batch.made_at.tolist(), outputs, strict=True)
    ]
    # In one order everywhere: replicas that insert the same ids wait for each other, but never in a circle.
    rows.sort(key=itemgetter(1))
    return len(insert_new(connection, predictions, ("model", "id", "version", "made_at", "outputs"), rows))


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
    known = _predictions(connection, model, ids)
    rows = [(model, id, first[id], received_at, id not in known) for id in ids]
    kept = insert_new(connection, labels, ("model", "id", "label", "received_at", "waiting"), rows)
    joined = [id for id in first if id in kept and id in known]
    return _joined(
        version,
        [known[id] for id in joined],
        [first[id] for id in joined],
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
) -> JoinedLabels:
    """Join waiting labels from an interval of arrival whose prediction has come, in order of arrival."""
    ready = (
        select(labels.c.id, labels.c.label)
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
    known = _predictions(connection, model, ids)
    return _joined(version, [known[id] for id in ids], [row.label for row in claimed])


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


def _predictions(connection: Connection, model: int, ids: Sequence[str]) -> dict[str, _Known]:
    columns = select(predictions.c.id, predictions.c.version, predictions.c.made_at, predictions.c.outputs)
    chosen = columns.where(predictions.c.model == model, among(connection, predictions.c.id, ids))
    return {row.id: tuple(row) for row in connection.execute(chosen)}


def _joined(
    version: str, known: Sequence[_Known], values: Sequence[float], *, duplicate: int = 0, unmatched: int = 0
) -> JoinedLabels:
    columns = np.array([len(outputs) // 4 for *_, outputs in known], dtype=np.int64)
    table = np.full((len(known), columns.max(initial=0)), np.nan, dtype=np.float32)
    # Row by row, True where a prediction has a column: the order of the concatenated values.
    table[np.arange(table.shape[1]) < columns[:, None]] = np.frombuffer(
        b"".join(outputs for *_, outputs in known), dtype="<f4"
    )
    return JoinedLabels(
        tuple(id for id, *_ in known),
        np.array([made_at for _, _, made_at, _ in known], dtype=np.float64),
        table,
        np.array(values, dtype=np.float64),
        np.array([each == version for _, each, _, _ in known], dtype=np.bool_),
        duplicate,
        unmatched,
    )
