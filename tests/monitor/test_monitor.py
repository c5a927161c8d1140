"""The monitor watches, counts, and never gets in the way."""

from __future__ import annotations

import json
import logging
import threading
import time

import numpy as np
import pytest

from driftlead.errors import InvalidDataError, InvalidParameterError, ReferenceMismatchError
from driftlead.monitor import Monitor, MonitorSettings
from driftlead.monitor.watch import excursions
from driftlead.reference import ReferenceProfile
from driftlead.signals import DeferredColumns, Signal, SignalRows
from tests.monitor.conftest import draw


def wait_until(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.005)


def test_quiet_without_drift_and_all_three_detectors_alarm_on_it(profile, settings, rng):
    monitor = Monitor(profile, settings)
    monitor.process(draw(rng, 3_000))
    before = monitor.snapshot()
    assert not before.drifting
    assert not before.recent_alarms
    monitor.process(draw(rng, 300, shift=1.5))
    after = monitor.snapshot()
    assert {alarm.detector for alarm in after.recent_alarms} == {"page_hinkley", "incremental_ks", "nmddm"}
    assert {alarm.signal for alarm in after.recent_alarms} == {"feature:a"}
    assert all(3_000 < alarm.row <= 3_100 for alarm in after.recent_alarms[:3])
    assert all(alarm.statistic > alarm.threshold for alarm in after.recent_alarms)
    assert [alarm.row for alarm in after.recent_alarms] == sorted(alarm.row for alarm in after.recent_alarms)


def test_page_hinkley_needs_an_order_and_skips_categories(profile, settings, rng):
    monitor = Monitor(profile, settings)
    columns = {detector.name: detector.columns.tolist() for detector in monitor.snapshot().detectors}
    assert columns == {"page_hinkley": [0, 1], "incremental_ks": [0, 1, 2], "nmddm": [0, 1, 2]}
    monitor.process(draw(rng, 500))
    changed = draw(rng, 200)
    changed[:, 2] = 0
    monitor.process(changed)
    assert {(alarm.signal, alarm.detector) for alarm in monitor.snapshot().recent_alarms} == {
        ("prediction:class", "incremental_ks"),
        ("prediction:class", "nmddm"),
    }


def test_other_shares_of_categories_are_an_episode_for_as_long_as_they_last(profile, settings, rng):
    """From the first row on, when no split of a window tells anything; and with a category that is new."""
    for shares in ([0.6, 0.3, 0.1], [0.2, 0.2, 0.2, 0.4]):
        monitor = Monitor(profile, settings)
        rows = draw(rng, 1_500)
        rows[:, 2] = rng.choice(len(shares), 1_500, p=shares)
        monitor.process(rows)
        (episode,) = monitor.snapshot().open_episodes
        assert episode.opened_by == ("prediction:class", "incremental_ks")
        assert episode.opened_row <= 200


def test_chunks_do_not_matter(profile, settings, rng):
    rows = np.concatenate([draw(rng, 700), draw(rng, 300, shift=1.0)])
    rows[::13, 1] = np.nan
    whole, pieces = Monitor(profile, settings), Monitor(profile, settings)
    whole.process(rows, observed_at=7.0)
    for piece in np.split(rows, [1, 2, 50, 51, 640, 900]):
        pieces.process(piece, observed_at=7.0)
    left, right = whole.snapshot(), pieces.snapshot()
    assert left.recent_alarms == right.recent_alarms
    # How often an episode's distributions are refreshed depends on the batches, and its id on chance.
    first, second = ({**each.to_json(), "episodes": None} for each in (left, right))
    assert json.dumps(first) == json.dumps(second)
    np.testing.assert_array_equal(left.window_mean, right.window_mean)
    for one, other in zip(left.bin_counts, right.bin_counts, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_budget_is_shared_by_all_pairs(profile):
    rows = 1_000_000.0
    one = Monitor(profile, MonitorSettings(detectors=("page_hinkley",), false_alarm_every=rows)).snapshot()
    all_three = Monitor(profile, MonitorSettings(false_alarm_every=rows)).snapshot()
    page_hinkley = next(detector for detector in all_three.detectors if detector.name == "page_hinkley")
    assert (page_hinkley.threshold > one.detectors[0].threshold).all()


def test_drift_is_over_after_a_quiet_window(profile, settings, rng):
    monitor = Monitor(profile, settings)
    monitor.process(draw(rng, 500))
    monitor.process(draw(rng, 60, shift=3.0))
    assert monitor.snapshot().drifting
    monitor.process(draw(rng, 400))
    snapshot = monitor.snapshot()
    assert not snapshot.drifting
    assert sum(int(detector.alarms.sum()) for detector in snapshot.detectors) > 0


def test_window_mean_is_the_mean_of_the_latest_window(profile, settings, rng):
    monitor = Monitor(profile, settings)
    rows = draw(rng, 257)
    rows[-5:, 1] = np.nan
    monitor.process(rows[:130])
    monitor.process(rows[130:])
    np.testing.assert_allclose(monitor.snapshot().window_mean, np.nanmean(rows[-100:], axis=0))


def test_bins_count_every_row_and_reference_ratios_add_up(profile, settings, rng):
    monitor = Monitor(profile, settings)
    rows = draw(rng, 1_000)
    rows[:7, 0] = np.nan
    rows[0, 2] = 99.0
    monitor.process(rows)
    snapshot = monitor.snapshot()
    for bins, counts in zip(snapshot.bins, snapshot.bin_counts, strict=True):
        assert counts.sum() == 1_000
        assert bins.reference_ratio.sum() == pytest.approx(1.0)
        assert (bins.reference_ratio > 0).all()
    assert snapshot.bins[0].labels == (*map(str, range(12)), "missing")
    assert snapshot.bin_counts[0][-1] == 7
    assert snapshot.bins[2].labels == ("0", "1", "2", "other", "missing")
    assert snapshot.bin_counts[2][3] == 1
    edges = np.quantile(profile.samples[1], np.linspace(0.1, 0.9, 9))
    expected = np.bincount(np.searchsorted(edges, rows[:, 1]), minlength=10)
    inner = snapshot.bin_counts[1][1:-2]
    np.testing.assert_allclose(inner, expected, atol=4)
    beyond = [(rows[:, 1] < profile.samples[1][0]).sum(), (rows[:, 1] > profile.samples[1][-1]).sum()]
    assert snapshot.bin_counts[1][[0, -2]].tolist() == beyond


@pytest.mark.parametrize(
    ("usual", "then", "bin"),
    [
        ([7.0], 9.0, "2"),
        ([7.0], -9.0, "0"),
        ([0.0, 1.0], 0.5, "2"),
        ([0.0, 1.0, 2.0], 3.0, "6"),
        ([*range(9)], 9.0, "10"),
        (np.linspace(0.0, 1.0, 500), -0.1, "0"),
        (np.linspace(0.0, 1.0, 500), 1.1, "11"),
    ],
)
def test_values_that_the_reference_does_not_have_are_a_bin_and_evidence_of_their_own(usual, then, bin):
    rng = np.random.default_rng(4)
    profile = ReferenceProfile.from_rows([Signal("a")], rng.choice(usual, (5_000, 1)), model_hash="1f")
    monitor = Monitor(profile, MonitorSettings(window=200, false_alarm_every=1_000_000))
    monitor.process(rng.choice(usual, (1_000, 1)))
    monitor.process(np.full((300, 1), then))
    (episode,) = monitor.episodes()
    (drifted,) = episode.signals
    assert drifted.counts_after[drifted.labels.index(bin)] == 300
    assert sum(drifted.counts_after) - 300 <= 3
    # As many rows of what the reference never had are hundreds of nats, whatever its other values are.
    assert drifted.contribution > 500
    assert abs(drifted.change_row - 1_001) <= 3


def test_observed_rows_reach_the_detectors_in_order(profile, settings, rng):
    rows = np.concatenate([draw(rng, 1_000), draw(rng, 200, shift=2.0)])
    monitor, direct = (Monitor(profile, settings, clock=lambda: 7.0) for _ in range(2))
    monitor.start()
    for start in range(0, len(rows), 7):
        monitor.observe(rows[start : start + 7])
    monitor.close()
    direct.process(rows)
    assert monitor.snapshot().rows == 1_200
    assert monitor.snapshot().recent_alarms == direct.snapshot().recent_alarms
    assert monitor.snapshot().dropped_rows == {"queue_full": 0, "closed": 0, "failed": 0}


def test_observe_copies_what_the_caller_may_reuse(profile, settings):
    monitor = Monitor(profile, settings)
    rows = np.zeros((10, 3))
    monitor.observe(rows)
    rows[:] = np.nan
    monitor.start()
    monitor.close()
    assert [int(counts[-1]) for counts in monitor.snapshot().bin_counts] == [0, 0, 0]


def test_a_full_queue_drops_and_counts_and_does_not_block(profile):
    monitor = Monitor(profile, MonitorSettings(queue_rows=100, window=50))
    for _ in range(10):
        monitor.observe(np.zeros((30, 3)))
    snapshot = monitor.snapshot()
    assert snapshot.queue_rows == 90
    assert snapshot.dropped_rows["queue_full"] == 210
    monitor.start()
    monitor.close()
    assert monitor.snapshot().rows == 90
    monitor.observe(np.zeros((5, 3)))
    assert monitor.snapshot().dropped_rows["closed"] == 5


def test_waiting_rows_take_no_more_memory_than_allowed(profile):
    monitor = Monitor(profile, MonitorSettings(queue_bytes=2_000, window=50))
    for _ in range(5):
        monitor.observe(np.zeros((30, 3)))  # 720 bytes
    assert monitor.snapshot().dropped_rows["queue_full"] == 90
    monitor.start()
    monitor.close()
    assert monitor.snapshot().rows == 60


def test_closing_without_draining_counts_what_it_throws_away(profile):
    monitor = Monitor(profile, MonitorSettings(window=50))
    monitor.observe(np.zeros((30, 3)))
    monitor.close(drain=False)
    assert monitor.snapshot().dropped_rows["closed"] == 30
    assert monitor.snapshot().queue_rows == 0


def test_a_monitor_that_never_ran_counts_all_it_was_given(profile):
    monitor = Monitor(profile, MonitorSettings(window=50))
    monitor.observe(np.zeros((30, 3)))
    monitor.close(drain=True)
    assert monitor.snapshot().dropped_rows["closed"] == 30
    assert monitor.snapshot().queue_rows == 0


def test_batches_without_rows_take_no_room(profile):
    monitor = Monitor(profile, MonitorSettings(window=50))
    for _ in range(10):
        monitor.observe(np.zeros((0, 3)))
    assert len(monitor._queue._batches) == 0
    assert monitor.snapshot().errors["observe"] == 0


@pytest.mark.parametrize(
    "rows", [np.zeros((4, 2)), np.zeros(3), "text", None, [[1, 2], [3]], [["a", "b", "c"]]]
)
def test_observe_never_raises_and_counts_what_does_not_fit(profile, settings, rows, caplog):
    monitor = Monitor(profile, settings)
    with caplog.at_level(logging.ERROR):
        monitor.observe(rows)
        monitor.observe(rows)
    assert monitor.snapshot().errors["observe"] == 2
    assert len(caplog.records) == 1


def test_a_failing_detector_is_counted_and_the_others_go_on(profile, settings, rng, caplog):
    monitor = Monitor(profile, settings)
    broken = next(watch for watch in monitor._rows._detection.watches if watch.name == "nmddm")

    def fail(slots):
        raise RuntimeError("a detector with a fault")

    broken.detector.update_located = fail
    monitor.start()
    with caplog.at_level(logging.ERROR):
        monitor.observe(draw(rng, 500))
        monitor.observe(draw(rng, 200, shift=3.0))
        monitor.close()
    snapshot = monitor.snapshot()
    assert snapshot.errors["nmddm"] >= 1
    assert snapshot.rows == 700
    assert {alarm.detector for alarm in snapshot.recent_alarms} == {"page_hinkley", "incremental_ks"}


def test_the_worker_outlives_a_batch_that_breaks_it(profile, settings, rng, caplog, monkeypatch):
    monitor = Monitor(profile, settings)
    monitor.start()

    def fail(rows):
        raise MemoryError("no room to locate these rows")

    with monkeypatch.context() as patched, caplog.at_level(logging.ERROR):
        patched.setattr(monitor._rows._detection.reference, "locate", fail)
        monitor.observe(draw(rng, 10))
        wait_until(lambda: monitor.snapshot().errors["worker"] == 1)
    monitor.observe(draw(rng, 20))
    monitor.close()
    assert monitor.snapshot().rows == 20
    assert len(caplog.records) == 1


def test_a_batch_whose_signals_cannot_be_computed_takes_no_other_with_it(profile, settings, rng, caplog):
    def fail(parts):
        raise ValueError("this tensor is gone")

    monitor = Monitor(profile, settings)
    monitor.observe(draw(rng, 10))
    monitor.observe(SignalRows(DeferredColumns((5, 3), None, fail, 0)))
    monitor.observe(draw(rng, 20))
    monitor.start()
    monitor.close()
    assert monitor.snapshot().rows == 30
    assert monitor.snapshot().errors["worker"] == 1
    assert monitor.snapshot().dropped_rows["failed"] == 5


def test_snapshots_are_consistent_while_rows_flow(profile, settings, rng):
    monitor = Monitor(profile, settings)
    monitor.start()
    stop = threading.Event()

    def feed() -> None:
        while not stop.is_set():
            monitor.observe(draw(rng, 20))

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        wait_until(lambda: monitor.snapshot().rows > 0)
        for _ in range(50):
            snapshot = monitor.snapshot()
            assert {int(counts.sum()) for counts in snapshot.bin_counts} == {snapshot.rows}
    finally:
        stop.set()
        feeder.join()
        monitor.close()


def test_missing_values_are_passed_over_by_the_tests_of_values(profile, settings, rng):
    monitor = Monitor(profile, settings)
    monitor.process(np.full((500, 3), np.nan))
    monitor.process(draw(rng, 500))
    monitor.process(draw(rng, 200, shift=3.0))
    alarms = monitor.snapshot().recent_alarms
    assert {alarm.signal for alarm in alarms if alarm.detector != "missing_rate"} == {"feature:a"}


def test_infinite_values_alarm_and_break_nothing(profile, settings, rng):
    monitor = Monitor(profile, settings)
    monitor.process(draw(rng, 300))
    rows = draw(rng, 200)
    rows[:, 1] = np.where(np.arange(200) % 2, np.inf, -np.inf)
    monitor.process(rows)
    snapshot = monitor.snapshot()
    assert {alarm.signal for alarm in snapshot.recent_alarms} == {"feature:b"}
    json.dumps(snapshot.to_json(), allow_nan=False)


def test_values_whose_sum_overflows_break_nothing(profile, settings):
    monitor = Monitor(profile, settings)
    monitor.process(np.full((200, 3), 1e308))
    snapshot = monitor.snapshot()
    assert "feature:a" in {alarm.signal for alarm in snapshot.recent_alarms}
    json.dumps(snapshot.to_json(), allow_nan=False)


def test_constant_signals_are_watched(settings, rng):
    rows = np.zeros((1_000, 1))
    profile = ReferenceProfile.from_rows([Signal("feature:constant")], rows, model_hash="1f")
    monitor = Monitor(profile, settings)
    monitor.process(rows)
    assert not monitor.snapshot().drifting
    monitor.process(np.ones((100, 1)))
    assert {alarm.detector for alarm in monitor.snapshot().recent_alarms} >= {
        "page_hinkley",
        "incremental_ks",
    }


def test_excursions_merge_alarms_less_than_a_window_apart():
    alarm = np.zeros((40, 2), dtype=bool)
    alarm[[0, 3, 9, 19, 29], 0] = True
    alarm[[5], 1] = True
    rows, columns, first = excursions(alarm, 101, np.array([0, 98]), window=10)
    assert list(zip(rows.tolist(), columns.tolist(), first.tolist(), strict=True)) == [
        (101, 0, True),
        (104, 0, False),
        (110, 0, False),
        (120, 0, True),
        (130, 0, True),
        (106, 1, False),
    ]


def test_process_refuses_rows_that_do_not_fit(profile):
    with pytest.raises(InvalidDataError, match=r"rows must have shape \(rows, 3\), got \(4, 2\)"):
        Monitor(profile).process(np.zeros((4, 2)))
    for rows in ("text", [[1, 2, 3], [4]], [["a", "b", "c"]], [[10**400, 2, 3]]):
        with pytest.raises(InvalidDataError, match="rows must be a table of numbers: "):
            Monitor(profile).process(rows)
    for scores in ("text", [["a"]], [[10**400]]):
        with pytest.raises(InvalidDataError, match="scores must be a table of numbers: "):
            Monitor(profile).process([[1, 2, 3]], ids=["a"], scores=scores)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"false_alarm_every": 0.5}, "false_alarm_every must be a number of rows above 1, got 0.5"),
        ({"false_alarm_every": float("nan")}, "false_alarm_every must be"),
        ({"false_alarm_every": "30 days"}, "false_alarm_every must be a number, got '30 days'"),
        ({"guarantee": "0.9"}, "guarantee must be a number, or None, got '0.9'"),
        ({"window": 2.5}, "window must be an integer, got 2.5"),
        ({"quiet_rows": True}, "quiet_rows must be an integer, or None, got True"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"detectors": ()}, "detectors must be at least one of page_hinkley"),
        (
            {"detectors": ("adwin",)},
            "detectors must be among page_hinkley, incremental_ks, nmddm, got 'adwin'",
        ),
        ({"detectors": ("nmddm", "nmddm")}, "detectors must be without repetition"),
        ({"window": 1}, "window must be at least 2, got 1"),
        ({"window": 1_000_001}, "window must be at most 1000000, got 1000001"),
        ({"recent_alarms": 10**30}, "recent_alarms must be at most 100000, got 1000"),
        ({"save_every_seconds": 1e30}, "save_every_seconds must be at most 86400, got 1e\\+30"),
        ({"quiet_rows": 10**20}, "quiet_rows must be at most 1000000000000, got 1000"),
        ({"queue_rows": 10**20}, "queue_rows must be at most 9223372036854775807, got 1000"),
        ({"delta": 1e300}, "delta must be at most 100, got 1e\\+300"),
        ({"bins": 1}, "bins must be at least 2, got 1"),
        ({"queue_rows": 0}, "queue_rows must be at least 1, got 0"),
        ({"recent_alarms": 0}, "recent_alarms must be at least 1, got 0"),
        ({"delta": -1.0}, "delta must be at least 0, got -1.0"),
        ({"direction": "left"}, "direction must be one of both, up, down, got 'left'"),
    ],
)
def test_bad_settings_are_refused(setting, message):
    with pytest.raises(InvalidParameterError, match=message):
        MonitorSettings(**setting)


def test_missing_values_keep_their_share_in_the_bins_of_a_thinned_reference():
    rows = np.random.default_rng(8).normal(size=(5_000, 1))
    rows[::10] = np.nan
    for max_sample in (1_000, 10_000):
        profile = ReferenceProfile.from_rows([Signal("a")], rows, model_hash="1f", max_sample=max_sample)
        (bins,) = Monitor(profile).snapshot().bins
        assert bins.labels[-1] == "missing"
        np.testing.assert_allclose(bins.reference_ratio, [0.0] + [0.09] * 10 + [0.0, 0.1], atol=1e-3)


def test_the_profile_of_another_model_is_refused(profile, settings):
    Monitor(profile, settings, model_hash="1f").close()
    with pytest.raises(ReferenceMismatchError, match="belongs to model 1f, not to model 2e"):
        Monitor(profile, settings, model_hash="2e")


def test_detectors_that_can_watch_nothing_are_refused(rng):
    rows = rng.integers(0, 3, size=(500, 1)).astype(float)
    profile = ReferenceProfile.from_rows([Signal("feature:c", "categorical")], rows, model_hash="1f")
    with pytest.raises(InvalidParameterError, match="detectors must be able to watch one of the signals"):
        Monitor(profile, MonitorSettings(detectors=("page_hinkley",)))


@pytest.mark.parametrize("when", [float("nan"), -1.0, 1e15, "noon", [1.0, 2.0]])
def test_times_that_are_none_are_refused(profile, settings, rng, when):
    monitor = Monitor(profile, settings)
    with pytest.raises(InvalidDataError, match="observed_at must be"):
        monitor.process(draw(rng, 3), observed_at=when)
    assert monitor.snapshot().rows == 0
