"""What is particular to SQLite: a file with one writer at a time, that may be replaced, or damaged."""

from __future__ import annotations

import sqlite3
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import URL, Connection, Engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

__all__ = ["File", "create_engine", "is_corrupt"]


class File:
    """A database's file and its journals.

    Parameters
    ----------
    path : str
        Where it is, or will be.

    Attributes
    ----------
    writer : threading.Lock
        Held while this process writes. SQLite has one writer at a time and lets the others poll: of eight
        threads without this lock some waited for seconds, with it for a tenth of one.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._opened: tuple[int, int] | None = None
        self.writer = threading.Lock()

    def make_folder(self) -> None:
        """Make the folder that it is to lie in."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)

    def remember(self) -> None:
        """Note which file it is that lies there now."""
        self._opened = self._identity()

    def replaced(self) -> bool:
        """Whether another file, or none, lies there since it was remembered."""
        return self._opened is not None and self._identity() != self._opened

    def set_aside(self) -> Path | None:
        """Rename the file with its journals; None where another process did so before."""
        if self.replaced() or not self._path.exists():
            return None
        aside = self._path.with_name(f"{self._path.name}.corrupt-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")
        # The journals first: beside a new file, they would be taken for its own.
        for suffix in ("-wal", "-shm", ""):
            part = self._path.with_name(self._path.name + suffix)
            if part.exists():
                part.rename(aside.with_name(aside.name + suffix))
        self._opened = None
        return aside

    def _identity(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino


def create_engine(url: URL, patience: int) -> Engine:
    """Make an engine whose connections wait ``patience`` seconds for another process that writes."""
    engine = sqlalchemy.create_engine(url, hide_parameters=True, pool_timeout=patience)

    @event.listens_for(engine, "connect")
    def set_up(connection: sqlite3.Connection, _: Any) -> None:
        connection.isolation_level = None  # transactions begin where we say
        # A bit that fell over in one text must not keep others from being read.
        connection.text_factory = lambda text: text.decode(errors="replace")
        for pragma in (
            f"busy_timeout = {patience * 1000}",
            # A commit is on the disk when it returns, and survives a power cut; for batches it costs little.
            "synchronous = FULL",
            # Pages, 64 MB. Labels in no order touch many, and fewer checkpoints write each fewer times.
            "wal_autocheckpoint = 16000",
            "journal_size_limit = 67108864",
            "cache_size = -32768",  # KiB
        ):
            connection.execute(f"PRAGMA {pragma}")
        _write_ahead(connection, patience)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A reader that turned writer could fail at once, however patient.
        writing = connection.get_execution_options().get("writing", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine


def _write_ahead(connection: sqlite3.Connection, patience: float) -> None:
    """Change to a write-ahead log. Of those who do so to a new file at once SQLite lets only one wait."""
    deadline = time.monotonic() + patience
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def is_corrupt(error: SQLAlchemyError) -> bool:
    """Whether an error says that the file is damaged or no database at all."""
    code = getattr(error.orig, "sqlite_errorcode", 0) if isinstance(error, DBAPIError) else 0
    # The low byte is the kind of error, what is above tells more of it.
    return code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
