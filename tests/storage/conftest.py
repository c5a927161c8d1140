"""Every test of the store runs on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from driftlead.storage import SqlStore
from tests.postgres import PostgresServer, postgres_server


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.server)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    server: PostgresServer = request.getfixturevalue("server")
    return server.database()


@pytest.fixture
def make_store(url: str) -> Iterator[Callable[..., SqlStore]]:
    """Open stores in one database, as its replicas do; all are closed at the end."""
    made: list[SqlStore] = []

    def make(**arguments: object) -> SqlStore:
        made.append(SqlStore(url, **{"model": "digits", "version": "1", **arguments}))
        return made[-1]

    yield make
    for store in made:
        store.close()


@pytest.fixture
def store(make_store: Callable[..., SqlStore]) -> SqlStore:
    return make_store()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a file of SQLite will lie; the folder is yet to be made."""
    return tmp_path / "new folder" / "store.db"


@pytest.fixture
def file_store(path: Path) -> Iterator[SqlStore]:
    store = SqlStore(f"sqlite:///{path}", model="digits", version="1")
    yield store
    store.close()
