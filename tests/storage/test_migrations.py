"""Migrations keep what is there, are safe when replicas start together, and refuse what they do not know."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, create_engine, event, text

from driftlead.errors import StorageError
from driftlead.monitor.records import EpisodeRecord
from driftlead.storage.migrations import HEAD, current_revision, upgrade
from driftlead.storage.schema import metadata
from tests.storage.rows import predicted


@pytest.fixture
def connection(url):
    """A connection of its own to the database, without the store."""
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def fill_first_revision(connection: Connection) -> None:
    """What a program of revision 0001 would have left: written by hand, as it was then."""
    upgrade(connection, "0001")
    connection.execute(text("INSERT INTO driftlead_models (key, name) VALUES (7, 'digits')"))
    batch = predicted([f"id {number}" for number in range(1000)])
    rows = [
        {"id": id, "made_at": made_at, "outputs": outputs.tobytes()}
        for id, made_at, outputs in zip(batch.ids, batch.made_at.tolist(), batch.outputs, strict=True)
    ]
    connection.execute(
        text("INSERT INTO driftlead_predictions VALUES (7, :id, 'old', :made_at, :outputs)"), rows
    )
    for id, waiting in (("id 3", False), ("id 4", True), ("to come", True)):
        connection.execute(
            text("INSERT INTO driftlead_labels VALUES (7, :id, 1.5, 2000, :waiting)"),
            {"id": id, "waiting": waiting},
        )
    connection.commit()


def test_a_database_of_the_first_revision_loses_nothing(connection, store):
    fill_first_revision(connection)
    assert current_revision(connection) == "0001"
    connection.rollback()

    batch = predicted([f"id {number}" for number in range(1000)])
    assert store.add_predictions(batch).new == 0
    assert current_revision(connection) == HEAD
    waiting = store.join_waiting()
    assert (waiting.ids, waiting.labels.tolist()) == (("id 4",), [1.5])
    joined = store.add_labels(batch.ids, np.zeros(1000), received_at=3000.0)
    assert (len(joined), joined.duplicate) == (998, 2)
    kept = [number for number in range(1000) if number not in (3, 4)]
    np.testing.assert_array_equal(joined.outputs, batch.outputs[kept])
    np.testing.assert_array_equal(joined.made_at, batch.made_at[kept])
    store.add_predictions(predicted(["to come"]))
    assert store.join_waiting().ids == ("to come",)
    store.save_episode(EpisodeRecord("e", 1.0, None, None, {}), [("hook", {})])
    assert len(store.episodes()) == 1


def test_migrations_make_the_tables_that_the_program_names(connection, store):
    store.open()
    context = MigrationContext.configure(
        connection,
        opts={
            "compare_type": True,
            "include_name": lambda name, kind, _: kind != "table" or name != "driftlead_revision",
        },
    )
    assert compare_metadata(context, metadata) == []


def test_waiting_labels_are_found_by_their_index(connection, store):
    asked = []

    def note(_connection, _cursor, statement, parameters, _context, _many):
        if statement.startswith("SELECT driftlead_labels"):
            asked.append((statement, parameters))

    store.add_labels(["a"], np.ones(1), received_at=0.0)
    event.listen(Engine, "before_cursor_execute", note)
    try:
        store.join_waiting()
        store.prune(1e9)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET enable_seqscan = off")
    explain = "EXPLAIN " if connection.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN "
    assert len(asked) == 4
    for statement, parameters in asked:
        plan = str(connection.exec_driver_sql(explain + statement, parameters).all())
        assert "driftlead_labels_waiting" in plan, (statement, plan)


def test_a_database_newer_than_the_program_is_refused(connection, make_store):
    make_store().open()
    connection.execute(text("UPDATE driftlead_revision SET version_num = '9999'"))
    connection.commit()
    with pytest.raises(StorageError, match=f"revision 9999, newer than {HEAD}.*: upgrade the program"):
        make_store().open()
    assert connection.scalar(text("SELECT version_num FROM driftlead_revision")) == "9999"


def test_replicas_that_start_together_migrate_once(make_store):
    stores = [make_store() for _ in range(8)]
    barrier = threading.Barrier(len(stores))

    def start(number: int) -> int:
        barrier.wait()
        return stores[number].add_predictions(predicted([f"id {number}"])).new

    with ThreadPoolExecutor(len(stores)) as pool:
        assert list(pool.map(start, range(len(stores)))) == [1] * len(stores)
    # All found one key for the model.
    ids = [f"id {number}" for number in range(len(stores))]
    assert len(stores[0].add_labels(ids, np.zeros(len(ids)), received_at=1.0)) == len(ids)
