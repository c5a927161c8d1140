"""References that a person asked for, in their table; within the caller's transaction."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, delete, func, select

from driftlead.storage.schema import insert, references

__all__ = ["add_reference", "prune_references", "reference", "reference_name"]


def add_reference(
    connection: Connection, model: int, version: str, kind: str, name: str, content: bytes, made_at: float
) -> None:
    """Keep a reference, unless it is known or a newer one is; older ones of its kind go."""
    if reference_name(connection, model, version, kind) >= name:
        return
    row = insert(connection, references).values(
        model=model, version=version, kind=kind, name=name, made_at=made_at, content=content
    )
    connection.execute(row.on_conflict_do_nothing())
    older = references.c.name < name
    connection.execute(delete(references).where(*_of_kind(model, version, kind), older))


def reference_name(connection: Connection, model: int, version: str, kind: str) -> str:
    """Return the name of the newest reference of a kind; an empty one where there is none."""
    newest = select(func.max(references.c.name)).where(*_of_kind(model, version, kind))
    return connection.scalar(newest) or ""


def reference(connection: Connection, model: int, version: str, kind: str, name: str) -> bytes | None:
    """Return the content of a reference."""
    named = references.c.name == name
    return connection.scalar(select(references.c.content).where(*_of_kind(model, version, kind), named))


def prune_references(connection: Connection, model: int, version: str, before: float) -> None:
    """Remove those that other versions made long ago."""
    of_others = (references.c.model == model, references.c.version != version)
    connection.execute(delete(references).where(*of_others, references.c.made_at < before))


def _of_kind(model: int, version: str, kind: str) -> tuple[ColumnElement[bool], ...]:
    return references.c.model == model, references.c.version == version, references.c.kind == kind
