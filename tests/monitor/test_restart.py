"""A monitor goes on where the one before it ended, whatever happened in between."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import re
import time

import numpy as np
import pytest

from driftlead.errors import StateError
from driftlead.monitor import MemoryStore, Monitor, MonitorSettings, StateFolder
from tests.monitor.conftest import draw
from tests.monitor.test_monitor import wait_until


def seen(monitor):
    """What can be seen of a monitor, apart from what belongs to its process."""
    found = monitor.snapshot().to_json()
    del found["state_saved_at"]
    return json.dumps(found)


@pytest.fixture
def begun():
    """Start monitors that are closed after the test."""
    monitors = []

    def begin(profile, settings, folder, **more):
        more.setdefault("clock", lambda: 1_000.0)
        monitors.append(Monitor(profile, settings, folder=StateFolder(folder), **more))
        return monitors[-1]

    yield begin
    for monitor in monitors:
        monitor.close()


def test_a_restarted_monitor_goes_on_as_if_it_had_never_stopped(begun, profile, settings, rng, tmp_path):
    rows = np.concatenate([draw(rng, 900), draw(rng, 60, shift=1.5), draw(rng, 700)])
    rows[::13, 1] = np.nan
    straight = Monitor(profile, settings, clock=lambda: 1_000.0)
    straight.process(rows)
    store = MemoryStore()
    for start, end in ((0, 333), (333, 930), (930, 1_000), (1_000, len(rows))):
        monitor = begun(profile, settings, tmp_path, store=store)
        monitor.process(rows[start:end])
        monitor.close()
    again = begun(profile, settings, tmp_path, store=store)
    left, right = json.loads(seen(straight)), json.loads(seen(again))
    for each in (left, right):
        for episode in each["episodes"]:
            del episode["id"]
    assert left == right
    assert len(store.episodes()) == 1


def test_what_was_told_before_the_end_is_not_told_again(begun, profile, settings, rng, tmp_path):
    store = MemoryStore()
    monitor = begun(profile, settings, tmp_path, store=store, webhooks=["ops"])
    monitor.process(draw(rng, 300))
    monitor.process(draw(rng, 60, shift=2.0))
    monitor.close()
    told = [each.body["type"] for each in store.claim_notifications(1e12, lease=0.0, limit=100)]
    assert "episode.opened" in told
    begun(profile, settings, tmp_path, store=store, webhooks=["ops"]).close()
    again = [each.body["type"] for each in store.claim_notifications(1e12, lease=0.0, limit=100)]
    assert again == told


def test_an_open_episode_is_the_same_one_after_a_restart(begun, profile, settings, rng, tmp_path):
    store = MemoryStore()
    first = begun(profile, settings, tmp_path, store=store)
    first.process(np.concatenate([draw(rng, 500), draw(rng, 100, shift=2.0)]))
    (episode,) = first.snapshot().open_episodes
    first.close()
    second = begun(profile, settings, tmp_path, store=store)
    assert [each.id for each in second.snapshot().open_episodes] == [episode.id]
    second.acknowledge(episode.id, "mia", "a new sensor")
    second.process(draw(rng, 2_000))
    second.close()
    (record,) = store.episodes()
    assert record.id == episode.id
    assert record.document["status"] == "resolved"
    assert (record.document["acknowledged_by"], record.document["note"]) == ("mia", "a new sensor")


def test_counters_for_prometheus_begin_at_zero_in_every_process(begun, profile, settings, rng, tmp_path):
    first = begun(profile, settings, tmp_path)
    first.process(np.concatenate([draw(rng, 500), draw(rng, 100, shift=2.0)]))
    first.close()
    second = begun(profile, settings, tmp_path)
    snapshot = second.snapshot()
    assert (snapshot.rows, snapshot.rows_since_start) == (600, 0)
    assert not any(counts.any() for counts in snapshot.bin_counts)
    assert any(detector.alarms.any() for detector in snapshot.detectors)
    assert not any(detector.alarms_since_start.any() for detector in snapshot.detectors)
    second.process(draw(rng, 7))
    assert {int(counts.sum()) for counts in second.snapshot().bin_counts} == {7}


def test_another_budget_keeps_the_windows_and_takes_the_new_thresholds(
    begun, profile, settings, rng, tmp_path
):
    rows = draw(rng, 700)
    first = begun(profile, settings, tmp_path)
    first.process(rows)
    first.close()
    stricter = dataclasses.replace(settings, false_alarm_every=10_000_000.0)
    second, fresh = begun(profile, stricter, tmp_path), Monitor(profile, stricter)
    fresh.process(rows)
    for mine, theirs in zip(second.snapshot().detectors, fresh.snapshot().detectors, strict=True):
        np.testing.assert_array_equal(mine.threshold, theirs.threshold)
        if mine.name != "page_hinkley":  # which restarts at its threshold
            np.testing.assert_array_equal(mine.statistic, theirs.statistic)


@pytest.mark.parametrize("damage", [b"", b"PK\3\4 no longer a state", None])
def test_a_damaged_state_is_set_aside_and_the_monitor_starts(
    begun, profile, settings, rng, tmp_path, caplog, damage
):
    first = begun(profile, settings, tmp_path)
    first.process(draw(rng, 700))
    first.close()
    file = tmp_path / "monitor.state"
    whole = file.read_bytes()
    damaged = damage if damage is not None else whole[: len(whole) // 2]
    file.write_bytes(damaged)
    with caplog.at_level(logging.WARNING):
        second = begun(profile, settings, tmp_path)
    assert second.snapshot().rows == 0
    (aside,) = tmp_path.glob("monitor.state.*.aside")
    assert aside.read_bytes() == damaged
    assert any("is set aside" in record.getMessage() for record in caplog.records)


def test_every_flipped_byte_is_continued_or_set_aside_but_never_fatal(
    begun, profile, settings, rng, tmp_path
):
    first = begun(profile, settings, tmp_path)
    first.process(draw(rng, 300))
    first.close()
    file = tmp_path / "monitor.state"
    whole = file.read_bytes()
    for place in rng.integers(0, len(whole), 60):
        broken = bytearray(whole)
        broken[place] ^= 0xFF
        file.write_bytes(bytes(broken))
        monitor = begun(profile, settings, tmp_path)
        monitor.process(draw(rng, 5))
        monitor.close()


@pytest.mark.parametrize("change", [{"window": 120}, {"delta": 0.5}, {"detectors": ("nmddm",)}, {"seed": 3}])
def test_a_state_of_other_settings_is_set_aside(begun, profile, settings, rng, tmp_path, change):
    first = begun(profile, settings, tmp_path)
    first.process(draw(rng, 700))
    first.close()
    second = begun(profile, dataclasses.replace(settings, **change), tmp_path)
    assert second.snapshot().rows == 0
    assert len(list(tmp_path.glob("*.aside"))) == 1


def test_a_state_of_another_model_is_set_aside(begun, profile, settings, rng, tmp_path):
    first = begun(profile, settings, tmp_path)
    first.process(draw(rng, 700))
    first.close()
    second = begun(dataclasses.replace(profile, model_hash="2e"), settings, tmp_path)
    assert second.snapshot().rows == 0
    assert len(list(tmp_path.glob("*.aside"))) == 1


def test_the_state_is_saved_every_few_seconds_and_is_for_its_owner_alone(
    begun, profile, settings, rng, tmp_path
):
    quick = dataclasses.replace(settings, save_every_seconds=0.1, linger_seconds=0.0)
    monitor = begun(profile, quick, tmp_path, clock=time.time)
    monitor.start()
    monitor.observe(draw(rng, 50))
    wait_until(lambda: monitor.snapshot().rows == 50)
    file = tmp_path / "monitor.state"
    wait_until(file.exists)
    for _ in range(2):  # one that is under way may have begun before the rows came
        before = monitor.snapshot().saved_at
        wait_until(lambda then=before: (monitor.snapshot().saved_at or 0) > (then or 0))
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "monitor.state").write_bytes(file.read_bytes())
    assert file.stat().st_mode & 0o077 == 0
    assert begun(profile, quick, copy).snapshot().rows == 50


def test_a_folder_belongs_to_one_monitor(tmp_path):
    folder = StateFolder(tmp_path)
    with pytest.raises(StateError, match="is in use by another monitor: give each replica a folder"):
        StateFolder(tmp_path)
    folder.close()
    StateFolder(tmp_path).close()


def test_a_name_that_is_none_is_replaced(tmp_path, caplog):
    (tmp_path / "owner.lock").write_bytes(b"\xe9 no name")
    folder = StateFolder(tmp_path)
    name = folder.replica
    folder.close()
    assert re.fullmatch("[0-9a-f]{32}", name)
    assert "holds no name of a replica" in caplog.text
    again = StateFolder(tmp_path)
    assert again.replica == name
    again.close()


def test_a_state_that_is_no_file_is_set_aside(begun, profile, settings, tmp_path):
    os.mkfifo(tmp_path / "monitor.state")  # which would be waited for until somebody writes
    monitor = begun(profile, settings, tmp_path)
    monitor.close()
    assert len(list(tmp_path.glob("monitor.state.*.aside"))) == 1
    assert (tmp_path / "monitor.state").is_file()


def test_a_folder_that_cannot_be_written_is_counted_and_harms_nothing(
    begun, profile, settings, rng, tmp_path, caplog
):
    (tmp_path / "file").write_text("in the way")
    monitor = begun(profile, settings, tmp_path / "file" / "state")
    monitor.process(draw(rng, 700))
    monitor.close()
    snapshot = monitor.snapshot()
    assert snapshot.rows == 700
    assert snapshot.saved_at is None
    assert snapshot.errors["state"] >= 1
    failed = [record for record in caplog.records if record.getMessage().startswith("monitoring failed")]
    assert len(failed) == 1
    assert str(tmp_path / "file") in failed[0].getMessage()
    assert not failed[0].exc_info


def test_settings_of_state_are_checked():
    with pytest.raises(ValueError, match=r"save_every_seconds must be at least 0\.1, got 0"):
        MonitorSettings(save_every_seconds=0)
    with pytest.raises(ValueError, match="quiet_rows must be at least the window, 500, got 10"):
        MonitorSettings(quiet_rows=10)


def test_what_cannot_be_continued_takes_nothing_else_with_it(
    begun, labelled, settings, rng, tmp_path, caplog
):
    first = begun(labelled, settings, tmp_path)
    scores = np.full((50, 3), 1 / 3, dtype=np.float32)
    ids = [str(row) for row in range(50)]
    first.process(draw(rng, 50), ids=ids, scores=scores)
    first.feedback(ids, np.zeros(50))
    first.close()
    wider = dataclasses.replace(settings, quality_window=7)
    with caplog.at_level(logging.WARNING):
        second = begun(labelled, wider, tmp_path)
    assert (second.snapshot().rows, second.snapshot().labels.rows) == (50, 0)
    assert "feedback begins anew: its window of labelled predictions has another size" in caplog.text
    second.close()
    third = begun(labelled, dataclasses.replace(wider, window=150), tmp_path)
    assert (third.snapshot().rows, third.snapshot().labels.rows) == (0, 0)


@pytest.fixture
def labelled(profile):
    scores = np.full((2_000, 3), 1 / 3, dtype=np.float32)
    return profile.with_quality(scores, np.arange(2_000) % 3)
