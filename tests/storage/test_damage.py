"""What a damaged row holds takes no other with it, whatever it is."""

from __future__ import annotations

import dataclasses
import json
import logging

import numpy as np
import pytest
import sqlalchemy

from driftlead.monitor import Monitor, MonitorSettings
from driftlead.monitor.episode import Episode
from driftlead.monitor.records import EpisodeRecord
from driftlead.reference import ReferenceProfile
from driftlead.signals import Signal
from tests.storage.rows import predicted

DAMAGES = {
    "cut short": {"outputs": b"\0\0\0"},
    "far too long": {"outputs": b"\0" * 40_004},
    "made never": {"made_at": float("inf")},
    "no label": {"label": float("-inf")},
    "a text where outputs were": {"outputs": "abcd"},
    "a number where outputs were": {"outputs": 10**12},
    "no time": {"made_at": "noon"},
    "no version": {"version": b"\xff\xfe"},
    "no number": {"label": "cat"},
}
ONLY_SQLITE = {name for name, values in DAMAGES.items() if not isinstance(next(iter(values.values())), float)}
ONLY_SQLITE -= {"cut short", "far too long"}


@pytest.fixture
def change(url):
    """Change one row of a table behind the store's back."""
    engine = sqlalchemy.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    mark = "?" if url.startswith("sqlite") else "%s"

    def change(table, id, **values):
        ((column, value),) = values.items()
        given = mark
        if isinstance(value, bytes) and column != "outputs":
            given = f"CAST({mark} AS TEXT)"
        with engine.begin() as connection:
            statement = f"UPDATE driftlead_{table} SET {column} = {given} WHERE id = {mark}"
            assert connection.exec_driver_sql(statement, (value, id)).rowcount == 1

    yield change
    engine.dispose()


@pytest.fixture(params=DAMAGES)
def damage(request, url):
    if request.param in ONLY_SQLITE and not url.startswith("sqlite"):
        pytest.skip("PostgreSQL keeps no such value in such a column")
    return DAMAGES[request.param]


def test_labels_join_around_a_damaged_row(store, change, damage):
    store.add_labels(["a", "b", "c"], np.array([1.0, 2.0, 0.0]), received_at=500.0)
    store.add_predictions(predicted(["a", "b", "c", "d"]))
    change("labels" if "label" in damage else "predictions", "b", **damage)
    joined = store.join_waiting()
    if "version" in damage:  # then it is of another one
        assert joined.own.tolist() == [True, False, True]
    else:
        assert (joined.ids, joined.labels.tolist(), joined.damaged) == (("a", "c"), [1.0, 0.0], ("b",))
        assert joined.outputs.shape == (2, 3)
    assert len(store.join_waiting()) == 0
    assert store.join_waiting().damaged == ()
    store.add_predictions(predicted(["e"]))
    assert store.add_labels(["d", "e"], np.zeros(2), received_at=600.0).ids == ("d", "e")
    assert store.prune(1e9) > 0


def test_a_label_that_comes_for_a_damaged_prediction_is_kept_and_counted(store, change):
    store.add_predictions(predicted(["a", "b"]))
    change("predictions", "b", outputs=b"\0\0\0")
    joined = store.add_labels(["a", "b"], np.ones(2), received_at=1.0)
    assert (joined.ids, joined.unmatched, joined.damaged) == (("a",), 1, ("b",))
    assert store.add_labels(["b"], np.ones(1), received_at=1.0).duplicate == 1
    assert store.add_predictions(predicted(["b"])).same_id == 1


def test_a_monitor_counts_damage_and_says_so_once(store, change, caplog):
    rng = np.random.default_rng(0)
    profile = ReferenceProfile.from_rows([Signal("a")], rng.normal(size=(500, 1)), model_hash="1")
    monitor = Monitor(profile, MonitorSettings(window=100), store=store)
    monitor.process(rng.normal(size=(3, 1)), ids=["a", "b", "c"], scores=np.ones((3, 1), np.float32))
    monitor._recorder.flush()
    for id in "ab":
        change("predictions", id, outputs=b"\0\0\0")
    with caplog.at_level(logging.ERROR):
        assert monitor.feedback(["a", "c"], [1, 1]).matched == 1
        assert monitor.feedback(["b"], [1]).unmatched == 1
    assert monitor.snapshot().dropped_predictions["damaged"] == 2
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("the prediction a or its label is damaged in the database")
    monitor.close()


def episode(id: str) -> EpisodeRecord:
    whole = Episode(id, 0.0, 9, ("feature:a", "nmddm"), 500, 3, 0.0, 9, 0.0, 1, (), 1)
    return dataclasses.replace(whole, replica="me").to_record()


@pytest.mark.parametrize("document", ["{", "[]", "{}", json.dumps({"signals": 3}), b'{"id": "\xff'])
def test_a_damaged_episode_takes_no_other_with_it(store, change, document, url):
    if isinstance(document, bytes) and not url.startswith("sqlite"):
        pytest.skip("PostgreSQL keeps no such text")
    rng = np.random.default_rng(0)
    profile = ReferenceProfile.from_rows([Signal("a")], rng.normal(size=(500, 1)), model_hash="1")
    for id in ("one", "two"):
        store.save_episode(episode(id))
    change("episodes", "one", document=document)
    monitor = Monitor(profile, MonitorSettings(window=100), store=store)
    assert [each.id for each in monitor.episodes()] == ["two"]
    assert monitor.episode("one") is None
    monitor._log._replica = "me"
    monitor._tidy()
    monitor._recorder.flush()
    assert [each.resolution for each in monitor.episodes()] == ["lost"]
    assert monitor.snapshot().errors["storage"] == 0
    assert monitor.snapshot().errors["episodes"] > 0
    monitor.close()


def test_a_damaged_message_holds_up_no_other(store, change):
    store.save_episode(episode("one"), [("hook", {"n": 1}), ("hook", {"n": 2})])
    (first, _) = store.claim_notifications(1e12, lease=0.0)
    change("notifications", first.id, body="{")
    assert [each.body for each in store.claim_notifications(2e12, lease=0.0)] == [{"n": 2}]
    assert [each.body for each in store.claim_notifications(3e12, lease=0.0)] == [{"n": 2}]
