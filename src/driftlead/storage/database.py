"""One database: its connections, its transactions, its errors in one line, and its recovery."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TypeVar

from sqlalchemy import Connection, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from driftlead.errors import InvalidParameterError, StorageError
from driftlead.storage import postgresql, sqlite
from driftlead.storage.migrations import HEAD, current_revision, upgrade
from driftlead.storage.schema import insert, models

__all__ = ["Database"]

Result = TypeVar("Result")

_log = logging.getLogger(__name__)

#: Seconds after which a database that does not answer counts as gone.
PATIENCE = 5


class Database:
    """A database and the key of one model in it.

    It connects and migrates with the first transaction, and looks again after every failure: a database may
    be down when the program starts, restart, be restored or replaced beneath it.

    Parameters
    ----------
    url : str
        ``sqlite:///path`` or ``postgresql://user:password@host/name``.
    model : str
        Name of the model.

    Raises
    ------
    InvalidParameterError
        When the URL is of no such kind.
    StorageError
        When its driver is not installed.
    """

    def __init__(self, url: str, model: str) -> None:
        self._url = _parse(url)
        self._model_name = model
        self._model: int | None = None
        self._opening = threading.Lock()
        self._file: sqlite.File | None = None
        if self._url.get_backend_name() == "sqlite":
            self._file = sqlite.File(str(self._url.database))
            self._engine = sqlite.create_engine(self._url, PATIENCE)
        else:
            self._engine = postgresql.create_engine(self._url, PATIENCE)

    def __str__(self) -> str:
        return self._url.render_as_string(hide_password=True)

    def read(self, work: Callable[[Connection, int], Result]) -> Result:
        """Call a function with a connection and the model's key, in a transaction that changes nothing."""
        return self._run(work, writing=False)

    def write(self, work: Callable[[Connection, int], Result]) -> Result:
        """Call a function with a connection and the model's key, in a transaction, durable on return."""
        return self._run(work, writing=True)

    def open(self) -> None:
        """Connect, and migrate if need be."""
        self.read(lambda connection, model: None)

    def close(self) -> None:
        """Let go of all connections; the next transaction connects again."""
        self._engine.dispose()

    def _run(self, work: Callable[[Connection, int], Result], *, writing: bool) -> Result:
        try:
            return self._attempt(work, writing=writing)
        except _SetAsideError:
            return self._attempt(work, writing=writing)

    def _attempt(self, work: Callable[[Connection, int], Result], *, writing: bool) -> Result:
        with self._errors_in_one_line():
            model = self._open()
            with self._transaction(writing=writing) as connection:
                return work(connection, model)

    def _open(self) -> int:
        if self._file is not None and self._file.replaced():
            self._forget()
        if (model := self._model) is not None:
            return model
        with self._holding(self._opening):
            if self._model is None:
                self._model = self._migrate()
            return self._model

    def _migrate(self) -> int:
        """Bring the tables up to date and return the model's key."""
        if self._file is not None:
            self._file.make_folder()
        key = select(models.c.key).where(models.c.name == self._model_name)
        model: int | None = None
        with self._transaction(writing=False) as connection:
            revision = current_revision(connection)
            if revision == HEAD:
                model = connection.scalar(key)
        if model is None:
            with self._transaction(writing=True) as connection:
                upgrade(connection)
                new = insert(connection, models).values(name=self._model_name)
                connection.execute(new.on_conflict_do_nothing())
                model = connection.scalar(key)
        if self._file is not None:
            self._file.remember()
        assert model is not None
        return model

    @contextmanager
    def _transaction(self, *, writing: bool) -> Iterator[Connection]:
        turn = self._holding(self._file.writer) if self._file is not None and writing else nullcontext()
        with turn, self._engine.connect() as connection:
            connection.execution_options(writing=writing)
            with connection.begin() as transaction:
                yield connection
                try:
                    transaction.commit()
                except SQLAlchemyError as error:
                    if self._file is not None:
                        raise  # a file tells at once
                    self._model = None
                    raise StorageError(f"{self}: {_reason(error)}", uncertain=writing) from error

    @contextmanager
    def _holding(self, lock: threading.Lock) -> Iterator[None]:
        if not lock.acquire(timeout=PATIENCE):
            raise StorageError(f"{self}: busy for more than {PATIENCE} seconds")
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def _errors_in_one_line(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            self._model = None  # look again, next time
            reason = _reason(error)
            if self._file is not None and sqlite.is_corrupt(error):
                self._set_aside(reason)
                raise _SetAsideError(f"{self}: {reason}") from error
            raise StorageError(f"{self}: {reason}") from error
        except OSError as error:
            raise StorageError(f"{self}: {error}") from error

    def _set_aside(self, reason: str) -> None:
        assert self._file is not None
        with self._holding(self._file.writer):
            aside = self._file.set_aside()
        self._forget()
        if aside is not None:
            _log.warning("%s: %s; set aside as %s, a new one is begun", self, reason, aside)

    def _forget(self) -> None:
        self._model = None
        self._engine.dispose()


def _reason(error: SQLAlchemyError) -> str:
    return " ".join(str(getattr(error, "orig", None) or error).split())


class _SetAsideError(StorageError):
    """A file was damaged, and is out of the way now."""


def _parse(url: str) -> URL:
    rule = "sqlite:///path or postgresql://user:password@host/name"
    shown = url.rsplit("@", 1)[-1]  # without the password
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise InvalidParameterError("url", rule, shown) from None
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    file = parsed.database not in (None, "", ":memory:") and "memory" not in parsed.query.get("mode", "")
    if parsed.drivername not in ("sqlite", "postgresql+psycopg") or (
        parsed.drivername == "sqlite" and not file
    ):
        raise InvalidParameterError("url", rule, shown)
    return parsed
