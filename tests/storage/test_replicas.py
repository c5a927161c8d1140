"""Replicas on one database: each label is joined once, each message claimed once, and nobody deadlocks."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import psycopg
import pytest

from driftlead.monitor.records import EpisodeRecord, JoinedLabels, PredictionBatch
from driftlead.storage import SqlStore
from tests.storage.rows import predicted

IDS = [f"{number:03}" for number in range(600)]


def drain(store: SqlStore) -> list[JoinedLabels]:
    joined = []
    while len(each := store.join_waiting()):
        joined.append(each)
    return joined


def together(*works) -> list:
    """Call all at the same time, each in a thread."""
    barrier = threading.Barrier(len(works))

    def start(work):
        barrier.wait()
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return [future.result() for future in [pool.submit(start, work) for work in works]]


def test_predictions_and_labels_that_come_at_once_all_meet_once(make_store):
    stores = [make_store() for _ in range(6)]
    for store in stores:
        store.open()
    rng = np.random.default_rng(3)

    def send_predictions(store: SqlStore, order: np.ndarray) -> list[JoinedLabels]:
        for part in np.array_split(order, 20):
            batch = [IDS[number] for number in part]
            store.add_predictions(PredictionBatch(batch, part * 1.0, part[:, None].astype(np.float32)))
        return []

    def send_labels(store: SqlStore, order: np.ndarray) -> list[JoinedLabels]:
        return [
            store.add_labels([IDS[number] for number in part], part * 2.0, received_at=1.0)
            for part in np.array_split(order, 20)
        ]

    def join(store: SqlStore) -> list[JoinedLabels]:
        return [store.join_waiting() for _ in range(30)]

    # Predictions and labels are each sent by two replicas, in different orders.
    works = [
        *(partial(send_predictions, store, rng.permutation(600)) for store in stores[:2]),
        *(partial(send_labels, store, rng.permutation(600)) for store in stores[2:4]),
        *(partial(join, store) for store in stores[4:]),
    ]
    joined = [each for answers in together(*works) for each in answers] + drain(stores[0])
    assert Counter(id for each in joined for id in each.ids) == Counter(IDS)
    assert sum(each.duplicate for each in joined) == 600
    for each in joined:
        numbers = [IDS.index(id) for id in each.ids]
        np.testing.assert_array_equal(each.labels, np.array(numbers) * 2.0)
        np.testing.assert_array_equal(each.made_at, numbers)
        np.testing.assert_array_equal(each.outputs.ravel(), numbers)


def test_messages_are_claimed_by_one_replica(make_store):
    stores = [make_store() for _ in range(4)]
    stores[0].save_episode(EpisodeRecord("e", 1.0, None, None, {}), [("hook", {"n": n}) for n in range(200)])

    def claim(store: SqlStore) -> list[int]:
        claimed: list[int] = []
        while batch := store.claim_notifications(1e12, lease=60.0):
            claimed += [each.id for each in batch]
        return claimed

    claimed = [id for ids in together(*(partial(claim, store) for store in stores)) for id in ids]
    assert len(claimed) == len(set(claimed)) == 200


def test_two_replicas_prune_at_once(make_store, monkeypatch):
    monkeypatch.setattr("driftlead.storage.store._REMOVED", 20)
    stores = [make_store(), make_store()]
    stores[0].add_predictions(predicted(IDS))
    stores[0].add_labels(IDS, np.zeros(len(IDS)), received_at=1.0)
    assert sum(together(*(partial(store.prune, 1e9) for store in stores))) == 2 * len(IDS)


@pytest.fixture
def other(server):
    """A store on PostgreSQL, and a connection of another replica, in the middle of a transaction."""
    url = server.database()
    store = SqlStore(url, model="digits", version="1")
    store.open()
    with psycopg.connect(url) as connection:
        yield store, connection
    store.close()


@pytest.mark.server
def test_a_label_meets_a_prediction_that_is_being_inserted(other):
    store, connection = other
    connection.execute("INSERT INTO driftlead_predictions VALUES (1, 'a', '1', 5, %b)", [b"\0\0\0\0"])
    assert store.add_labels(["a"], np.ones(1), received_at=1.0).unmatched == 1
    assert len(store.join_waiting()) == 0
    connection.commit()
    assert store.join_waiting().ids == ("a",)


@pytest.mark.server
def test_a_prediction_meets_a_label_that_is_being_inserted(other):
    store, connection = other
    connection.execute("INSERT INTO driftlead_labels VALUES (1, 'a', 1, 5, true)")
    store.add_predictions(predicted(["a"]))
    assert len(store.join_waiting()) == 0
    connection.commit()
    assert store.join_waiting().ids == ("a",)


@pytest.mark.server
def test_what_another_replica_is_claiming_is_left_to_it_without_waiting(other):
    store, connection = other
    store.add_labels(["a", "b"], np.ones(2), received_at=1.0)
    store.add_predictions(predicted(["a", "b"]))
    connection.execute("UPDATE driftlead_labels SET waiting = false WHERE id = 'a'")
    assert store.join_waiting().ids == ("b",)
    connection.commit()
    assert len(store.join_waiting()) == 0


@pytest.mark.server
def test_the_label_that_is_committed_first_stands(other):
    store, connection = other
    store.add_predictions(predicted(["a"]))
    connection.execute("INSERT INTO driftlead_labels VALUES (1, 'a', 7, 5, false)")
    with ThreadPoolExecutor(1) as pool:
        waits = pool.submit(store.add_labels, ["a"], np.ones(1), 1.0)
        connection.commit()
        assert waits.result().duplicate == 1


@pytest.mark.server
@pytest.mark.parametrize("table", ["predictions", "labels"])
def test_replicas_insert_in_one_order_and_never_wait_in_a_circle(other, table):
    store, connection = other
    insert = {
        "predictions": "INSERT INTO driftlead_predictions VALUES (1, %s, '1', 5, '')",
        "labels": "INSERT INTO driftlead_labels VALUES (1, %s, 7, 5, true)",
    }[table]
    connection.execute(insert, ["a"])
    with ThreadPoolExecutor(1) as pool:
        if table == "predictions":
            waits = pool.submit(store.add_predictions, predicted(["b", "a"]))
        else:
            waits = pool.submit(store.add_labels, ["b", "a"], np.ones(2), 1.0)
        with psycopg.connect(connection.info.dsn, autocommit=True) as watcher:
            blocked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = %s"
            while not watcher.execute(blocked, [connection.info.dbname]).fetchone()[0]:
                assert not waits.done()
        connection.execute(insert, ["b"])
        connection.commit()
        answer = waits.result()
    assert (answer.new if table == "predictions" else len(answer)) == 0
