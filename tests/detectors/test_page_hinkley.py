"""Page-Hinkley against plain lines, the textbook form, and what it must never do."""

import itertools

import numpy as np
import pytest
from scipy import stats
from scipy.special import ndtri

from driftlead import thresholds
from driftlead.detectors import PageHinkley
from driftlead.detectors._kernels.page_hinkley import normal_quantile, uniform
from driftlead.ranks import SortedReference
from tests.naive import page_hinkley as naive
from tests.naive import ranks as naive_ranks
from tests.naive import ties as naive_ties

rng = np.random.default_rng(5)
STREAMS = {
    "normal": np.concatenate([rng.normal(size=300), rng.normal(1.0, size=200), rng.normal(-1.0, size=200)]),
    "bernoulli": (rng.random(600) < np.repeat([0.1, 0.4], 300)).astype(float),
    "large_mean": rng.normal(1e6, 1.0, size=300),
    "constant": np.full(100, 3.25),
    "gaps": np.where(rng.random(500) < 0.2, np.nan, rng.normal(size=500)),
}


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("alpha", [1.0, 0.98])
@pytest.mark.parametrize("direction", ["both", "up", "down"])
def test_equals_the_plain_lines(name, alpha, direction):
    values = STREAMS[name]
    detector = PageHinkley(delta=0.05, threshold=7.0, alpha=alpha, direction=direction)
    expected = naive.gaps(values, 0.05, 7.0, alpha, up=direction != "down", down=direction != "up")
    trace = detector.update_many(values)
    scale = max(1.0, float(np.nanmax(np.abs(values))))
    np.testing.assert_allclose(trace.statistic[:, 0], expected, rtol=1e-10, atol=1e-9 * scale)
    assert trace.alarm[:, 0].tolist() == [g > 7.0 for g in expected]


@pytest.mark.parametrize("name", ["normal", "bernoulli", "large_mean", "constant"])
def test_without_fading_is_s_minus_min_s(name):
    values = STREAMS[name]
    trace = PageHinkley(delta=0.01, threshold=1e12).update_many(values)
    np.testing.assert_allclose(trace.statistic[:, 0], naive.sums(values, 0.01), rtol=1e-9, atol=1e-6)


def test_the_first_alarms_of_the_restarted_textbook_form():
    values, start, alarms = STREAMS["normal"], 0, []
    while start < len(values):
        over = np.flatnonzero(np.array(naive.sums(values[start:], 0.1)) > 10.0)
        if not len(over):
            break
        alarms.append(start + int(over[0]))
        start = alarms[-1] + 1
    detector = PageHinkley(delta=0.1, threshold=10.0)
    assert [row for row, x in enumerate(values) if detector.update(x)] == alarms
    assert len(alarms) > 2


@pytest.mark.parametrize("alpha", [1.0, 0.9999, 0.99])
def test_never_alarms_upward_after_a_fall(alpha):
    """A faded sum with a minimum that is not faded does: 99 of 100 such streams in another library."""
    for seed in range(20):
        stream = np.random.default_rng(seed).normal(10.0, 0.5, size=8000)
        stream[2000:] -= 1.0
        up = PageHinkley(delta=0.05, threshold=50.0, direction="up", alpha=alpha).update_many(stream)
        assert not up.alarm.any()
        down = PageHinkley(delta=0.05, threshold=50.0, direction="down", alpha=alpha).update_many(stream)
        assert down.alarm[2000:2300].any()


def test_sign_and_scale_behave():
    values = STREAMS["normal"]
    up = PageHinkley(delta=0.1, threshold=10.0, direction="up").update_many(values)
    down = PageHinkley(delta=0.1, threshold=10.0, direction="down").update_many(-values)
    np.testing.assert_array_equal(up.statistic, down.statistic)
    scaled = PageHinkley(delta=0.1 * 1024, threshold=10.0 * 1024, direction="up").update_many(values * 1024)
    np.testing.assert_array_equal(scaled.statistic, up.statistic * 1024)


def test_a_negative_or_zero_mean_is_like_any_other():
    """A threshold multiplied by the mean alarms at once; so does a one-sided test with the slack reversed."""
    for mean in (-10.0, 0.0, 1.0):
        quiet = np.random.default_rng(1).normal(mean, 1.0, size=400)
        assert not PageHinkley(delta=0.25, threshold=20.0).update_many(quiet).alarm.any()
        assert not PageHinkley(delta=0.005, threshold=5.0).update_many(np.full(9000, mean)).alarm.any()


def test_restarts_and_keeps_the_statistic_that_alarmed():
    detector = PageHinkley(delta=0.0, threshold=3.0)
    assert not any(detector.update(x) for x in (0.0, 0.0, 0.0))
    assert detector.update(8.0)
    assert detector.statistic[0] == 6.0  # 8 − the running mean 2
    assert detector.alarms[0]
    assert not detector.update(8.0)
    assert detector.statistic[0] == 0.0  # the mean began anew: 8 is the first value
    assert not detector.alarms[0]


def test_each_signal_has_its_own_state():
    values = np.column_stack([STREAMS["normal"][:600], STREAMS["bernoulli"]])
    values[::7, 1] = np.nan
    both = PageHinkley(n_signals=2, delta=[0.1, 0.02], threshold=[12.0, 5.0]).update_many(values)
    for j, (delta, threshold) in enumerate([(0.1, 12.0), (0.02, 5.0)]):
        alone = PageHinkley(delta=delta, threshold=threshold).update_many(values[:, j])
        np.testing.assert_array_equal(both.statistic[:, j], alone.statistic[:, 0])


def test_infinite_values_alarm_at_once_and_leave_the_mean_alone():
    detector = PageHinkley(delta=0.0, threshold=3.0)
    assert [detector.update(x) for x in (1.0, 1.0, np.inf, 1.0, 2.0, -np.inf, 1.0)] == [
        *(False, False, True, False, False, True, False)
    ]
    up = PageHinkley(delta=0.0, threshold=3.0, direction="up")
    assert not any(up.update(x) for x in (1.0, -np.inf, 1.0, -np.inf))
    assert up.statistic[0] == 0.0
    endless = PageHinkley(threshold=np.inf)
    assert not any(endless.update(x) for x in (1.0, np.inf, np.inf, -np.inf, 1.0))
    assert np.isfinite(endless.statistic[0])


SAMPLES = {
    "continuous": np.random.default_rng(2).normal(size=37),
    "ties": np.array([0.0, 0.0, 0.0, 1.0, 1.0, 2.0, 5.0, 5.0]),
    "single": np.array([4.0]),
    "infinite": np.array([-np.inf, 0.0, 1.0, np.inf, np.inf]),
}


def drawn(reference, signal):
    """The numbers that order the reference's equal values; None where it has none."""
    if len(set(reference)) == len(reference):
        return None
    return [float(number) for _, number in naive_ties.reference_ranks(reference, 42, signal)]


@pytest.mark.parametrize("name", SAMPLES)
def test_normal_scores_equal_the_definition(name):
    reference = SAMPLES[name]
    draw = np.random.default_rng(3)
    values = np.concatenate([draw.choice(reference, 80), draw.normal(size=120), [np.inf, -np.inf, 1e9]])
    values[5] = np.nan
    detector = PageHinkley([reference[::-1], reference], delta=0.0, threshold=1e9, seed=42)
    trace = detector.update_many(np.column_stack([values, values]))
    for j in range(2):
        scores = [
            x
            if np.isnan(x)
            else naive_ranks.normal_score(reference, x, uniform(42, j, row), drawn(reference, j))
            for row, x in enumerate(values)
        ]
        expected = naive.gaps(scores, 0.0, 1e9, mean=0.0)
        np.testing.assert_allclose(trace.statistic[:, j], expected, rtol=1e-12, atol=1e-12)
    assert not np.array_equal(trace.statistic[:, 0], trace.statistic[:, 1])  # each signal its own ranks


def test_quantile_equals_scipy():
    p = np.concatenate([np.geomspace(2e-11, 0.5, 2000), 1.0 - np.geomspace(2e-11, 0.5, 2000)])
    np.testing.assert_allclose([normal_quantile(q) for q in p], ndtri(p), rtol=2e-15, atol=1e-15)


def test_uniforms_are_uniform_independent_and_fixed():
    drawn = np.array([[uniform(0, j, row) for row in range(4000)] for j in range(3)])
    assert drawn.min() >= 0.0
    assert drawn.max() < 1.0
    for row in drawn:
        assert stats.kstest(row, "uniform").pvalue > 1e-3
        assert abs(np.corrcoef(row[1:], row[:-1])[0, 1]) < 0.06
    for a, b in itertools.combinations(drawn, 2):
        assert abs(np.corrcoef(a, b)[0, 1]) < 0.06
    assert uniform(0, 0, 0) != uniform(1, 0, 0)
    # Stored states replay these draws, so they may never change.
    assert uniform(7, 2, 100) == 0.9529992573280962


def test_scores_of_the_reference_population_are_standard_normal_whatever_the_signal():
    draw = np.random.default_rng(4)
    sample = [draw.standard_cauchy(20_000), np.round(draw.normal(size=20_000)), draw.random(20_000) < 0.1]
    live = np.column_stack(
        [draw.standard_cauchy(5000), np.round(draw.normal(size=5000)), draw.random(5000) < 0.1]
    )
    # With an endless threshold, no slack and both gaps seen apart, differences of the gaps are scores.
    up = PageHinkley(sample, delta=0.0, threshold=np.inf, direction="up").update_many(live).statistic
    for j in range(3):
        risen = np.diff(up[:, j])[(up[1:, j] > 0) & (up[:-1, j] > 10)]
        assert abs(risen.mean()) < 0.12
        assert abs(risen.std() - 1.0) < 0.08


def test_one_location_serves_value_and_slot():
    reference = SortedReference(SAMPLES["ties"])
    values = np.random.default_rng(6).integers(-1, 7, size=(300, 1)).astype(float)
    by_value = PageHinkley(reference, threshold=4.0).update_many(values)
    by_slot = PageHinkley(reference, threshold=4.0).update_located(reference.locate(values))
    np.testing.assert_array_equal(by_value.statistic, by_slot.statistic)
    assert by_value.alarm.any()


def test_threshold_from_the_budget():
    sizes = [np.arange(50.0), np.arange(5000.0)]
    strict = PageHinkley(sizes).threshold
    loose = PageHinkley(sizes, false_alarm_every=1e3).threshold
    assert strict.shape == (2,)
    assert (strict > loose).all()
    assert strict[0] > strict[1]  # a small reference may be off by more
    np.testing.assert_array_equal(PageHinkley(sizes, false_alarm_every=1e6).threshold, strict)
    assert PageHinkley().threshold == [50.0]


def test_a_budget_alone_gives_a_test_that_sees_a_change():
    reference = np.random.default_rng(1).normal(size=5_000)
    detector = PageHinkley(reference, false_alarm_every=100_000)
    assert detector.threshold == thresholds.page_hinkley(100_000, 5_000, delta=0.25)
    stream = np.random.default_rng(2).normal(size=400)
    stream[200:] += 1.0
    assert 200 < np.flatnonzero(detector.update_many(stream).alarm[:, 0])[0] < 230
