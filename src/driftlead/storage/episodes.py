"""Episodes of drift, and messages about them, in the tables; within the caller's transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from driftlead.errors import InvalidDataError
from driftlead.monitor.records import EpisodeRecord, Notification, merged
from driftlead.storage.schema import episodes, insert, notifications

__all__ = [
    "add_notifications",
    "claim_notifications",
    "finish_notification",
    "load_episode",
    "load_episodes",
    "postpone_notification",
    "prune_episodes",
    "save_episode",
    "to_json",
]


def to_json(what: str, document: dict[str, Any]) -> str:
    """Write a document as JSON of plain ASCII, which every database takes."""
    try:
        return json.dumps(document, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InvalidDataError(f"{what} is not ready for JSON: {error}") from None


def save_episode(connection: Connection, model: int, episode: EpisodeRecord) -> None:
    """Insert or update. What has happened to an episode stays: another replica may not know of it yet."""
    row = connection.execute(
        select(episodes).where(episodes.c.model == model, episodes.c.id == episode.id).with_for_update()
    ).one_or_none()
    if row is not None:
        episode = merged(_episode(row), episode)
    values = {
        "opened_at": episode.opened_at,
        "resolved_at": episode.resolved_at,
        "acknowledged_at": episode.acknowledged_at,
        "document": to_json("document", episode.document),
    }
    statement = insert(connection, episodes).values(model=model, id=episode.id, **values)
    connection.execute(
        statement.on_conflict_do_update(index_elements=[episodes.c.model, episodes.c.id], set_=values)
    )


def load_episode(connection: Connection, model: int, episode_id: str) -> EpisodeRecord | None:
    """Return one episode."""
    row = connection.execute(
        select(episodes).where(episodes.c.model == model, episodes.c.id == episode_id)
    ).one_or_none()
    return None if row is None else _episode(row)


def load_episodes(connection: Connection, model: int, limit: int, *, unresolved: bool) -> list[EpisodeRecord]:
    """Return the latest episodes, newest first."""
    statement = (
        select(episodes)
        .where(episodes.c.model == model)
        .order_by(episodes.c.opened_at.desc(), episodes.c.id.desc())
        .limit(limit)
    )
    if unresolved:
        statement = statement.where(episodes.c.resolved_at.is_(None))
    return [_episode(row) for row in connection.execute(statement)]


def prune_episodes(connection: Connection, model: int, before: float) -> None:
    """Remove episodes that were resolved long ago."""
    connection.execute(delete(episodes).where(episodes.c.model == model, episodes.c.resolved_at < before))


def add_notifications(
    connection: Connection, model: int, messages: Sequence[tuple[str, str]], created_at: float
) -> None:
    """Keep messages, as (target, JSON), that are due at once."""
    rows = [
        {
            "model": model,
            "target": target,
            "body": body,
            "attempts": 0,
            "created_at": created_at,
            "due_at": created_at,
        }
        for target, body in messages
    ]
    if rows:
        connection.execute(insert(connection, notifications), rows)


def claim_notifications(
    connection: Connection, model: int, now: float, lease: float, limit: int
) -> list[Notification]:
    """Take messages that are due, oldest first, and make them due again when the lease ends."""
    columns = notifications.c
    rows = connection.execute(
        select(columns.id, columns.target, columns.body, columns.attempts, columns.created_at)
        .where(notifications.c.model == model, notifications.c.due_at <= now)
        .order_by(notifications.c.due_at, notifications.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    bodies = {row.id: _from_json(row.body) for row in rows}
    damaged = [id for id, body in bodies.items() if body is None]
    connection.execute(delete(notifications).where(columns.id.in_(damaged)))
    connection.execute(update(notifications).where(columns.id.in_(bodies)).values(due_at=now + lease))
    return [
        Notification(row.id, row.target, body, row.attempts, row.created_at)
        for row in rows
        if (body := bodies[row.id]) is not None
    ]


def finish_notification(connection: Connection, notification_id: int) -> None:
    """Remove a message."""
    connection.execute(delete(notifications).where(notifications.c.id == notification_id))


def postpone_notification(connection: Connection, notification_id: int, until: float) -> None:
    """Count an attempt, and let the message wait."""
    connection.execute(
        update(notifications)
        .where(notifications.c.id == notification_id)
        .values(attempts=notifications.c.attempts + 1, due_at=until)
    )


def _episode(row: Row[Any]) -> EpisodeRecord:
    return EpisodeRecord(
        row.id, row.opened_at, row.resolved_at, row.acknowledged_at, _from_json(row.document) or {}
    )


def _from_json(text: str) -> dict[str, Any] | None:
    """Read a document; None where it is damaged: it takes no other with it."""
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    return document if isinstance(document, dict) else None
