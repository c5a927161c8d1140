"""A server stops, hangs, or is made anew, and all is well again by itself."""

from __future__ import annotations

import time

import numpy as np
import psycopg
import pytest

from driftlead.errors import StorageError
from driftlead.storage import SqlStore
from tests.storage.rows import predicted

pytestmark = pytest.mark.server


def test_postgresql_is_stopped_and_comes_back(server):
    store = SqlStore(server.database(), model="digits", version="1")
    store.add_predictions(predicted(["a"]))
    server.stop()
    try:
        started = time.monotonic()
        with pytest.raises(StorageError, match=r"Connection refused|terminating connection"):
            store.add_labels(["a"], np.ones(1), received_at=1.0)
        with pytest.raises(StorageError, match="Connection refused"):
            store.episodes()
        assert time.monotonic() - started < 60, "it hung"
    finally:
        server.start()
    assert store.add_labels(["a"], np.ones(1), received_at=1.0).ids == ("a",)
    # Nobody notices a restart between two calls.
    server.stop()
    server.start()
    assert store.add_labels(["a"], np.ones(1), received_at=1.0).duplicate == 1
    store.close()


def test_a_statement_that_hangs_is_given_up(server):
    url = server.database()
    store = SqlStore(f"{url}?options=-c%20statement_timeout=200", model="digits", version="1")
    store.open()
    with psycopg.connect(url) as other:
        other.execute("LOCK TABLE driftlead_labels")
        with pytest.raises(StorageError, match="statement timeout"):
            store.add_labels(["a"], np.ones(1), received_at=1.0)
    assert store.add_labels(["a"], np.ones(1), received_at=1.0).unmatched == 1
    store.close()


@pytest.mark.parametrize("deferred", [False, True])
def test_a_server_that_is_lost_while_it_commits_leaves_it_uncertain(server, deferred):
    url = server.database()
    store = SqlStore(url, model="digits", version="1")
    store.open()
    when = "DEFERRABLE INITIALLY DEFERRED" if deferred else ""
    with psycopg.connect(url) as other:
        other.execute(
            "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS "
            "'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END'"
        )
        other.execute(
            f"CREATE CONSTRAINT TRIGGER die AFTER INSERT ON driftlead_labels {when} "
            "FOR EACH ROW EXECUTE FUNCTION die()"
        )
    with pytest.raises(StorageError, match="terminating connection") as caught:
        store.add_labels(["a"], np.ones(1), received_at=1.0)
    assert caught.value.uncertain == deferred
    with psycopg.connect(url) as other:
        other.execute("DROP TRIGGER die ON driftlead_labels")
    assert store.add_labels(["a"], np.ones(1), received_at=1.0).unmatched == 1
    store.close()


def test_a_database_that_is_made_anew_is_migrated_anew(server):
    url = server.database()
    store = SqlStore(url, model="digits", version="1")
    store.add_predictions(predicted(["a"]))
    with psycopg.connect(url) as other:
        other.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    with pytest.raises(StorageError, match="does not exist"):
        store.add_predictions(predicted(["a"]))
    assert store.add_predictions(predicted(["a"])).new == 1
    store.close()
