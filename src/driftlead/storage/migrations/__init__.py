"""Bring a database's tables up to date, keeping what is in them."""

from __future__ import annotations

import threading
from pathlib import Path

from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from driftlead.errors import StorageError

__all__ = ["HEAD", "current_revision", "upgrade"]

_scripts = ScriptDirectory(str(Path(__file__).parent))
_operations = threading.Lock()  # alembic.op is one for the process

#: The revision that this program works with.
HEAD = str(_scripts.get_current_head())


def current_revision(connection: Connection) -> str | None:
    """Return the revision of a database, None before the first.

    Raises
    ------
    StorageError
        When it is of a newer program.
    """
    revision = _context(connection).get_current_revision()
    if revision is not None and revision not in _revisions():
        raise StorageError(
            f"the database is of revision {revision}, newer than {HEAD}, the newest that this program knows: "
            "upgrade the program"
        )
    return revision


def upgrade(connection: Connection, target: str = HEAD) -> None:
    """Migrate within the connection's transaction; whoever comes second waits, and finds it done."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('driftlead'))"))
        # Rewriting a large table may take longer than any other statement is given.
        connection.execute(text("SET LOCAL statement_timeout = 0"))
    revisions = _revisions()
    current = current_revision(connection)
    done = 0 if current is None else revisions.index(current) + 1
    context = _context(connection)
    for revision in revisions[done : revisions.index(target) + 1]:
        with _operations, Operations.context(context):
            _scripts.get_revision(revision).module.upgrade()
        context.stamp(_scripts, revision)


def _revisions() -> list[str]:
    """Oldest first."""
    return [script.revision for script in _scripts.walk_revisions()][::-1]


def _context(connection: Connection) -> MigrationContext:
    return MigrationContext.configure(connection, opts={"version_table": "driftlead_revision"})
