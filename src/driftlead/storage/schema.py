"""The tables, as the newest migration leaves them.

An id is unique per name of a model, over all its versions: a label may arrive after a deployment.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    any_,
    func,
    literal,
    select,
    true,
)
from sqlalchemy.dialects import postgresql, sqlite

from driftlead.monitor.records import LONGEST_ID

__all__ = [
    "among",
    "episodes",
    "insert",
    "insert_new",
    "labels",
    "metadata",
    "models",
    "notifications",
    "predictions",
    "references",
]

metadata = MetaData()

# With a statement for each row the interpreter would change hands at each, away from the thread that serves.
_ROWS_A_STATEMENT = 199  # of five columns: SQLite before 3.32 takes 999 values

# Compared byte by byte: faster than by the rules of a language, and the same on every server.
_Id = String(LONGEST_ID).with_variant(postgresql.VARCHAR(LONGEST_ID, collation="C"), "postgresql")

models = Table(
    "driftlead_models",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
)

predictions = Table(
    "driftlead_predictions",
    metadata,
    Column("model", Integer, primary_key=True, autoincrement=False),
    Column("id", _Id, primary_key=True),
    Column("version", Text, nullable=False),
    Column("made_at", Double, nullable=False),
    Column("outputs", LargeBinary, nullable=False),  # float32, little-endian; empty: of several
    Index("driftlead_predictions_made_at", "model", "made_at"),
)

labels = Table(
    "driftlead_labels",
    metadata,
    Column("model", Integer, primary_key=True, autoincrement=False),
    Column("id", _Id, primary_key=True),
    Column("label", Double, nullable=False),
    Column("received_at", Double, nullable=False),
    Column("waiting", Boolean, nullable=False),  # for its prediction
    sqlite_with_rowid=False,
)
Index(
    "driftlead_labels_waiting",
    labels.c.model,
    labels.c.received_at,
    labels.c.id,
    sqlite_where=labels.c.waiting == true(),  # as SQLAlchemy says it in a query, or the index is not used
    postgresql_where=labels.c.waiting,
)

episodes = Table(
    "driftlead_episodes",
    metadata,
    Column("model", Integer, primary_key=True, autoincrement=False),
    Column("id", _Id, primary_key=True),
    Column("opened_at", Double, nullable=False),
    Column("resolved_at", Double),
    Column("acknowledged_at", Double),
    Column("document", Text, nullable=False),  # JSON
    Index("driftlead_episodes_opened_at", "model", "opened_at"),
)

references = Table(
    "driftlead_references",
    metadata,
    Column("model", Integer, primary_key=True, autoincrement=False),
    Column("version", _Id, primary_key=True),
    Column("kind", _Id, primary_key=True),  # of rows, or of quality
    Column("name", _Id, primary_key=True),  # a later one sorts after
    Column("made_at", Double, nullable=False),
    Column("content", LargeBinary, nullable=False),  # a file of driftlead.state
)

notifications = Table(
    "driftlead_notifications",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("model", Integer, nullable=False),
    Column("target", Text, nullable=False),
    Column("body", Text, nullable=False),  # JSON
    Column("attempts", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("due_at", Double, nullable=False),
    Index("driftlead_notifications_due_at", "model", "due_at"),
    # SQLite would give the number of a message that is gone to a new one, and finishing twice would lose it.
    sqlite_autoincrement=True,
)


def insert(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """Start an INSERT that can say what to do on a conflict."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


def insert_new(
    connection: Connection, table: Table, names: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> set[str]:
    """Insert rows, as (model, id, ...), whose id is new, and return these ids. All are of one model."""
    if not rows:
        return set()
    if connection.dialect.name == "postgresql":
        # An array for each column: psycopg is slow with a thousand parameters.
        arrays = [
            literal(list(values), postgresql.ARRAY(table.c[name].type))
            for name, values in zip(names, zip(*rows, strict=True), strict=True)
        ]
        unnested = func.unnest(*arrays).table_valued(*names).render_derived()
        statement = postgresql.insert(table).from_select(names, select(unnested)).on_conflict_do_nothing()
        return set(connection.scalars(statement.returning(table.c.id)))
    # A writer is alone in SQLite: what it does not find now is new.
    ids = [row[1] for row in rows]
    known = set(
        connection.scalars(
            select(table.c.id).where(table.c.model == rows[0][0], among(connection, table.c.id, ids))
        )
    )
    marks = f"({', '.join('?' * len(names))})"
    for start in range(0, len(rows), _ROWS_A_STATEMENT):
        some = rows[start : start + _ROWS_A_STATEMENT]
        connection.exec_driver_sql(
            f"INSERT INTO {table.name} ({', '.join(names)}) VALUES {', '.join([marks] * len(some))} "
            "ON CONFLICT DO NOTHING",
            tuple(chain.from_iterable(some)),
        )
    return set(ids) - known


def among(connection: Connection, ids: ColumnElement[str], given: Sequence[str]) -> ColumnElement[bool]:
    """Condition that an id is one of those given, however many: they are one parameter."""
    if connection.dialect.name == "postgresql":
        return ids == any_(literal(given, postgresql.ARRAY(ids.type)))
    each = func.json_each(json.dumps(given)).table_valued("value")
    return ids.in_(select(each.c.value))
