"""Replicas on one store: what a person tells one of them, all know."""

from __future__ import annotations

import dataclasses
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from driftlead.monitor import MemoryStore, Monitor, StateFolder
from driftlead.storage import SqlStore
from tests.monitor.conftest import draw
from tests.monitor.test_monitor import wait_until


@pytest.fixture
def replicas(profile, settings):
    """Two monitors on one store, the second of which drifts."""
    store = MemoryStore()
    made = [Monitor(profile, settings, store=store, webhooks=["ops"]) for _ in range(2)]
    rng = np.random.default_rng(8)
    made[0].process(draw(rng, 300))
    made[1].process(np.concatenate([draw(rng, 300), draw(rng, 100, shift=3.0)]))
    written(*made)
    yield made
    for each in made:
        each.close()


def written(*monitors):
    for each in monitors:
        each._recorder.flush()


def told(store):
    return [each.body["type"].removeprefix("episode.") for each in store.claim_notifications(1e12, lease=0.0)]


def test_what_a_replica_is_told_of_anothers_episode_reaches_it(replicas):
    asked, owner = replicas
    heard = []
    owner.on_episode(lambda kind, episode: heard.append(kind))
    (episode,) = owner.snapshot().open_episodes
    asked.acknowledge(episode.id, "mia", "a lamp")
    written(asked)
    owner.process(draw(np.random.default_rng(9), 60, shift=3.0))  # and writes of it, not knowing yet
    written(owner)
    assert owner.store.episode(episode.id).document["acknowledged_by"] == "mia"
    owner._tidy()
    (known,) = owner.snapshot().open_episodes
    assert (known.status, known.acknowledged_by, known.note) == ("acknowledged", "mia", "a lamp")

    asked.resolve(episode.id, "tom")
    written(asked)
    owner._tidy()
    written(owner)
    assert owner.snapshot().open_episodes == ()
    kept = asked.episode(episode.id)
    assert (kept.status, kept.resolution, kept.resolved_by) == ("resolved", "closed", "tom")
    assert kept.acknowledged_by == "mia"
    assert kept.alarms >= known.alarms, "what its own replica knows of it was lost"
    assert [kind for kind in heard if kind != "updated"] == ["acknowledged", "resolved"]
    messages = [each for each in told(owner.store) if each != "updated"]
    assert messages == ["opened", "acknowledged", "resolved"], "somebody was told twice"
    assert asked.resolve(episode.id, "mia") == kept


def test_of_many_who_speak_at_once_the_first_is_heard_and_nobody_is_lost(profile, settings, tmp_path):
    rng = np.random.default_rng(5)
    for turn in range(8):
        url = f"sqlite:///{tmp_path}/{turn}.db"
        asked, owner = (
            Monitor(profile, settings, store=SqlStore(url, model="m", version="1")) for _ in range(2)
        )
        owner.process(np.concatenate([draw(rng, 300), draw(rng, 100, shift=3.0)]))
        written(owner)
        (episode,) = owner.snapshot().open_episodes
        heard = []
        asked.on_episode(lambda kind, episode, heard=heard: heard.append(kind))
        together = threading.Barrier(5)

        def say(speak, who, together=together, episode=episode):
            together.wait()
            return speak(episode.id, who)

        with ThreadPoolExecutor(5) as threads:
            acknowledged = [threads.submit(say, asked.acknowledge, who) for who in ("mia", "ada")]
            resolved = [threads.submit(say, asked.resolve, who) for who in ("tom", "eva", "kim")]
        (first,) = {each.result().acknowledged_by for each in acknowledged}
        (last,) = {each.result().resolved_by for each in resolved}
        written(asked, owner)
        document = owner.store.episode(episode.id).document
        assert (document["acknowledged_by"], document["resolved_by"]) == (first, last)
        assert sorted(heard) == ["acknowledged", "resolved"]
        asked.close()
        owner.close()


def test_the_first_word_stands_whichever_replica_heard_it(replicas):
    asked, owner = replicas
    (episode,) = owner.snapshot().open_episodes
    owner.acknowledge(episode.id, "mia")
    asked.acknowledge(episode.id, "tom")
    written(owner, asked)
    owner._tidy()
    written(owner)
    assert asked.episode(episode.id).acknowledged_by == "mia"
    assert owner.episode(episode.id).acknowledged_by == "mia"


def test_a_new_reference_of_one_replica_is_that_of_all(replicas, profile, settings, tmp_path):
    asked, other = replicas
    (episode,) = other.snapshot().open_episodes
    asked.rebaseline(400, by="mia")
    asked.process(draw(np.random.default_rng(2), 400, shift=3.0))
    wait_until(lambda: asked.snapshot().reference_mean[0] > 2.0)
    asked._tidy()
    other._tidy()
    np.testing.assert_array_equal(other.snapshot().reference_mean, asked.snapshot().reference_mean)
    assert [each.labels for each in other.snapshot().bins] == [each.labels for each in asked.snapshot().bins]
    for mine, theirs in zip(other.snapshot().detectors, asked.snapshot().detectors, strict=True):
        np.testing.assert_array_equal(mine.threshold, theirs.threshold)
    assert other.snapshot().open_episodes == ()
    assert other.episode(episode.id).resolved_by == "mia"
    other.process(draw(np.random.default_rng(3), 500, shift=3.0))
    assert other.snapshot().open_episodes == ()
    rows = other.snapshot().rows
    other._tidy()
    assert other.snapshot().rows == rows
    merged = Monitor.merged(profile, [asked.state(), other.state()], settings)
    assert merged.snapshot().rows == rows + asked.snapshot().rows

    later = Monitor(profile, settings, store=other.store, folder=StateFolder(tmp_path))
    later._tidy()  # one that starts later, or lost its state
    np.testing.assert_array_equal(later.snapshot().reference_mean, asked.snapshot().reference_mean)
    later.close()
    again = Monitor(profile, settings, store=other.store, folder=StateFolder(tmp_path))
    again.process(draw(np.random.default_rng(3), 50, shift=3.0))
    again._tidy()
    assert again.snapshot().rows == 50, "what it had was taken up anew"
    again.close()


def test_of_two_references_the_one_that_was_asked_for_last_stands(replicas):
    one, two = replicas
    one.rebaseline(400, by="mia")
    time.sleep(0.002)
    two.rebaseline(200, by="tom")  # later, and sooner there
    for monitor, rows, shift in ((two, 200, 5.0), (one, 400, 3.0)):
        monitor.process(draw(np.random.default_rng(2), rows, shift=shift))
        wait_until(lambda monitor=monitor: monitor.snapshot().collecting is None)
    for _ in range(2):
        one._tidy()
        two._tidy()
    assert one.snapshot().reference_mean[0] == two.snapshot().reference_mean[0] > 4.0


def test_a_reference_that_was_asked_for_before_the_one_that_holds_comes_too_late(replicas):
    one, two = replicas
    for monitor in replicas:
        monitor.rebaseline(200, by="mia")
        monitor.process(draw(np.random.default_rng(2), 200, shift=5.0))
        wait_until(lambda monitor=monitor: monitor.snapshot().collecting is None)
        time.sleep(0.002)
    # As when it was on its way from the store while the later one was made here.
    profile = two.profile
    two._rows.adopt(*one._rows.shared())
    assert two.profile is profile


def test_what_fails_with_other_replicas_keeps_no_label_waiting(replicas, monkeypatch):
    asked, _ = replicas
    monkeypatch.setattr(asked.store, "reference_name", lambda kind: 1 / 0)
    asked.feedback(["a"], [1])
    asked.process(draw(np.random.default_rng(2), 1), ids=["a"], scores=np.ones((1, 1), np.float32))
    written(asked)
    asked._tidy()
    assert asked.snapshot().labels.outcomes["matched"] == 1
    assert asked.snapshot().errors["rebaseline"] == 1


def test_a_store_that_lost_a_reference_is_told_it_again(replicas):
    asked, other = replicas
    asked.rebaseline(200, by="mia")
    asked.process(draw(np.random.default_rng(2), 200, shift=3.0))
    wait_until(lambda: asked.snapshot().collecting is None)
    asked._tidy()
    asked.store._references.clear()
    asked._tidy()
    other._tidy()
    assert other.snapshot().reference_mean[0] > 2.0


def test_a_reference_that_is_too_large_stays_at_home_and_is_told_once(replicas, monkeypatch, caplog):
    monkeypatch.setattr("driftlead.monitor.exchange._MOST_BYTES", 100)
    asked, other = replicas
    asked.rebaseline(200, by="mia")
    asked.process(draw(np.random.default_rng(2), 200, shift=3.0))
    wait_until(lambda: asked.snapshot().collecting is None)
    for _ in range(3):
        asked._tidy()
        other._tidy()
    assert other.snapshot().reference_mean[0] < 1.0
    assert [line for line in caplog.messages if "too large" in line] == [caplog.messages[-1]]


def test_a_reference_that_cannot_be_read_or_is_of_another_model_is_left_out(replicas, profile, settings):
    asked, other = replicas
    for name, content in (("00", b"no state"), ("001", b"")):
        other.store.add_reference("rows", name, content, 0.0)
        for _ in range(3):
            other._tidy()
    assert other.snapshot().errors["rebaseline"] == 2
    retrained = Monitor(dataclasses.replace(profile, model_hash="2e"), settings, store=MemoryStore())
    retrained.rebaseline(200, by="mia")
    retrained.process(draw(np.random.default_rng(2), 200, shift=3.0))
    wait_until(lambda: retrained.snapshot().collecting is None)
    retrained._tidy()
    name = retrained.store.reference_name("rows")
    other.store.add_reference("rows", name, retrained.store.reference("rows", name), 0.0)
    other._tidy()
    assert other.snapshot().errors["rebaseline"] == 3
    np.testing.assert_array_equal(other.snapshot().reference_mean, profile.means)
    asked.rebaseline(200, by="mia")
    asked.process(draw(np.random.default_rng(2), 200, shift=3.0))
    wait_until(lambda: asked.snapshot().collecting is None)
    asked._tidy()
    other._tidy()
    assert other.snapshot().reference_mean[0] > 2.0
