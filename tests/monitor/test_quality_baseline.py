"""A new reference is one of errors too, once labels of its time have come."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from driftlead.errors import StateError
from driftlead.monitor import MemoryStore, Monitor, StateFolder
from tests.monitor.test_feedback import SETTINGS, Served, profile, rng  # noqa: F401  (fixtures)
from tests.monitor.test_monitor import wait_until

RARE = dataclasses.replace(SETTINGS, false_alarm_every=1_000_000.0)
WANTED = RARE.quality_window


@pytest.fixture
def serve(profile, rng):  # noqa: F811
    def serve(**more):
        return Served(profile, rng, RARE, **more)

    return serve


def label(served, rows, wrong=0.5):
    """Serve rows and label them, more of them than usual as other classes than was predicted."""
    ids, _, truth = served.serve(rows)
    tell(served, ids, truth, wrong)


def tell(served, ids, truth, wrong):
    other = served.rng.random(len(ids)) < wrong
    served.monitor.feedback(ids, np.where(other, (truth + 1) % 3, truth))


def rebaselined(served):
    """Ask for a reference of rows and wait until it holds; labels come later."""
    served.now += 60.0
    served.monitor.rebaseline(200, by="mia", note="new labels")
    served.serve(200)
    wait_until(lambda: served.monitor.snapshot().collecting is None)
    wait_until(lambda: served.monitor._feedback._baseline._collection is not None)


def test_errors_are_judged_by_the_new_reference_once_it_has_labels(serve):
    served = serve()
    before = served.labels
    usual = before.reference_metrics["accuracy"]
    for _ in range(4):
        label(served, 50)
    (episode,) = served.monitor.snapshot().open_episodes
    assert episode.opened_by[0].startswith("performance:")
    late, _, truth = served.serve(300)
    rebaselined(served)
    assert served.labels.reference_metrics == before.reference_metrics

    tell(served, late, truth, wrong=0.9)  # of another time: no part of the reference
    label(served, WANTED - 1)
    assert served.labels.reference_metrics == before.reference_metrics, "one label too early"
    label(served, 1)
    after = served.labels
    assert after.reference_metrics["accuracy"] == pytest.approx(usual / 2 + (1 - usual) / 4, abs=0.08)
    assert after.estimate.estimate < usual - 0.1
    assert after.rows == 200 + 300 + WANTED
    assert served.monitor.snapshot().open_episodes == ()
    record = served.monitor.episode(episode.id)
    assert (record.resolution, record.resolved_by, record.note) == ("rebaselined", "mia", "new labels")

    for _ in range(20):
        label(served, 50)
    assert served.monitor.snapshot().open_episodes == ()
    for _ in range(20):
        label(served, 50, wrong=1.0)
    assert served.monitor.snapshot().open_episodes


def test_an_episode_is_told_of_even_if_the_labels_behind_it_make_no_reference(serve, monkeypatch):
    def take(*_):
        raise ValueError("no reference of these")

    served = serve()
    told = []
    served.monitor.on_episode(lambda kind, episode: told.append(kind))
    monkeypatch.setattr(served.monitor._feedback._baseline, "take", take)
    for _ in range(4):
        label(served, 50, wrong=1.0)
    assert served.monitor.snapshot().errors["quality"] == 4
    assert len(served.monitor.snapshot().open_episodes) == 1
    wait_until(lambda: "opened" in told)


def test_the_new_reference_of_errors_is_that_of_every_later_process(serve, tmp_path):
    store = MemoryStore()
    first = serve(store=store, folder=StateFolder(tmp_path))
    trained = first.labels.reference_metrics
    rebaselined(first)
    label(first, WANTED // 2)
    first.monitor.close()

    second = serve(store=store, folder=StateFolder(tmp_path))
    second.now, second.turn = first.now, first.turn
    assert second.labels.reference_metrics == trained
    assert second.monitor.snapshot().rows == first.monitor.snapshot().rows
    label(second, WANTED // 2)
    renewed = second.labels
    assert renewed.reference_metrics["accuracy"] < trained["accuracy"] - 0.1
    label(second, 100)
    again = second.labels
    second.monitor.close()

    third = serve(store=store, folder=StateFolder(tmp_path))
    assert third.labels.reference_metrics == renewed.reference_metrics
    assert (third.labels.rows, third.labels.metrics) == (again.rows, again.metrics)
    assert third.labels.estimate == again.estimate
    third.monitor.close()
    assert not list(tmp_path.glob("*.aside"))


def test_states_with_one_new_reference_merge_and_others_do_not(serve, profile):  # noqa: F811
    served = serve()
    rebaselined(served)
    label(served, WANTED)
    label(served, 100)
    state = served.monitor.state()
    merged = Monitor.merged(profile, [state, state], RARE).snapshot()
    assert merged.rows == 2 * served.monitor.snapshot().rows
    assert merged.labels.reference_metrics == served.labels.reference_metrics
    np.testing.assert_array_equal(merged.reference_mean, served.monitor.snapshot().reference_mean)
    with pytest.raises(StateError, match="another model, reference or setting"):
        Monitor.merged(profile, [state, serve().monitor.state()], RARE)
    for damaged in ({}, "x", 5, {"name": "only"}):
        broken = {**state, "feedback": {**state["feedback"], "renewed": damaged}}
        with pytest.raises(StateError):
            Monitor.merged(profile, [broken], RARE)
