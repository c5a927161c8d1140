"""Predictions and episodes reach the store, in order, however the store behaves."""

from __future__ import annotations

import logging
import threading
import time

import numpy as np
import pytest

from driftlead.errors import StorageError
from driftlead.monitor.memory_store import MemoryStore
from driftlead.monitor.recorder import Recorder
from driftlead.monitor.records import EpisodeRecord
from tests.monitor.test_monitor import wait_until


class Unsteady(MemoryStore):
    """A store that can be down, slow, or unable to take some predictions, and notes what it was given."""

    def __init__(self):
        super().__init__()
        self.down = False
        self.gate = threading.Event()
        self.gate.set()
        self.batches = []
        self.written = []

    def add_predictions(self, batch):
        self.gate.wait(10)
        if self.down:
            raise StorageError("it is down")
        if any(name.startswith("poison") for name in batch.ids):
            raise ValueError("cannot be stored")
        self.batches.append(len(batch))
        return super().add_predictions(batch)

    def save_episode(self, episode, notify=()):
        if self.down:
            raise StorageError("it is down")
        self.written.append(episode.document["turn"])
        super().save_episode(episode, notify)


@pytest.fixture
def store():
    return Unsteady()


@pytest.fixture
def errors():
    return []


def recorder_of(store, errors, capacity=1_000, every=0.01, max_bytes=10_000_000):
    return Recorder(store, capacity, max_bytes, every, errors.append)


def scores(rows, width=2):
    return np.full((rows, width), 0.5, dtype=np.float32)


def episode(turn, name="e"):
    return EpisodeRecord(name, 0.0, None, None, {"turn": turn})


def labelled(store, names):
    return len(store.add_labels(names, np.zeros(len(names)), 0.0))


def test_predictions_are_written_together(store, errors):
    recorder = recorder_of(store, errors)
    for number in range(50):
        recorder.offer([f"r{number}"], scores(1), 1.0)
    assert len(recorder) == 50
    recorder.flush()
    assert store.batches == [50]
    assert len(recorder) == 0
    assert labelled(store, [f"r{number}" for number in range(50)]) == 50


def test_outputs_of_another_width_go_apart(store, errors):
    recorder = recorder_of(store, errors)
    for number, width in enumerate((2, 2, 3, 3, 3, 2)):
        recorder.offer([f"r{number}"], scores(1, width), 1.0)
    recorder.flush()
    assert store.batches == [2, 3, 1]


def test_what_a_dead_store_does_not_take_waits_and_follows(store, errors):
    recorder = recorder_of(store, errors)
    store.down = True
    recorder.start()
    recorder.offer(["a"], scores(1), 1.0)
    recorder.save_episode(episode(1))
    wait_until(lambda: errors)
    assert len(recorder) == 1
    store.down = False
    wait_until(lambda: len(recorder) == 0 and store.written == [1])
    recorder.close()
    assert labelled(store, ["a"]) == 1
    assert set(errors) == {"storage"}
    assert sum(recorder.dropped.values()) == 0


def test_a_full_buffer_drops_what_comes_last_and_counts_it(store, errors):
    recorder = recorder_of(store, errors, capacity=10)
    for number in range(5):
        recorder.offer([f"{number}/{row}" for row in range(4)], scores(4), 1.0)
    assert recorder.dropped["buffer_full"] == 12
    recorder.flush()
    assert labelled(store, ["0/0", "1/3", "2/0"]) == 2


def test_outputs_take_no_more_memory_than_allowed(store, errors):
    recorder = Recorder(store, 1_000, 4_000, 60.0, errors.append)
    for number in range(6):
        recorder.offer([f"r{number}"], scores(1, 300), 1.0)
    assert (len(recorder), recorder.dropped["buffer_full"]) == (3, 3)
    recorder.flush()
    recorder.offer(["again"], scores(1, 300), 1.0)
    assert len(recorder) == 1


def test_a_slow_store_does_not_hold_up_who_offers(store, errors):
    recorder = recorder_of(store, errors)
    store.gate.clear()
    recorder.start()
    recorder.offer(["a"], scores(1), 1.0)
    time.sleep(0.05)
    began = time.monotonic()
    for number in range(100):
        recorder.offer([f"b{number}"], scores(1), 1.0)
    # The store sleeps for up to ten seconds: one offer that waited for it would take longer than this.
    assert time.monotonic() - began < 5.0
    store.gate.set()
    recorder.close()
    assert labelled(store, ["a", "b0", "b99"]) == 3


def test_predictions_that_cannot_be_stored_do_not_block_others(store, errors):
    recorder = recorder_of(store, errors)
    recorder.offer(["poison"], scores(1), 1.0)
    recorder.flush()
    recorder.offer(["sound"], scores(1), 1.0)
    recorder.flush()
    assert recorder.dropped["refused"] == 1
    assert errors == ["recorder"]
    assert labelled(store, ["sound"]) == 1


def test_one_prediction_that_cannot_be_stored_takes_no_other_with_it(store, errors):
    recorder = recorder_of(store, errors)
    for name in ("a", "poison", "b"):
        recorder.offer([name], scores(1), 1.0)
    recorder.flush()
    assert recorder.dropped["refused"] == 1
    assert len(recorder) == 0
    assert labelled(store, ["a", "b"]) == 2


@pytest.mark.parametrize("name", ["\ud800", "", "a\0b", "x" * 301])
def test_ids_that_are_none_are_refused(store, errors, name):
    recorder = recorder_of(store, errors, capacity=3, max_bytes=2 * scores(1).nbytes)
    recorder.offer([name], scores(1), 1.0)
    recorder.offer(["a", "b"], scores(1), 1.0)
    assert len(recorder) == 0
    assert recorder.dropped["invalid"] == 3
    recorder.offer(["a", "b"], scores(2), 1.0)
    assert len(recorder) == 2, "what was refused still takes room"


def test_only_the_latest_state_of_an_episode_is_written_and_every_message(store, errors):
    recorder = recorder_of(store, errors)
    for turn in range(3):
        recorder.save_episode(episode(turn), [("hook", {"turn": turn})])
    recorder.save_episode(episode(7, "other"))
    recorder.flush()
    assert store.written == [2, 7]
    messages = store.claim_notifications(1.0, lease=10.0)
    assert [message.body["turn"] for message in messages] == [0, 1, 2]


def test_what_was_said_of_an_episode_that_waits_stands(store, errors):
    recorder = recorder_of(store, errors)
    said = EpisodeRecord("e", 1.0, None, 5.0, {"acknowledged_by": "mia"})
    recorder.save_episode(said)
    recorder.save_episode(EpisodeRecord("e", 1.0, 7.0, None, {"acknowledged_by": None, "resolution": "lost"}))
    waiting = recorder.episode("e")
    assert (waiting.acknowledged_at, waiting.resolved_at) == (5.0, 7.0)
    assert waiting.document == {"acknowledged_by": "mia", "resolution": "lost"}


def test_closing_writes_what_waits_and_counts_what_it_cannot(store, errors):
    recorder = recorder_of(store, errors, every=60.0)
    recorder.start()
    recorder.offer(["a"], scores(1), 1.0)
    recorder.close()
    assert labelled(store, ["a"]) == 1
    recorder.offer(["late"], scores(1), 1.0)
    assert recorder.dropped["closed"] == 1

    other = recorder_of(store, errors, every=60.0)
    other.start()
    other.offer(["b", "c"], scores(2), 1.0)
    store.down = True
    other.close()
    assert other.dropped["closed"] == 2
    assert len(other) == 0


def test_closing_waits_no_longer_for_a_store_than_it_may(store, errors):
    recorder = recorder_of(store, errors, every=60.0)
    recorder.start()
    recorder.offer(["a"], scores(1), 1.0)
    store.gate.clear()
    recorder.close(timeout=0.1)
    assert recorder._thread.is_alive(), "it was waited for"
    assert recorder.dropped["closed"] == 1
    store.gate.set()
    recorder._thread.join(20)
    assert not errors


def test_an_outage_is_told_once_and_its_end_too(store, errors, caplog):
    recorder = recorder_of(store, errors)
    store.down = True
    with caplog.at_level(logging.INFO, logger="driftlead.monitor.recorder"):
        recorder.start()
        recorder.offer(["a"], scores(1), 1.0)
        wait_until(lambda: len(errors) >= 2)
        store.down = False
        wait_until(lambda: len(recorder) == 0)
        wait_until(lambda: len(caplog.records) == 2)
        recorder.close()
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
