"""A change that is here to stay becomes the reference, because a person says so."""

from __future__ import annotations

import dataclasses
import json
import threading

import numpy as np
import pytest

from driftlead import state
from driftlead.calibration import calibrate
from driftlead.errors import InvalidParameterError
from driftlead.monitor import MemoryStore, Monitor, StateFolder, baseline
from tests.monitor.conftest import draw
from tests.monitor.test_monitor import wait_until


def test_what_drifted_is_the_new_normal_after_rebaselining(profile, settings, rng, tmp_path):
    store = MemoryStore()
    monitor = Monitor(profile, settings, store=store, folder=StateFolder(tmp_path))
    seen = []
    monitor.on_episode(lambda kind, episode: seen.append((kind, episode.resolution)))
    monitor.process(np.concatenate([draw(rng, 300), draw(rng, 200, shift=2.0)]))
    (episode,) = monitor.snapshot().open_episodes
    assert monitor.rebaseline(1_000, by="mia", note="new camera") == 1_000
    monitor.process(draw(rng, 400, shift=2.0))
    assert monitor.snapshot().collecting == (400, 1_000)
    assert monitor.snapshot().drifting
    monitor.process(draw(rng, 700, shift=2.0))
    wait_until(lambda: monitor.snapshot().collecting is None)
    wait_until(lambda: ("resolved", "rebaselined") in seen)
    snapshot = monitor.snapshot()
    assert (snapshot.rows, snapshot.open_episodes) == (1_600, ())
    assert snapshot.reference_mean[0] == pytest.approx(2.0, abs=0.15)
    monitor.process(draw(rng, 2_000, shift=2.0))
    assert not monitor.snapshot().open_episodes
    monitor.process(draw(rng, 300))  # the old normal is a drift now
    assert monitor.snapshot().open_episodes
    monitor.close()
    record = store.episode(episode.id)
    assert (record.document["resolution"], record.document["resolved_by"]) == ("rebaselined", "mia")

    again = Monitor(profile, settings, folder=StateFolder(tmp_path))
    assert again.snapshot().reference_mean[0] == pytest.approx(2.0, abs=0.15)
    assert again.snapshot().rows == 3_900
    again.close()


def test_a_reference_of_another_model_is_set_aside(profile, settings, rng, tmp_path):
    monitor = Monitor(profile, settings, folder=StateFolder(tmp_path))
    monitor.rebaseline(200, by="mia")
    monitor.process(draw(rng, 200, shift=2.0))
    wait_until(lambda: monitor.snapshot().collecting is None)
    monitor.close()
    retrained = type(profile)(**{**vars(profile), "model_hash": "2e"})
    other = Monitor(retrained, settings, folder=StateFolder(tmp_path))
    np.testing.assert_array_equal(other.snapshot().reference_mean, profile.means)
    assert len(list(tmp_path.glob("monitor.state.*.aside"))) >= 1
    other.close()


def test_thresholds_that_fit_no_reference_are_set_aside(profile, settings, rng, tmp_path):
    monitor = Monitor(profile, settings, folder=StateFolder(tmp_path))
    monitor.rebaseline(200, by="mia")
    monitor.process(draw(rng, 200, shift=2.0))
    wait_until(lambda: monitor.snapshot().collecting is None)
    monitor.close()
    path = tmp_path / "monitor.state"
    _, saved = state.load(path, "monitor")
    saved["baseline"]["calibration"]["detectors"][0] = "another"
    state.save(path, "monitor", 1, saved)
    again = Monitor(profile, settings, folder=StateFolder(tmp_path))
    np.testing.assert_array_equal(again.snapshot().reference_mean, profile.means)
    assert list(tmp_path.glob("monitor.state.*.aside"))
    again.close()


def test_rows_that_make_no_reference_leave_the_old_one(profile, settings, rng):
    monitor = Monitor(profile, settings)
    monitor.rebaseline(200, by="mia")
    rows = draw(rng, 200)
    rows[:, 1] = np.nan
    monitor.process(rows)
    wait_until(lambda: monitor.snapshot().errors["rebaseline"] == 1)
    snapshot = monitor.snapshot()
    assert snapshot.collecting is None
    np.testing.assert_array_equal(snapshot.reference_mean, profile.means)
    json.dumps(snapshot.to_json())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rows": 199, "by": "mia"}, "rows must be from two windows, 200, to 16666666, got 199"),
        ({"rows": 20_000_000, "by": "mia"}, "rows must be from two windows"),
        ({"rows": 300.5, "by": "mia"}, "rows must be from two windows, .*, got 300.5"),
        ({"rows": "300", "by": "mia"}, "rows must be from two windows, .*, got '300'"),
        ({"by": " "}, "by must be a name, got ' '"),
    ],
)
def test_a_wish_that_cannot_be_granted_is_refused(profile, settings, arguments, message):
    with pytest.raises(InvalidParameterError, match=message):
        Monitor(profile, settings).rebaseline(**arguments)


def test_rows_may_be_counted_by_numpy(profile, settings):
    monitor = Monitor(profile, settings)
    assert monitor.rebaseline(np.int64(300), by="mia") == 300
    json.dumps(monitor.snapshot().to_json())


def test_the_new_reference_holds_from_the_moment_that_it_is_adopted(profile, settings, rng, tmp_path):
    monitor = Monitor(profile, settings, folder=StateFolder(tmp_path))
    monitor.start()
    monitor.rebaseline(200, by="mia")
    monitor.observe(draw(rng, 200, shift=2.0))
    wait_until(lambda: monitor.snapshot().reference_mean[0] > 1.0)
    wait_until(lambda: monitor.snapshot().saved_at is not None)
    killed = tmp_path / "killed"

    def copied():
        killed.mkdir(exist_ok=True)
        (killed / "monitor.state").write_bytes((tmp_path / "monitor.state").read_bytes())
        again = Monitor(profile, settings, folder=StateFolder(killed))
        found = (float(again.snapshot().reference_mean[0]) > 1.0, again.snapshot().rows)
        again.close()
        return found

    # Whenever it is killed, reference and rows belong together.
    wait_until(lambda: copied() == (True, 200))
    assert not list(killed.glob("*.aside"))
    monitor.close()


def test_another_wish_takes_the_place_of_one_that_is_being_granted(
    profile, settings, rng, tmp_path, monkeypatch
):
    gate = threading.Event()

    def slowly(*arguments, **named):
        gate.wait(30)
        return calibrate(*arguments, **named)

    monkeypatch.setattr(baseline, "calibrate", slowly)
    monitor = Monitor(profile, settings, folder=StateFolder(tmp_path))
    monitor.rebaseline(200, by="mia")
    monitor.process(draw(rng, 200, shift=9.0))
    monitor.rebaseline(300, by="tom")
    gate.set()
    monitor.process(draw(rng, 100, shift=2.0))
    assert monitor.snapshot().collecting == (100, 300), "the second wish was forgotten"

    def served():  # one reference is made at a time; the next begins with the rows that come then
        monitor.process(draw(rng, 10, shift=2.0))
        return monitor.snapshot().collecting is None

    monitor.process(draw(rng, 200, shift=2.0))
    wait_until(served)
    assert monitor.snapshot().reference_mean[0] == pytest.approx(2.0, abs=0.3)
    monitor.close()
    again = Monitor(profile, settings, folder=StateFolder(tmp_path))
    assert again.snapshot().reference_mean[0] == pytest.approx(2.0, abs=0.3)
    again.close()


def test_a_monitor_that_closes_adopts_nothing_any_more(profile, settings, rng, tmp_path, monkeypatch):
    gate = threading.Event()

    def slowly(*arguments, **named):
        gate.wait(30)
        return calibrate(*arguments, **named)

    monkeypatch.setattr(baseline, "calibrate", slowly)
    monitor = Monitor(profile, settings, folder=StateFolder(tmp_path))
    monitor.rebaseline(200, by="mia")
    monitor.process(draw(rng, 200, shift=9.0))
    threading.Timer(0.2, gate.set).start()
    monitor.close()
    again = Monitor(profile, settings, folder=StateFolder(tmp_path))
    np.testing.assert_array_equal(again.snapshot().reference_mean, profile.means)
    assert again.snapshot().rows == 200
    again.close()


def test_another_budget_keeps_the_reference_that_a_person_asked_for(profile, settings, rng, tmp_path):
    monitor = Monitor(profile, settings, folder=StateFolder(tmp_path))
    monitor.rebaseline(200, by="mia")
    monitor.process(draw(rng, 200, shift=2.0))
    wait_until(lambda: monitor.snapshot().collecting is None)
    monitor.close()
    other = dataclasses.replace(settings, false_alarm_every=1_000_000.0)
    again = Monitor(profile, other, folder=StateFolder(tmp_path))
    assert again.snapshot().reference_mean[0] == pytest.approx(2.0, abs=0.3)
    assert again.snapshot().rows == 200
    for mine, before in zip(again.snapshot().detectors, monitor.snapshot().detectors, strict=True):
        assert (mine.threshold > before.threshold).all()
    again.close()
