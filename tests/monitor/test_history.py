"""What is kept of the past: bounded, no peak lost, coarser with age, and the same after a restart."""

from __future__ import annotations

import numpy as np
import pytest

from driftlead.errors import InvalidParameterError, StateError
from driftlead.monitor import History, Monitor, StateFolder
from driftlead.monitor.detection import Detection
from driftlead.monitor.documents import history_document, overview_document, signal_document
from tests.monitor.conftest import draw


def fill(history: History, values: np.ndarray, every: float = 2.0) -> History:
    for number, value in enumerate(values):
        history.add(every * number, number, [value])
    return history


def test_memory_is_bounded_and_every_peak_stays(rng):
    values = rng.random(5_000)
    values[1234] = 7.5
    history = fill(History(1), values)
    samples = history.samples()
    assert len(samples) == 320
    assert samples.start[0] == 0
    assert samples.end[-1] == 2.0 * 4999
    np.testing.assert_array_equal(samples.start[1:], samples.end[:-1])
    peak = int(np.argmax(samples.values[:, 0]))
    assert samples.values[peak, 0] == 7.5
    assert samples.start[peak] <= 2.0 * 1234 <= samples.end[peak]
    # Each sample is the largest of what lies in its stretch.
    for start, end, (value,) in zip(samples.start, samples.end, samples.values, strict=True):
        within = values[int(start / 2) + (start > 0) : int(end / 2) + 1]
        assert value == np.float16(within.max())


def test_samples_are_short_for_their_age():
    samples = fill(History(1), np.zeros(20_000)).samples()
    age = 2.0 * 20_000 - samples.start
    assert ((samples.end - samples.start)[age > 200] / age[age > 200]).max() < 0.1
    assert (samples.end - samples.start)[age < 30].max() <= 2.0


def test_the_latest_of_two_is_kept_where_asked():
    history = fill(History(1, "latest", capacity=2), np.array([3.0, 2.0, 1.0]))
    assert history.samples().values[:, 0].tolist() == [2.0, 1.0]


def test_what_was_noted_is_in_the_next_sample_alone():
    history = History(2)
    history.note(np.array([1, 1]), np.array([4.0, 3.0]))
    history.add(0.0, 1, [0.5, 0.5])
    history.add(2.0, 2, [0.5, np.nan])
    assert history.samples().values[0].tolist() == [0.5, 4.0]
    assert np.isnan(history.samples().values[1, 1])


def test_a_pause_is_told_apart_and_a_clock_that_is_set_back_does_no_harm():
    history = History(1)
    for at in (0.0, 2.0, 600.0, 100.0):
        assert history.due(at)
        history.add(at, 1, [0.0])
    samples = history.samples()
    assert samples.start.tolist() == [0.0, 0.0, 600.0, 600.0]
    assert samples.end.tolist() == [0.0, 2.0, 600.0, 600.0]
    assert not history.due(601.0)
    assert samples.after(2.0).end.tolist() == [600.0, 600.0]


def test_it_goes_on_after_a_restart_or_refuses_what_does_not_fit():
    history = fill(History(1), np.arange(50.0))
    again = History(1)
    again.restore(history.state())
    for each in (history, again):
        each.add(200.0, 99, [1.0])
    for name, values in history.state().items():
        np.testing.assert_array_equal(values, again.state()[name])
    shorter = History(1, capacity=10)
    shorter.restore(history.state())
    kept = shorter.samples()
    assert len(kept) == 10
    assert (kept.start[0], kept.row[-1]) == (0.0, 99)  # nothing old is forgotten
    for broken in ({}, {**history.state(), "row": np.zeros(3, dtype=np.int64)}):
        with pytest.raises(StateError, match="its history is in"):
            again.restore(broken)
    with pytest.raises(StateError):
        History(2).restore(history.state())
    assert len(again) == 51


@pytest.mark.parametrize("wrong", [{"capacity": 1}, {"every_seconds": -1.0}, {"merge": "mean"}])
def test_parameters_are_checked(wrong):
    with pytest.raises(InvalidParameterError, match=next(iter(wrong))):
        History(1, **wrong)


@pytest.fixture
def drifting(profile, settings, rng):
    """A monitor whose first signal has drifted for the last 200 of 1 000 rows, ten a second."""
    monitor = Monitor(profile, settings)
    for start in range(0, 1_000, 10):
        shift = 3.0 if start >= 800 else 0.0
        monitor.process(draw(rng, 10, shift), observed_at=np.full(10, start / 10.0))
    return monitor


def test_the_monitor_remembers_alarms_that_came_and_went(drifting):
    history = drifting.history()
    column = history.row_pairs.index(("feature:a", "page_hinkley"))
    ratio, start = history.rows.values[:, column], history.rows.start
    # Page-Hinkley starts anew after an alarm: without the peaks hardly a sample would be above 1.
    assert (ratio[start >= 84] > 1).all()
    assert (ratio[start < 78] < 1).all()
    assert history.rows.row[-1] == 1_000
    assert np.diff(history.rows.end)[:-1].min() >= 2.0


def test_rows_that_came_after_the_latest_sample_are_in_the_history_too(profile, settings, rng):
    monitor = Monitor(profile, settings)
    for shift, at in ((0.0, 0.0), (3.0, 0.5), (3.0, 1.0)):  # less than the two seconds between samples
        monitor.process(draw(rng, 200, shift), observed_at=np.full(200, at))
    first, second = monitor.history().rows, monitor.history().rows
    assert (first.row[-1], first.end[-1]) == (600, 1.0)
    assert first.values[-1].max() > 1
    np.testing.assert_array_equal(first.values, second.values)
    assert len(monitor._rows._detection.history) == len(first) - 1


def test_the_past_survives_a_restart_and_a_new_reference(profile, settings, rng, tmp_path):
    first = Monitor(profile, settings, folder=StateFolder(tmp_path))
    first.process(draw(rng, 500), observed_at=np.linspace(0.0, 50.0, 500))
    first._extend_quality_history()
    first.close()
    second = Monitor(profile, settings, folder=StateFolder(tmp_path))
    for name in ("rows", "quality"):
        before, after = getattr(first.history(), name), getattr(second.history(), name)
        np.testing.assert_array_equal(before.values, after.values)
        assert len(after)
    newer = Detection(profile, settings)
    newer.succeed(second._rows._detection)
    assert len(newer.history) == len(first.history().rows)
    second.close()
    # A state that an earlier version saved has none.
    older = first.state()
    del older["detection"]["history"], older["quality_history"]
    third = Monitor(profile, settings)
    third._rows._detection.restore(older["detection"])
    assert third.snapshot().rows == 500
    assert len(third.history().rows) == 0


def test_documents_agree_with_the_snapshot(drifting):
    snapshot, history = drifting.snapshot(), drifting.history()
    overview = overview_document(snapshot)
    assert [signal["name"] for signal in overview["signals"]] == [each.name for each in snapshot.signals]
    first = overview["signals"][0]
    assert overview["drifting"]
    assert "incremental_ks" in first["drifting"]
    (ks,) = [each for each in snapshot.detectors if each.name == "incremental_ks"]
    assert first["ratio"]["incremental_ks"] == pytest.approx(ks.statistic[0] / ks.threshold[0], abs=0.01)
    assert "counts_after" not in overview["episodes"][0]["signals"][0]
    (served, labelled) = history_document(history, after=90.0)["series"]
    assert min(served["end"]) > 90.0
    assert served["percent"][-1][0] == pytest.approx(100 * float(history.rows.values[-1, 0]), abs=0.5)
    assert labelled["pairs"] == []


def test_the_document_of_a_signal_compares_its_distributions(drifting, profile):
    snapshot, history = drifting.snapshot(), drifting.history()
    live = drifting.recent_values("feature:a")
    document = signal_document(snapshot, history, "feature:a", live)
    shares = document["distribution"]
    for side in ("reference", "live"):
        assert sum(shares[side]) == pytest.approx(1.0, abs=1e-4)
    middles = np.convolve(shares["edges"], [0.5, 0.5], "valid")
    assert middles @ np.array(shares["reference"]) == pytest.approx(profile.samples[0].mean(), abs=0.1)
    assert middles @ np.array(shares["live"]) == pytest.approx(live.mean(), abs=0.1)
    (change,) = document["changes"]
    assert change["at"] == pytest.approx(80.0, abs=4.0)
    assert {alarm["detector"] for alarm in document["alarms"]} >= {"page_hinkley", "nmddm"}
    with pytest.raises(InvalidParameterError, match="name must be the name of a watched signal"):
        signal_document(snapshot, history, "feature:z", live)


def test_a_signal_of_categories_missing_and_infinite_values(drifting):
    snapshot, history = drifting.snapshot(), drifting.history()
    categories = signal_document(snapshot, history, "prediction:class", np.array([0.0, 7.0, np.nan, np.nan]))[
        "distribution"
    ]
    assert categories["bins"] == ["0", "1", "2", "7"]
    assert categories["live"] == [0.25, 0.0, 0.0, 0.25]
    assert categories["live_missing"] == 0.5
    wild = np.array([np.inf, -np.inf, 1e308, np.nan, 0.0])
    shares = signal_document(snapshot, history, "feature:a", wild)["distribution"]
    assert sum(shares["live"]) == pytest.approx(0.8, abs=1e-4)
    assert np.isfinite(shares["edges"]).all()
    nothing = signal_document(snapshot, history, "feature:a", np.full(3, np.nan))["distribution"]
    assert nothing["live"] is None
    assert nothing["live_missing"] == 1.0
