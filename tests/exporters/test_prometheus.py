"""Which signals have series, what a reference is called, and when chance alone explains a PSI."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from driftlead.errors import InvalidParameterError
from driftlead.exporters.prometheus import MonitorCollector
from driftlead.exporters.reference import chi_square_thresholds, reference_digest
from driftlead.monitor import Monitor, MonitorSettings
from driftlead.reference import ReferenceProfile
from driftlead.signals import Signal

SIGNALS = [Signal(f"feature:{name}") for name in "abcdef"]


def profile(seed: int = 0, rows: int = 2_000) -> ReferenceProfile:
    values = np.random.default_rng(seed).normal(size=(rows, len(SIGNALS)))
    return ReferenceProfile.from_rows(SIGNALS, values, model_hash="1f")


@pytest.fixture(scope="module")
def monitor() -> Monitor:
    """One signal drifts, one does a little."""
    monitor = Monitor(profile(), MonitorSettings(window=100))
    rng = np.random.default_rng(1)
    monitor.process(rng.normal([0, 0, 2, 0, 0.2, 0], size=(300, len(SIGNALS))))
    return monitor


def collect(monitor: Monitor, **more: int) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(MonitorCollector(monitor, model="m", version="1", **more))
    return registry


def signals_of(registry: CollectorRegistry) -> dict[str, set[str]]:
    return {
        family.name: found
        for family in registry.collect()
        if (found := {sample.labels["signal"] for sample in family.samples if "signal" in sample.labels})
    }


def test_the_strongest_signals_have_series_and_the_others_are_counted(monitor):
    ratio = np.max([each.statistic / each.threshold for each in monitor.snapshot().detectors], axis=0)
    strongest = {SIGNALS[index].name for index in np.argsort(-ratio)[:2]}
    assert "feature:c" in strongest
    registry = collect(monitor, max_signals=2)
    found = signals_of(registry)
    assert len(found) == 9
    assert all(names == strongest for names in found.values())
    assert registry.get_sample_value("driftlead_signals_left_out", {"model": "m", "version": "1"}) == 4
    whole = collect(monitor)
    for family in registry.collect():
        for sample in family.samples:
            if sample.name != "driftlead_signals_left_out" and not np.isnan(sample.value):
                assert whole.get_sample_value(sample.name, sample.labels) == sample.value


def test_a_drifting_signal_has_series_though_others_are_nearer_to_their_threshold(monitor):
    snapshot = monitor.snapshot()
    calm = tuple(
        dataclasses.replace(each, statistic=np.where(each.drifting, 0.0, each.statistic))
        for each in snapshot.detectors
    )

    class Frozen:
        profile = monitor.profile

        def snapshot(self):
            return dataclasses.replace(snapshot, detectors=calm)

    assert set.union(*signals_of(collect(Frozen(), max_signals=1)).values()) == {"feature:c"}


def test_a_signal_that_begins_to_lack_values_has_series_from_then_on():
    monitor = Monitor(profile(), MonitorSettings(window=100))
    registry = collect(monitor)
    labels = {"model": "m", "version": "1", "signal": "feature:b", "detector": "missing_rate"}

    def drifting(**other):
        return registry.get_sample_value("driftlead_signal_drifting", labels | other)

    monitor.process(np.zeros((1, len(SIGNALS))))
    assert drifting() is None
    monitor.process([[0.0, np.nan, 0.0, 0.0, 0.0, 0.0]] * 50)
    assert (drifting(), drifting(signal="feature:a"), drifting(detector="nmddm")) == (1.0, None, 0.0)


def test_max_signals_must_be_positive(monitor):
    with pytest.raises(InvalidParameterError, match="max_signals must be at least 1, got 0"):
        MonitorCollector(monitor, model="m", version="1", max_signals=0)


def digest(profile: ReferenceProfile) -> str:
    return reference_digest(profile, Monitor(profile).snapshot().bins)


def test_labelled_rows_have_quality_and_tests_of_their_own():
    rng = np.random.default_rng(3)
    # A classifier that is right nine times in ten on its reference, and later half of the time.
    scores = np.tile([0.9, 0.1], (1_000, 1)).astype(np.float32)
    labels = (rng.random(1_000) < 0.1).astype(int)
    monitor = Monitor(profile().with_quality(scores, labels), MonitorSettings(window=100))
    names = [f"r{number}" for number in range(400)]
    rows = rng.normal(size=(400, len(SIGNALS)))
    monitor.process(rows, ids=names, scores=scores[:400])
    wrong = np.arange(400) % 2
    monitor.feedback(names[:300], wrong[:300])
    monitor.feedback(["never asked", names[0]], [0, 0])
    registry = collect(monitor, max_signals=1)

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"driftlead_{name}", {"model": "m", "version": "1", **labels})

    outcomes = {"matched": 300, "late": 0, "duplicate": 1, "unmatched": 1}
    assert {outcome: value("feedback_total", outcome=outcome) for outcome in outcomes} == outcomes
    assert value("labelled_rows_total") == 300
    assert value("performance_ratio", metric="accuracy") == 0.5
    assert value("performance_ratio", metric="reference_accuracy") == pytest.approx(1 - labels.mean())
    expected = -np.log([0.9, 0.1]).mean()
    assert value("performance_loss", metric="log_loss") == pytest.approx(expected, rel=1e-6)
    assert value("label_lag_seconds") >= 0
    # Errors are watched, and exported however few signals are.
    error = {"signal": "performance:error", "detector": "page_hinkley"}
    assert value("signal_drifting", **error) == 1
    assert value("signal_statistic", **error) > 0
    assert value("alarms_total", **error) >= 1


def test_a_reference_has_its_own_name():
    same, other = profile(0), profile(0)
    assert digest(same) == digest(other)
    assert len(digest(same)) == 8
    int(digest(same), 16)
    changed = [
        profile(1),
        profile(0, rows=1_999),
        dataclasses.replace(same, missing=same.missing + 1),
        dataclasses.replace(same, signals=(Signal("feature:z"), *same.signals[1:])),
    ]
    assert len({digest(each) for each in [same, *changed]}) == 5


def test_chance_alone_exceeds_the_thresholds_as_rarely_as_they_say():
    rng = np.random.default_rng(2)
    chance, n, m, n_signals, n_bins = 0.2, 1_000, 10_000, 8, 10
    thresholds = chi_square_thresholds([n_bins] * n_signals, chance) * (1 / n + 1 / m)
    shares = np.full(n_bins, 1 / n_bins)
    live = rng.multinomial(n, shares, size=(4_000, n_signals)) / n
    reference = rng.multinomial(m, shares, size=(4_000, n_signals)) / m
    psi = ((live - reference) * np.log(live / reference)).sum(axis=2)
    # Bonferroni: a little less than the chance that is asked for.
    assert (psi > thresholds).any(axis=1).mean() == pytest.approx(0.18, abs=0.02)
