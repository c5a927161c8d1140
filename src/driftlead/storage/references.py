"""References that a person asked for, in their table; within the caller's transaction."""

from __future__ import annotations

from sqlalchemy import Connection, delete, func, select

from driftlead.storage.schema import insert, references

__all__ = ["add_reference", "prune_references", "reference", "reference_name"]

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


def reference_name(connection: Connection, model: int, version: str, kind: str) -> str:
    """Return the name of the newest reference of a kind; an empty one where there is none."""
    of_kind = (_of.model == model, _of.version == version, _of.kind == kind)
    return connection.scalar(select(func.max(_of.name)).where(*of_kind)) or ""


def reference(connection: Connection, model: int, version: str, kind: str, name: str) -> bytes | None:
    """Return the content of a reference."""
    chosen = (_of.model == model, _of.version == version, _of.kind == kind, _of.name == name)
    return connection.scalar(select(_of.content).where(*chosen))


def prune_references(connection: Connection, model: int, version: str, before: float) -> None:
    """Remove those that other versions made long ago."""
    old = (_of.model == model, _of.version != version, _of.made_at < before)
    connection.execute(delete(references).where(*old))
