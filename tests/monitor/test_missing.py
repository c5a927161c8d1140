"""A signal that is missing more often, or less often, than it used to be is drift like any other."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from scipy import stats

from driftlead.monitor import Monitor, StateFolder
from driftlead.monitor.detection import Detection
from driftlead.monitor.missing import missing_log_ratio
from driftlead.reference import ReferenceProfile
from tests.monitor.conftest import SIGNALS, draw


def lacking(rows, share, rng):
    """Rows of which a share has no value of the second signal."""
    return np.where(rng.random((len(rows), 1)) < share * np.array([0, 1, 0]), np.nan, rows)


def shown(monitor):
    return [detector.name for detector in monitor.snapshot().detectors]


@pytest.mark.parametrize(
    ("before", "after", "within"), [(0, 1, 15), (0, 0.3, 60), (0.05, 0.5, 60), (0.5, 0, 90)]
)
def test_a_share_of_missing_values_that_changes_is_an_episode(settings, rng, before, after, within):
    reference = lacking(draw(rng, 5_000), before, rng)
    monitor = Monitor(ReferenceProfile.from_rows(SIGNALS, reference, model_hash="1f"), settings)
    monitor.process(lacking(draw(rng, 1_000), before, rng))
    assert not monitor.snapshot().recent_alarms
    monitor.process(lacking(draw(rng, 400), after, rng))
    (episode,) = monitor.snapshot().open_episodes
    assert episode.opened_by == ("feature:b", "missing_rate")
    assert 1_000 < episode.opened_row <= 1_000 + within
    (signal,) = episode.signals
    assert abs(signal.change_row - 1_000) < 40
    assert signal.missing_before == pytest.approx(before, abs=0.02)
    assert signal.missing_after == pytest.approx(after, abs=0.1)
    monitor.process(lacking(draw(rng, 300), before, rng))
    assert not monitor.snapshot().open_episodes


def test_what_is_missing_as_often_as_ever_is_no_news(settings, rng):
    profile = ReferenceProfile.from_rows(SIGNALS, lacking(draw(rng, 2_000), 0.1, rng), model_hash="1f")
    monitor = Monitor(profile, settings)
    monitor.process(lacking(draw(rng, 20_000), 0.1, rng))
    assert "missing_rate" not in {alarm.detector for alarm in monitor.snapshot().recent_alarms}
    assert monitor.snapshot().detectors[-1].columns.tolist() == [1]


def test_it_is_shown_from_the_first_missing_value_on(profile, settings, rng):
    monitor = Monitor(profile, settings)
    monitor.process(draw(rng, 300))
    assert "missing_rate" not in shown(monitor)
    monitor.process([[np.nan, 1.0, 0.0]])
    assert shown(monitor)[-1] == "missing_rate"
    (statistic,) = monitor.snapshot().detectors[-1].statistic
    assert statistic == missing_log_ratio(1, settings.window, 0, 2_000)
    assert monitor.history().row_pairs[-1] == ("feature:a", "missing_rate")


def test_the_past_tells_of_it(profile, settings, rng):
    monitor = Monitor(profile, settings)
    for start in range(0, 400, 10):
        rows = lacking(draw(rng, 10), float(start >= 200), rng)
        monitor.process(rows, observed_at=np.full(10, float(start)))
    history = monitor.history()
    past = history.rows.values[:, history.row_pairs.index(("feature:b", "missing_rate"))]
    assert (past[history.rows.end < 200] == 0).all()
    assert (past[history.rows.end > 220] > 1).all()


def test_chunks_restarts_and_replicas_do_not_matter(profile, settings, rng, tmp_path):
    rows = np.concatenate([draw(rng, 250), lacking(draw(rng, 250), 0.4, rng), draw(rng, 40)])
    times = np.arange(len(rows), dtype=float)

    def said(monitor):
        last = monitor.snapshot().detectors[-1]
        assert last.name == "missing_rate"
        return last.statistic.tolist(), last.alarms.tolist()

    whole = Monitor(profile, settings)
    whole.process(rows, observed_at=times)
    assert said(whole)[1] == [1]
    for start in range(0, len(rows), 90):
        monitor = Monitor(profile, settings, folder=StateFolder(tmp_path))
        monitor.process(rows[start : start + 90], observed_at=times[start : start + 90])
        monitor.close()
    again = Monitor(profile, settings, folder=StateFolder(tmp_path))
    assert said(again) == said(whole)
    again.close()
    states = []
    for part in range(2):
        replica = Monitor(profile, settings)
        replica.process(rows[part::2], observed_at=times[part::2])
        states.append(replica.state())
    assert said(Monitor.merged(profile, states, settings))[0] == said(whole)[0]


def test_a_state_of_before_there_was_this_test_goes_on(profile, settings, rng):
    before = Detection(profile, settings)
    before.advance(lacking(draw(rng, 200), 1.0, rng), np.zeros(200))
    state = before.state()
    del state["missing"]
    *state["pairs"], _ = state["pairs"]
    state["history"]["values"] = state["history"]["values"][:, :-1]
    after = Detection(profile, settings)
    after.restore(state)
    assert after.rows == 200
    assert after.history.samples().row[-1] == 200
    after.advance(lacking(draw(rng, 1), 1.0, rng), np.zeros(1))
    assert after.missing.snapshots(201)[0].statistic == [missing_log_ratio(100, 100, 0, 2_000)]


def test_a_guarantee_asks_for_more(profile, settings):
    def threshold(**change):
        monitor = Monitor(profile, dataclasses.replace(settings, **change))
        monitor.process([[np.nan] * 3])
        return monitor.snapshot().detectors[-1].threshold[0]

    assert threshold() == pytest.approx(math.log(2 * 1_000 * 3 * settings.false_alarm_every))
    assert threshold(guarantee=0.9) == pytest.approx(threshold() + math.log(10))


@pytest.mark.parametrize(("reference_rows", "window"), [(40, 60), (400, 50), (100, 10), (900, 2)])
def test_the_bound_that_the_threshold_rests_on(reference_rows, window):
    """Every outcome of both samples, at many probabilities: P(G > g) is at most 2 exp(-g)."""
    others, few = np.arange(reference_rows + 1)[:, np.newaxis], np.arange(window + 1)
    ratio = missing_log_ratio(few, window, others, reference_rows)
    for share in np.geomspace(1e-5, 0.5, 40):
        chance = stats.binom.pmf(others, reference_rows, share) * stats.binom.pmf(few, window, share)
        for level in (3.0, 6.0, 12.0, 20.0):
            assert chance[ratio > level].sum() <= 2.0 * math.exp(-level)
