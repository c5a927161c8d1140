"""Whatever breaks around a monitor, serving goes on, counters tell, and it mends by itself."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import subprocess
import threading
import time

import numpy as np
import pytest

from driftlead import state
from driftlead.errors import StorageError
from driftlead.monitor import Monitor, MonitorSettings, StateFolder
from driftlead.reference import ReferenceProfile
from driftlead.signals import feature_signals
from driftlead.storage import SqlStore
from tests.monitor.test_monitor import wait_until
from tests.postgres import postgres_server

QUICK = MonitorSettings(
    window=100, false_alarm_every=100_000, save_every_seconds=0.1, linger_seconds=0.0, queue_rows=50_000
)
LABELLED = np.array([[0.2, 0.8]], dtype=np.float32)


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.fixture
def profile(rng):
    rows = rng.normal(size=(2_000, 2))
    labels = (rng.random(2_000) < 0.75).astype(float)
    profile = ReferenceProfile.from_rows(feature_signals(["a", "b"]), rows, model_hash="1f")
    return profile.with_quality(np.repeat(LABELLED, 2_000, axis=0), labels)


def served(monitor, rng, names, shift=0.0):
    for name in names:
        monitor.observe(rng.normal(shift, 1.0, size=(1, 2)), ids=[name], scores=LABELLED)


@pytest.mark.server
def test_a_database_that_stops_and_comes_back(profile, rng):
    with postgres_server() as server:
        store = SqlStore(server.database(), model="m", version="1f")
        monitor = Monitor(profile, QUICK, store=store)
        monitor.start()
        served(monitor, rng, ["before"])
        assert monitor.feedback(["before"], [1]).matched == 1
        server.stop()
        began = time.monotonic()
        served(monitor, rng, [f"during-{number}" for number in range(500)])
        assert time.monotonic() - began < 5.0, "serving waited for the database"
        with pytest.raises(StorageError):
            monitor.feedback(["during-0"], [1])
        wait_until(lambda: monitor.snapshot().errors["storage"] >= 1)
        wait_until(lambda: monitor.snapshot().rows == 501)
        assert monitor.snapshot().waiting_predictions == 500
        server.start()
        wait_until(lambda: monitor.snapshot().waiting_predictions == 0, seconds=60.0)
        names = [f"during-{number}" for number in range(500)]
        assert monitor.feedback(["before", *names], [1] * 501).matched == 500
        assert sum(monitor.snapshot().dropped_predictions.values()) == 0
        monitor.close()


@pytest.mark.server
def test_a_database_that_is_frozen_holds_nobody_for_ever(profile, rng, monkeypatch):
    monkeypatch.setattr("driftlead.storage.database.PATIENCE", 1)
    with postgres_server() as server:
        store = SqlStore(server.database(), model="m", version="1f")
        monitor = Monitor(profile, QUICK, store=store)
        monitor.start()
        served(monitor, rng, ["before", "later"])
        assert monitor.feedback(["before"], [1]).matched == 1
        with server.frozen():
            served(monitor, rng, ["during"])
            with pytest.raises(StorageError, match=r"no answer for 2 seconds|connection timeout|busy"):
                monitor.feedback(["later"], [1])
            wait_until(lambda: monitor.snapshot().rows == 3)
        wait_until(lambda: monitor.snapshot().waiting_predictions == 0, seconds=60.0)
        assert monitor.feedback(["later", "during"], [1, 1]).unmatched == 0
        monitor.close()


def test_a_database_that_was_never_there(profile, rng, tmp_path):
    store = SqlStore("postgresql://nobody@127.0.0.1:9/none", model="m", version="1f")
    monitor = Monitor(profile, QUICK, store=store, folder=StateFolder(tmp_path))
    monitor.start()
    served(monitor, rng, [f"r{number}" for number in range(200)], shift=3.0)
    wait_until(lambda: monitor.snapshot().rows == 200)
    assert monitor.snapshot().open_episodes
    with pytest.raises(StorageError):
        monitor.feedback(["r0"], [1])
    monitor.close()
    assert monitor.snapshot().dropped_predictions["closed"] == 200


@contextlib.contextmanager
def small_disk(folder, size="1m"):
    """A file system of its own that is soon full."""
    folder.mkdir()
    if os.getuid() != 0:
        pytest.skip("only root can mount a file system")
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def fill(folder):
    with contextlib.suppress(OSError), (folder / "ballast").open("wb") as file:
        while True:
            file.write(bytes(4096))
            file.flush()
    return folder / "ballast"


def test_a_disk_that_is_full_and_then_is_not(profile, rng, tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        store = SqlStore(f"sqlite:///{disk}/kept.db", model="m", version="1f")
        monitor = Monitor(profile, QUICK, store=store, folder=StateFolder(disk / "state"))
        monitor.start()
        served(monitor, rng, ["before"])
        assert monitor.feedback(["before"], [1]).matched == 1
        file = disk / "state" / "monitor.state"
        wait_until(lambda: file.exists() and state.load(file, "monitor")[1]["detection"]["rows"] == 1)
        ballast = fill(disk)
        names = [f"during-{number}" for number in range(3_000)]
        served(monitor, rng, names)
        wait_until(lambda: monitor.snapshot().rows == 3_001)
        wait_until(lambda: monitor.snapshot().errors["state"] >= 1)
        wait_until(lambda: monitor.snapshot().errors["storage"] >= 1)
        # What was saved before is whole.
        assert state.load(file, "monitor")[1]["detection"]["rows"] >= 1
        ballast.unlink()
        wait_until(lambda: monitor.snapshot().waiting_predictions == 0, seconds=60.0)
        known = names[: 3_000 - sum(monitor.snapshot().dropped_predictions.values())]
        assert len(known) == 3_000
        outcome = monitor.feedback(["before", *known], [1] * 3_001)
        assert (outcome.matched, outcome.duplicate) == (3_000, 1)
        saved = monitor.snapshot().saved_at or 0.0
        wait_until(lambda: (monitor.snapshot().saved_at or 0.0) > saved)
        monitor.close()


def test_a_clock_that_is_set_back(profile, rng, tmp_path):
    now = [1_700_000_000.0]
    store = SqlStore(f"sqlite:///{tmp_path}/kept.db", model="m", version="1f")
    monitor = Monitor(profile, QUICK, store=store, folder=StateFolder(tmp_path), clock=lambda: now[0])
    monitor.process(rng.normal(size=(1, 2)), ids=["a"], scores=LABELLED)
    monitor.process(rng.normal(size=(300, 2)))
    monitor.process(rng.normal(3.0, 1.0, size=(100, 2)))
    (episode,) = monitor.snapshot().open_episodes
    now[0] -= 86_400.0
    assert monitor.feedback(["a"], [1]).matched == 1
    assert monitor.snapshot().labels.lag_seconds == 0.0
    monitor.process(rng.normal(size=(600, 2)))
    assert not monitor.snapshot().open_episodes
    monitor.process(rng.normal(3.0, 1.0, size=(100, 2)))
    assert len(monitor.episodes()) == 2
    assert monitor.snapshot().rows == 1_101
    monitor.close()
    again = Monitor(profile, QUICK, folder=StateFolder(tmp_path), clock=lambda: now[0])
    assert again.snapshot().rows == 1_101
    again.close()
    assert episode.id


def test_a_queue_that_is_flooded(profile, rng):
    monitor = Monitor(profile, dataclasses.replace(QUICK, queue_rows=2_000, kept_predictions=1_000))
    monitor.start()
    rows = rng.normal(size=(400, 2))
    scores = np.repeat(LABELLED, 400, axis=0)

    def flood(number):
        for turn in range(50):
            monitor.observe(rows, ids=[f"{number}/{turn}/{row}" for row in range(400)], scores=scores)

    threads = [threading.Thread(target=flood, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_until(lambda: monitor.snapshot().queue_rows == 0)
    wait_until(lambda: monitor.snapshot().waiting_predictions == 0)
    monitor.close()
    snapshot = monitor.snapshot()
    assert snapshot.dropped_rows["queue_full"] > 0
    assert snapshot.dropped_predictions["buffer_full"] > 0
    assert snapshot.rows + snapshot.dropped_rows["queue_full"] == 8 * 50 * 400
    assert sum(snapshot.errors.values()) == 0


def test_a_detector_that_raises(profile, rng, monkeypatch):
    monitor = Monitor(profile, QUICK)
    monitor.start()
    watch = next(each for each in monitor._rows._detection.watches if each.name == "incremental_ks")

    def fail(slots):
        raise RuntimeError("a detector with a fault")

    with monkeypatch.context() as patched:
        patched.setattr(watch.detector, "update_located", fail)
        monitor.observe(rng.normal(size=(500, 2)))
        wait_until(lambda: monitor.snapshot().errors["incremental_ks"] >= 1)
        monitor.observe(rng.normal(3.0, 1.0, size=(100, 2)))
        wait_until(lambda: monitor.snapshot().rows == 600)
        assert {alarm.detector for alarm in monitor.snapshot().recent_alarms} == {"page_hinkley", "nmddm"}
    monitor.observe(rng.normal(3.0, 1.0, size=(150, 2)))
    monitor.close()
    assert "incremental_ks" in {alarm.detector for alarm in monitor.snapshot().recent_alarms}


def test_a_disk_that_is_slow(profile, rng, tmp_path, monkeypatch):
    hurdle = threading.Event()
    save = state.save

    def slowly(*arguments, **options):
        hurdle.wait(30)
        save(*arguments, **options)

    monkeypatch.setattr(state, "save", slowly)
    monitor = Monitor(profile, QUICK, folder=StateFolder(tmp_path))
    monitor.start()
    served(monitor, rng, [f"r{number}" for number in range(300)])
    wait_until(lambda: monitor.snapshot().rows == 300)
    assert monitor.snapshot().saved_at is None
    hurdle.set()
    wait_until(lambda: monitor.snapshot().saved_at is not None)
    monitor.close()


def test_a_callback_that_raises_or_asks_for_more(profile, rng):
    monitor = Monitor(profile, QUICK)
    seen = []

    def curious(kind, episode):
        seen.append((kind, monitor.snapshot().rows, [each.id for each in monitor.episodes()]))

    def broken(kind, episode):
        raise SystemExit("this must not end the worker")

    monitor.on_episode(broken)
    monitor.on_episode(curious)
    monitor.start()
    monitor.observe(rng.normal(size=(300, 2)))
    monitor.observe(rng.normal(3.0, 1.0, size=(100, 2)))
    monitor.observe(rng.normal(size=(300, 2)))
    monitor.close()
    assert [kind for kind, _, _ in seen] == ["opened", "resolved"]
    assert monitor.snapshot().errors["callback"] == 2
    assert monitor.snapshot().rows == 700
