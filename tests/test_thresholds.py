"""Budgets become thresholds that fall with sample sizes and rise with the budget."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftlead import thresholds
from driftlead.errors import InvalidParameterError

budgets = st.floats(100.0, 1e12)
sizes = st.integers(20, 100_000)


@given(budgets, sizes, st.integers(20, 5_000))
def test_ks_threshold_is_a_distance_and_rises_with_the_budget(budget, n, window):
    threshold = thresholds.incremental_ks(budget, n, window)
    assert 0.0 < threshold <= 1.0
    assert thresholds.incremental_ks(10 * budget, n, window) >= threshold


def test_ks_threshold_matches_the_run_lengths_of_a_simulation():
    # Window 100 against an endless reference: the uniform distribution itself. Simulated run lengths
    # of this process lie 1.2 to 1.7 times above the formula (it is conservative).
    window, budget = 100, 1_000.0
    threshold = thresholds.incremental_ks(budget, 10**9, window)
    rng = np.random.default_rng(7)
    rows = alarms = 0
    for _ in range(60):
        values = rng.random(3_000)
        windows = np.sort(np.lib.stride_tricks.sliding_window_view(values, window), axis=1)
        above = (np.arange(1, window + 1) / window - windows).max(axis=1)
        below = (windows - np.arange(window) / window).max(axis=1)
        alarmed = np.flatnonzero(np.maximum(above, below) > threshold)
        alarms += int((np.diff(alarmed, prepend=-window) >= window).sum())
        rows += len(windows)
    assert 1.0 <= rows / alarms / budget <= 1.8


@given(budgets, sizes, st.floats(0.05, 1.0))
def test_page_hinkley_threshold_rises_with_budget_and_falls_with_the_reference(budget, n, delta):
    threshold = thresholds.page_hinkley(budget, n, delta)
    assert threshold >= 0.0
    assert thresholds.page_hinkley(10 * budget, n, delta) >= threshold
    assert thresholds.page_hinkley(budget, 10 * n, delta) <= threshold + 1e-6
    assert thresholds.page_hinkley(budget, n, delta, "up") <= threshold


@pytest.mark.parametrize(("budget", "delta"), [(500.0, 0.25), (1_000.0, 0.5)])
def test_page_hinkley_threshold_holds_its_rate_on_normal_scores(budget, delta):
    threshold = thresholds.page_hinkley(budget, 10**9, delta)
    rng = np.random.default_rng(3)
    streams, rows = 400, 5_000
    up, down = np.zeros(streams), np.zeros(streams)
    alarms = 0
    for _ in range(rows):
        step = rng.normal(size=streams)
        up = np.maximum(0.0, up + step - delta)
        down = np.maximum(0.0, down - step - delta)
        alarmed = np.maximum(up, down) > threshold
        alarms += int(alarmed.sum())
        up[alarmed] = down[alarmed] = 0.0
    assert 0.9 <= streams * rows / alarms / budget <= 1.1


def test_page_hinkley_threshold_without_drift_is_the_square_root_limit():
    # delta = 0 and a perfect reference: the one-sided run length is (threshold + 1.166)².
    threshold = thresholds.page_hinkley(10_000.0, 10**15, 0.0, "up")
    assert threshold == pytest.approx(100.0 - 1.166, rel=1e-4)


@given(budgets, st.integers(2, 31))
def test_nmddm_threshold_rises_with_budget_and_bins(budget, bins):
    threshold = thresholds.nmddm(budget, 1_000, 500, bins)
    assert thresholds.nmddm(10 * budget, 1_000, 500, bins) > threshold
    assert thresholds.nmddm(budget, 1_000, 500, bins + 1) > threshold


def test_a_single_bin_cannot_alarm():
    assert math.isinf(thresholds.nmddm(1e6, 1_000, 500, 1))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: thresholds.incremental_ks(1.0, 10, 10),
            "false_alarm_every must be a number of rows above 1, got 1.0",
        ),
        (lambda: thresholds.incremental_ks(math.nan, 10, 10), "false_alarm_every must be"),
        (lambda: thresholds.incremental_ks(1e6, 0, 10), "n must be at least 1, got 0"),
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
