"""A detector that the library does not know gets its thresholds, and a monitor watches with it."""

from __future__ import annotations

import functools
import math
import re

import numpy as np
import pytest
from prometheus_client import generate_latest
from prometheus_client.registry import CollectorRegistry

from driftlead import thresholds
from driftlead.calibration import Calibration, DetectorSpec, calibrate, incremental_ks, page_hinkley
from driftlead.checks import check_detector
from driftlead.detectors import DETECTORS, Detector, PageHinkley
from driftlead.errors import InvalidParameterError, ReferenceMismatchError
from driftlead.exporters.prometheus import MonitorCollector
from driftlead.monitor import Monitor, MonitorSettings, StateFolder
from driftlead.monitor.watch import build_watches, detector_specs
from tests.calibration.test_calibrate import profile_of

BUDGET, WINDOW = 2_000, 20


class RankMean(Detector):
    """Distance of the mean rank of the last rows from the middle, in plain NumPy."""

    kind = "rank_mean"

    def __init__(self, reference, window=WINDOW, threshold=0.3):
        d = reference.n_signals
        thresholds_of_all = np.array(np.broadcast_to(threshold, d), dtype=np.float64)
        super().__init__(reference, np.zeros(d, np.int64), np.zeros(d), thresholds_of_all)
        self._ranks = [
            np.convolve(np.repeat(counts, 2), [0.5, 0.5], "valid") / counts[-1] - 0.5
            for counts in map(reference.counts_up_to, range(d))
        ]
        self._latest = np.zeros((d, window))

    def _feeding(self, columns, slots, statistic, alarm, change_point):
        return functools.partial(self._feed_rows, slots, statistic, alarm)

    def _feed_rows(self, slots, statistic, alarm):
        for ranks, of_signal in zip(self._ranks, slots, strict=True):
            if not ((of_signal >= -1) & (of_signal < len(ranks))).all():
                raise ValueError("slot outside the reference")
        window = self._latest.shape[1]
        for j, (ranks, of_signal) in enumerate(zip(self._ranks, slots, strict=True)):
            present = of_signal >= 0
            path = np.concatenate([self._latest[j], ranks[of_signal[present]]])
            sums = np.lib.stride_tricks.sliding_window_view(path, window)[1:].sum(axis=1)
            found = np.concatenate([self._current[j : j + 1], np.abs(sums) / window])
            statistic[j] = found[np.cumsum(present)]
            self._count[j] += present.sum()
            self._latest[j], self._current[j] = path[-window:], found[-1]
        np.greater(statistic, self._threshold[:, np.newaxis], out=alarm)
        return bool(alarm.any())

    def _clear(self):
        self._latest[:] = 0.0

    def _state(self):
        return {"latest": self._latest.copy(), "window": self._latest.shape[1]}

    @classmethod
    def _restored(cls, state, reference):
        shape = reference.n_signals, int(state["window"])
        if np.shape(state["latest"]) != shape or np.shape(state["threshold"]) != shape[:1]:
            raise ValueError("of another shape")
        detector = cls(reference, shape[1], state["threshold"])
        detector._latest[:] = state["latest"]
        return detector


def rank_mean(window=WINDOW, **more):
    return DetectorSpec(
        "rank_mean", lambda reference, threshold, _: RankMean(reference, window, threshold), window, **more
    )


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(3).normal(size=(2_000, 2))


@pytest.fixture(scope="module")
def profile(rows):
    return profile_of(rows)


@pytest.fixture(scope="module")
def settings():
    return MonitorSettings(
        window=WINDOW,
        false_alarm_every=BUDGET,
        detectors=("page_hinkley", rank_mean(further_parameters={"by": 1})),
    )


@pytest.fixture(scope="module")
def calibration(profile, rows, settings):
    return calibrate(profile, rows, false_alarm_every=BUDGET, detectors=detector_specs(settings))


def test_it_is_a_sound_detector(profile):
    reference = build_watches(profile, MonitorSettings())[0].detector.reference
    check_detector(lambda: RankMean(reference), memory_rows=10_000)


def test_its_budget_is_met_on_rows_not_seen_before(profile, calibration):
    rng, alarms, length = np.random.default_rng(8), 0, 40_000
    (level,) = {pair.threshold for pair in calibration.pairs if pair.detector == "page_hinkley"}
    assert level == pytest.approx(thresholds.page_hinkley(4 * BUDGET, 2_000), rel=0.02)
    expected = sum(
        length / pair.false_alarm_every for pair in calibration.pairs if pair.detector == "rank_mean"
    )
    for _ in range(10):
        reference = build_watches(profile_of(rng.normal(size=(2_000, 2))), MonitorSettings())[
            0
        ].detector.reference
        detector = RankMean(reference, threshold=calibration.thresholds("rank_mean"))
        alarm = detector.update_many(rng.normal(size=(length, 2))).alarm
        for column in alarm.T:
            at = np.flatnonzero(column)
            alarms += int((np.diff(at, prepend=-WINDOW) >= WINDOW).sum())
    assert 0.75 < alarms / (10 * expected) < 1.3  # about 200 alarms: ±7 %, the fit ±5 %, references ±4 %


def test_a_monitor_watches_with_it_and_goes_on_after_a_restart(profile, settings, calibration, tmp_path):
    rng = np.random.default_rng(4)
    calibration.save(tmp_path / "thresholds.state")
    kept = Calibration.load(tmp_path / "thresholds.state")
    with Monitor(profile, settings, calibration=kept, folder=StateFolder(tmp_path / "state")) as monitor:
        monitor.start()
        monitor.process(rng.normal(size=(150, 2)))
        assert not monitor.snapshot().drifting
    with Monitor(profile, settings, calibration=kept, folder=StateFolder(tmp_path / "state")) as again:
        again.process(rng.normal([0.0, 1.5], size=(100, 2)))
        alarms = again.snapshot().recent_alarms
        registry = CollectorRegistry()
        registry.register(MonitorCollector(again, model="m", version="1"))
        exposed = generate_latest(registry).decode()
    assert {alarm.detector for alarm in alarms} == {"page_hinkley", "rank_mean"}
    assert {alarm.signal for alarm in alarms} == {"s1"}
    assert all(150 < alarm.row < 180 for alarm in alarms[:2])
    assert re.search(r'driftlead_signal_threshold\{[^}]*detector="rank_mean"', exposed)


def test_without_a_calibration_its_thresholds_are_simulated(profile, settings, monkeypatch):
    monkeypatch.setattr("driftlead.calibration.pricing._ROWS_PER_SIGNAL", (100_000, 100_000))
    watches = build_watches(profile, settings)
    assert [watch.name for watch in watches] == ["page_hinkley", "rank_mean"]
    evenly = thresholds.page_hinkley(4 * BUDGET, 2_000)
    assert watches[0].detector.threshold == pytest.approx(np.full(2, evenly), rel=1e-6)
    assert np.all((watches[1].detector.threshold > 0.15) & (watches[1].detector.threshold < 0.35))


def test_thresholds_of_other_parameters_are_refused(profile, settings, calibration):
    other = rank_mean(further_parameters={"by": 2})
    with pytest.raises(ReferenceMismatchError, match="of rank_mean is for by 1, not 2: calibrate anew"):
        calibration.require(profile, BUDGET, [page_hinkley(), other])


def test_one_that_restarts_agrees_with_the_table_where_it_was_simulated():
    mine = DetectorSpec(
        "mine", lambda reference, threshold, _: PageHinkley(reference, delta=0.25, threshold=threshold), None
    )
    calibration = calibrate(profile_of(np.random.default_rng(0).normal(size=(5_000, 1))),
                            false_alarm_every=2_000, detectors=[mine])  # fmt: skip
    assert calibration.thresholds("mine") == pytest.approx(thresholds.page_hinkley(2_000, 5_000), rel=0.04)


def test_the_report_says_where_a_threshold_goes_beyond_the_simulation(profile, monkeypatch):
    monkeypatch.setattr("driftlead.calibration.pricing._ROWS_PER_SIGNAL", (100_000, 100_000))
    said = "rarer than was simulated: its threshold continues the logarithm of the rate as a straight line"
    assert said in calibrate(profile, false_alarm_every=1e6, detectors=[rank_mean()]).report()
    assert "straight line" not in calibrate(profile, false_alarm_every=1e4, detectors=[rank_mean()]).report()


@pytest.mark.parametrize(
    ("build", "rule"),
    [
        (lambda reference, threshold, _: "no detector", "a function that returns a Detector (mine), got 'no"),
        (
            lambda reference, threshold, _: PageHinkley(n_signals=1),
            "takes the reference that it is given (mine)",
        ),
        (lambda reference, threshold, _: RankMean(reference), "has the thresholds that it is given (mine)"),
    ],
)
def test_a_build_that_builds_something_else_is_named(profile, build, rule):
    with pytest.raises(InvalidParameterError, match="build must be a function") as caught:
        calibrate(profile, detectors=[DetectorSpec("mine", build, WINDOW)])
    assert rule in str(caught.value)


@pytest.mark.parametrize(
    ("detectors", "message"),
    [
        (("ddm",), "detectors must be among page_hinkley, incremental_ks, nmddm, got 'ddm'"),
        ((PageHinkley,), "incremental_ks, nmddm, or each a DetectorSpec, got <class"),
        (([],), "or each a DetectorSpec, got []"),
        (
            ("nmddm", incremental_ks(), incremental_ks()),
            "detectors must be without repetition, got ('nmddm',",
        ),
        ((DetectorSpec("missing_rate", RankMean, 5),), "detectors must be of other names than missing_rate"),
        ((rank_mean(501),), "window must be at least that of rank_mean, 501, got 500"),
    ],
)
def test_detectors_that_cannot_be_are_named(detectors, message):
    with pytest.raises(InvalidParameterError) as caught:
        MonitorSettings(detectors=detectors)
    assert message in str(caught.value)


def test_every_detector_of_the_library_can_be_asked_for_by_its_name():
    assert tuple(spec.name for spec in detector_specs(MonitorSettings())) == tuple(DETECTORS)


def test_one_that_never_moves_cannot_alarm():
    class Still(RankMean):
        def _feed_rows(self, slots, statistic, alarm):
            super()._feed_rows(slots, statistic, alarm)
            statistic[:], alarm[:], self._current[:] = 0.0, False, 0.0
            return False

    still = DetectorSpec("still", lambda reference, threshold, _: Still(reference, WINDOW, threshold), WINDOW)
    calibration = calibrate(profile_of(np.arange(300.0)[:, np.newaxis]), detectors=[still])
    assert calibration.pairs[0].false_alarm_every == math.inf
    assert "still: 1 of 1 pairs cannot alarm (s0): no level kept the budget" in calibration.report()
