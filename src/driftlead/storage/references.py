"""References that a person asked for, in their table; within the caller's transaction."""

from __future__ import annotations

from sqlalchemy import Connection, delete, select

from driftlead.storage.schema import insert, references

__all__ = ["add_reference", "newest_reference", "prune_references"]

_of = references.c


def add_reference(
    connection: Connection, model: int, version: str, kind: str, name: str, content: bytes, made_at: float
) -> None:
    """Keep a reference, unless it is known or a newer one is; older ones of its kind go."""
    of_kind = (_of.model == model, _of.version == version, _of.kind == kind)
    if connection.scalar(select(_of.name).where(*of_kind, _of.name >= name).limit(1)) is not None:
        return
    row = insert(connection, references).values(
        model=model, version=version, kind=kind, name=name, made_at=made_at, content=content
    )
    connection.execute(row.on_conflict_do_nothing())
    connection.execute(delete(references).where(*of_kind, _of.name < name))


def newest_reference(
    connection: Connection, model: int, version: str, kind: str, after: str
) -> tuple[str, bytes] | None:
    """Return the newest reference of a kind, by name, if it is newer than one."""
    row = connection.execute(
        select(_of.name, _of.content)
        .where(_of.model == model, _of.version == version, _of.kind == kind, _of.name > after)
        .order_by(_of.name.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else (row.name, row.content)


def prune_references(connection: Connection, model: int, version: str, before: float) -> None:
    """Remove those that other versions made long ago."""
    old = (_of.model == model, _of.version != version, _of.made_at < before)
    connection.execute(delete(references).where(*old))
