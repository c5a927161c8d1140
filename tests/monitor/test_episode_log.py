"""Episodes are kept as they are now, whoever asks, and none stays open that nobody watches."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from driftlead.errors import InvalidParameterError, StorageError
from driftlead.monitor import MemoryStore, Monitor, StateFolder
from driftlead.monitor.pruner import Pruner
from tests.monitor.conftest import draw


@pytest.fixture
def store():
    return MemoryStore()


def drifting(profile, settings, rng, **more):
    """A monitor with an open episode, its time a second a row."""
    now = [1_000.0]
    monitor = Monitor(profile, settings, clock=lambda: now[0], **more)
    monitor.process(draw(rng, 300))
    monitor.process(draw(rng, 100, shift=3.0))
    (episode,) = monitor.snapshot().open_episodes
    return monitor, episode.id, now


def test_an_episode_whose_watcher_lost_its_state_is_resolved(profile, settings, rng, store, tmp_path):
    first, lost, _ = drifting(profile, settings, rng, store=store, folder=StateFolder(tmp_path))
    first._recorder.flush()
    first.close()
    other, foreign, _ = drifting(profile, settings, rng, store=store, folder=StateFolder(tmp_path / "b"))
    other._recorder.flush()
    (tmp_path / "monitor.state").unlink()
    second = Monitor(profile, settings, store=store, folder=StateFolder(tmp_path))
    second._tidy()
    second._recorder.flush()
    assert store.episode(lost).document["resolution"] == "lost"
    assert store.episode(foreign).document["status"] == "open", "another replica's episode is not ours to end"
    second.close()
    other.close()


def test_the_state_knows_an_episode_before_the_store_does(profile, settings, rng, tmp_path):
    seen = []

    class Watched(MemoryStore):
        def save_episode(self, episode, notify=()):
            copy = tmp_path / f"copy-{len(seen)}"
            copy.mkdir()
            (copy / "monitor.state").write_bytes((tmp_path / "monitor.state").read_bytes())
            killed_now = Monitor(profile, settings, folder=StateFolder(copy))
            seen.append((episode.id, [each.id for each in killed_now.snapshot().open_episodes]))
            killed_now.close()
            super().save_episode(episode, notify)

    monitor, episode_id, _ = drifting(profile, settings, rng, store=Watched(), folder=StateFolder(tmp_path))
    monitor._recorder.flush()
    assert seen == [(episode_id, [episode_id])]
    monitor.close()


def test_an_end_that_is_not_written_yet_is_not_undone_by_a_person(profile, settings, rng, store):
    monitor, episode_id, now = drifting(profile, settings, rng, store=store)
    monitor._recorder.flush()
    monitor.process(draw(rng, 800))
    assert not monitor.snapshot().open_episodes
    assert store.episode(episode_id).resolved_at is None, "the end still waits to be written"
    assert [each.status for each in monitor.episodes()] == ["resolved"]
    now[0] += 5.0
    assert monitor.acknowledge(episode_id, "mia").status == "resolved"
    monitor._recorder.flush()
    record = store.episode(episode_id)
    assert (record.document["status"], record.document["acknowledged_by"]) == ("resolved", "mia")
    assert record.resolved_at is not None


def test_who_acknowledges_again_changes_nothing_and_nobody_is_told(profile, settings, rng, store):
    monitor, episode_id, now = drifting(profile, settings, rng, store=store, webhooks=["hook"])
    kinds = []
    monitor.on_episode(lambda kind, episode: kinds.append(kind))
    for who in ("mia", "tom", "mia"):
        now[0] += 1.0
        assert monitor.acknowledge(episode_id, who).acknowledged_by == "mia"
    assert kinds == ["acknowledged"]
    monitor._recorder.flush()
    told = [message.body["type"] for message in store.claim_notifications(2_000.0, lease=9.0, limit=99)]
    assert told.count("episode.acknowledged") == 1


def test_a_person_ends_an_episode(profile, settings, rng, store):
    monitor, episode_id, _ = drifting(profile, settings, rng, store=store)
    episode = monitor.resolve(episode_id, "mia", "a test")
    assert (episode.resolution, episode.resolved_by, episode.note) == ("closed", "mia", "a test")
    assert not monitor.snapshot().open_episodes
    assert monitor.resolve(episode_id, "tom").resolved_by == "mia"
    with pytest.raises(InvalidParameterError, match="episode_id must be the id of an episode"):
        monitor.resolve("none", "mia")
    with pytest.raises(InvalidParameterError, match="by must be a name"):
        monitor.resolve(episode_id, " ")


def test_who_speaks_of_one_episode_does_not_wait_for_who_speaks_of_another(profile, settings, rng):
    asked, go_on = threading.Event(), threading.Event()

    class Slow(MemoryStore):
        def episode(self, episode_id):
            if episode_id == slow_id:
                asked.set()
                assert go_on.wait(30)
            return super().episode(episode_id)

    slow_id = ""
    store = Slow()
    ids = []
    for _ in range(2):
        monitor, episode_id, _ = drifting(profile, settings, rng, store=store)
        monitor._recorder.flush()
        ids.append(episode_id)
    told = Monitor(profile, settings, store=store)
    slow_id = ids[0]
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(told.acknowledge, ids[0], "mia")
        assert asked.wait(30)
        assert told.acknowledge(ids[1], "tom").acknowledged_by == "tom"
        assert not waiting.done()
        go_on.set()
        assert waiting.result().acknowledged_by == "mia"


@pytest.mark.parametrize("episode_id", ["none", "a\0b", "\ud800", "", "x" * 400])
def test_what_is_no_episode_is_said(profile, settings, episode_id):
    with pytest.raises(InvalidParameterError, match="episode_id must be the id of an episode"):
        Monitor(profile, settings).acknowledge(episode_id, "mia")


def test_a_context_starts_and_closes(profile, settings, rng):
    with Monitor(profile, settings) as monitor:
        monitor.observe(draw(rng, 50))
    assert monitor.snapshot().rows == 50
    assert np.isnan(monitor.snapshot().labels.lag_seconds)


def test_what_a_person_said_survives_a_crash_while_the_database_is_down(profile, settings, rng, tmp_path):
    class DeadStore(MemoryStore):
        def save_episode(self, episode, notify=()):
            raise StorageError("it is down")

    first, episode_id, _ = drifting(
        profile, settings, rng, store=DeadStore(), folder=StateFolder(tmp_path), webhooks=["hook"]
    )
    first.resolve(episode_id, "mia", "sensor swapped")
    first._keeper.save()
    killed = tmp_path / "killed"
    killed.mkdir()
    for name in ("monitor.state", "owner.lock"):
        (killed / name).write_bytes((tmp_path / name).read_bytes())
    store = MemoryStore()
    second = Monitor(profile, settings, store=store, folder=StateFolder(killed))
    second._recorder.flush()
    second._tidy()
    record = store.episode(episode_id)
    assert (record.document["resolution"], record.document["note"]) == ("closed", "sensor swapped")
    told = [each.body["type"] for each in store.claim_notifications(9e9, lease=9.0, limit=99)]
    assert told[-1] == "episode.resolved"
    second.close()
    first.close()


def test_nothing_is_removed_while_the_clock_may_be_wrong():
    removed = []

    class Pruned(MemoryStore):
        def prune(self, now):
            removed.append(now)
            return 0

    now = [1_000_000.0]
    pruner = Pruner(Pruned(), lambda: now[0])
    pruner.run()
    assert removed == [1_000_000.0]
    pruner._due = 0.0
    now[0] += 400 * 86_400.0
    pruner.run()
    now[0] -= 400 * 86_400.0
    pruner.run()
    assert removed == [1_000_000.0]
