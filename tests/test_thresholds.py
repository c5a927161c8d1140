"""Budgets become thresholds that fall with sample sizes, rise with the budget, and keep it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftlead import rates, thresholds
from driftlead.errors import InvalidParameterError

budgets = st.floats(100.0, 1e12)
sizes = st.integers(20, 100_000)

settings.register_profile("patient", deadline=None)  # a first solve on a busy machine may take its time
settings.load_profile("patient")


@given(budgets, sizes, st.integers(20, 5_000))
def test_ks_threshold_is_a_distance_and_rises_with_the_budget(budget, n, window):
    threshold = thresholds.incremental_ks(budget, n, window)
    assert 0.0 < threshold <= 1.0
    assert thresholds.incremental_ks(10 * budget, n, window) >= threshold


@given(st.integers(20, 100_000), st.integers(20, 5_000))
def test_ks_rate_falls_with_the_level_far_beyond_what_was_simulated(n, window):
    levels = np.linspace(rates.KS_LOWEST + 0.1, 6.0, 60)
    logs = np.array([rates.incremental_ks(h, n, window) for h in levels])
    assert np.all(np.diff(logs) < 0.0)


@given(st.integers(50, 5_000), st.integers(2, 32))
def test_nmddm_rate_falls_with_the_level_far_beyond_what_was_simulated(window, bins):
    low = rates.nmddm_lowest(window, bins)
    levels = np.linspace(low + 2.0, low + 60.0, 60)
    logs = rates.nmddm_log_rate(levels, window, bins)
    assert np.all(np.diff(logs) < 0.0)
    # Far out each nat of the statistic is worth about one nat of the rate.
    assert -1.2 < (logs[-1] - logs[-11]) / (levels[-1] - levels[-11]) < -0.7


def test_ks_threshold_lies_half_way_between_values_that_the_distance_can_take():
    threshold = thresholds.incremental_ks(10_000.0, 1_000, 100)
    assert (threshold * 1_000) % 1.0 == pytest.approx(0.5)


@given(budgets, sizes, st.floats(0.05, 1.0))
def test_page_hinkley_threshold_rises_with_budget_and_falls_with_the_reference(budget, n, delta):
    threshold = thresholds.page_hinkley(budget, n, delta)
    assert threshold >= 0.0
    assert thresholds.page_hinkley(10 * budget, n, delta) >= threshold
    assert thresholds.page_hinkley(budget, 10 * n, delta) <= threshold + 1e-6
    assert thresholds.page_hinkley(budget, n, delta, "up") <= threshold


def test_page_hinkley_threshold_without_drift_is_the_square_root_limit():
    # delta = 0 and a perfect reference: the one-sided run length is (threshold + 1.166)².
    threshold = thresholds.page_hinkley(10_000.0, 10**15, 0.0, "up")
    assert threshold == pytest.approx(100.0 - 1.166, rel=1e-3)


@given(budgets, st.integers(2, 31))
def test_nmddm_threshold_rises_with_the_budget(budget, bins):
    threshold = thresholds.nmddm(budget, 1_000, 500, bins)
    assert thresholds.nmddm(10 * budget, 1_000, 500, bins) >= threshold
    assert threshold >= rates.nmddm_lowest(500, bins)


def test_a_single_bin_cannot_alarm():
    assert math.isinf(thresholds.nmddm(1e6, 1_000, 500, 1))


def test_references_differ_less_than_their_error_moves_one_side_of_the_rate():
    # Counted on 300 references with 2·10⁶ rows each, windows of 100: deviation of the log rate.
    for h, n, counted in ((1.64, 1_000, 0.24), (1.76, 1_000, 0.31), (1.65, 5_000, 0.07), (1.78, 5_000, 0.09)):
        assert rates.reference_spread(h, n, 100) == pytest.approx(counted, rel=0.25)
    # An error √10 times smaller matters ten times less where it is small, √10 times less where it is large.
    small = rates.spread_features(np.array(2.0), np.array([1e5, 1e6]), 100)[:, 0]
    large = rates.spread_features(np.array(2e3), np.array([1e3, 1e4]), 100)[:, 0]
    assert small[0] / small[1] == pytest.approx(10.0, rel=0.01)
    assert large[0] / large[1] == pytest.approx(math.sqrt(10_100 / 1_100), rel=0.01)


@pytest.mark.parametrize("budget", [1e4, 1e6, 1e9])
def test_a_guarantee_costs_little_and_never_lowers_a_threshold(budget):
    for mean, sure in (
        (thresholds.incremental_ks(budget, 5_000, 200), thresholds.incremental_ks(budget, 5_000, 200, 0.9)),
        (thresholds.page_hinkley(budget, 5_000), thresholds.page_hinkley(budget, 5_000, guarantee=0.9)),
    ):
        assert mean < sure < 1.1 * mean


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: thresholds.incremental_ks(1.0, 10, 10),
            "false_alarm_every must be a number of rows above 1, got 1.0",
        ),
        (lambda: thresholds.incremental_ks(math.nan, 10, 10), "false_alarm_every must be"),
        (lambda: thresholds.incremental_ks(1e6, 0, 10), "n must be at least 1, got 0"),
        (lambda: thresholds.incremental_ks(1e6, 10, 10, 1.0), "guarantee must be above 0.5 and below 1"),
        (lambda: thresholds.nmddm(1e6, 10, 0, 8), "window must be at least 1, got 0"),
        (lambda: thresholds.nmddm(1e6, 10, 10, 0), "bins must be at least 1, got 0"),
        (lambda: thresholds.page_hinkley(1e6, 10, -0.1), "delta must be finite and at least 0, got -0.1"),
        (
            lambda: thresholds.page_hinkley(1e6, 10, 0.1, "left"),
            "direction must be one of both, up, down, got 'left'",
        ),
    ],
)
def test_bad_parameters_name_parameter_rule_and_value(call, message):
    with pytest.raises(InvalidParameterError, match=message.replace(".", r"\.")):
        call()
