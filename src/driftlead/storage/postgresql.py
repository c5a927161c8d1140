"""What is particular to PostgreSQL: a server elsewhere, that may be gone, or there and silent."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Any

import sqlalchemy
from sqlalchemy import URL, Engine, event

from driftlead.errors import StorageError

__all__ = ["create_engine"]


def create_engine(url: URL, patience: int) -> Engine:
    """Make an engine whose connections and statements take ``patience`` seconds at most, or fail.

    The server ends a slow statement itself. One that hangs does not; its connection is given up here, a
    second later.

    Raises
    ------
    StorageError
        When the driver is not installed.
    """
    try:
        import psycopg
    except ModuleNotFoundError:
        raise StorageError("PostgreSQL needs psycopg: pip install 'driftlead[postgres]'") from None

    class PatientConnection(psycopg.Connection[Any]):
        """A connection that does not wait for ever: a server that is stopped keeps its sockets alive."""

        def wait(self, gen: Generator[Any, int, Any], *arguments: Any, **named: Any) -> Any:
            return super().wait(_within(gen, patience + 1, self._give_up), *arguments, **named)

        def _give_up(self, seconds: float) -> None:
            # What it was asked may still be done and answered: nobody must read that as another answer.
            self.close()
            raise psycopg.OperationalError(f"no answer for {seconds} seconds")

    arguments = {
        "connect_timeout": patience,
        # A host that is gone sends nothing, not even a refusal: when we send, and when we wait for an answer.
        "tcp_user_timeout": patience * 1000,
        "keepalives_idle": patience,
        "keepalives_interval": 1,
        "keepalives_count": patience,
        "options": f"-c statement_timeout={patience}s -c idle_in_transaction_session_timeout={2 * patience}s",
        "application_name": "driftlead",
    }
    engine = sqlalchemy.create_engine(
        url,
        # What the URL says itself comes first.
        connect_args={key: value for key, value in arguments.items() if key not in url.query},
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,
        pool_timeout=patience,
        hide_parameters=True,
    )

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Any, record: Any, given: Any, named: Any) -> Any:
        return PatientConnection.connect(*given, **named)

    return engine


def _within(
    steps: Generator[Any, int, Any], seconds: float, give_up: Callable[[float], None]
) -> Generator[Any, int, Any]:
    """Pass on the steps of an exchange with the server; ``give_up`` raises after a long silence."""
    deadline = time.monotonic() + seconds
    try:
        wanted = next(steps)
        while True:
            ready = yield wanted
            # 0: a moment went by, and nothing came. Else there is something to read, however late it is.
            if not ready and time.monotonic() > deadline:
                give_up(seconds)
            wanted = steps.send(ready)
    except StopIteration as end:
        return end.value
