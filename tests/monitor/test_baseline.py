"""A change that is here to stay becomes the reference, because a person says so."""

from __future__ import annotations

import json

import numpy as np
import pytest

from driftlead.errors import InvalidParameterError
from driftlead.monitor import MemoryStore, Monitor, StateFolder
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
    wait_until((tmp_path / "baseline.state").exists)
    wait_until(lambda: monitor.snapshot().collecting is None)
    monitor.close()
    retrained = type(profile)(**{**vars(profile), "model_hash": "2e"})
    other = Monitor(retrained, settings, folder=StateFolder(tmp_path))
    np.testing.assert_array_equal(other.snapshot().reference_mean, profile.means)
    assert len(list(tmp_path.glob("baseline.state.*.aside"))) == 1
    other.close()


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
        ({"rows": 199, "by": "mia"}, "rows must be from two windows, 200, to 1000000, got 199"),
        ({"rows": 2_000_000, "by": "mia"}, "rows must be from two windows"),
        ({"by": " "}, "by must be a name, got ' '"),
    ],
)
def test_a_wish_that_cannot_be_granted_is_refused(profile, settings, arguments, message):
    with pytest.raises(InvalidParameterError, match=message):
        Monitor(profile, settings).rebaseline(**arguments)
