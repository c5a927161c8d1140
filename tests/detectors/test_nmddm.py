"""NM-DDM against its definitions, and against the authors' released code."""

import math

import numpy as np
import pytest
from scipy.stats import chi2

from driftlead.detectors import NMDDM
from driftlead.detectors.nmddm import RELEASED_CODE_THRESHOLD, released_code_statistic, split_grid
from driftlead.errors import InvalidDataError
from driftlead.ranks import SortedReference
from tests.naive import nmddm as naive

# seed, family, n, change_at, shift → statistic, split, alarm: the authors' released code (one
# dimension, 4 bins, sensitivity 0.001), compiled and run.
RELEASED = [
    (0, "normal", 300, None, 0, 11.282832867, 175, True),
    (1, "normal", 300, 150, 1.0, 75.204086751, 154, True),
    (2, "normal", 1000, None, 0, 9.068668907, 874, True),
    (3, "normal", 1000, 500, 0.5, 73.783528693, 891, True),
    (4, "normal", 1000, 700, 2.0, 1157.424570195, 705, True),
    (5, "uniform", 400, None, 0, 7.798045069, 294, True),
    (6, "uniform", 400, 200, 0.3, 147.279562686, 199, True),
    (7, "lognormal", 600, 300, 1.0, 8.13464575, 271, True),
    (8, "normal", 199, None, 0, None, -1, False),
    (9, "normal", 250, 120, 5.0, 482.152882872, 120, True),
]


def released_input(seed, family, n, change_at, shift):
    rng = np.random.default_rng(seed)
    draw = {"normal": rng.normal, "lognormal": rng.lognormal}
    values = rng.random(n) if family == "uniform" else draw[family](size=n)
    if change_at is not None:
        values[change_at:] += shift
    return values


@pytest.mark.parametrize("row", RELEASED, ids=lambda row: f"seed{row[0]}")
def test_released_code_to_the_digit(row):
    *how, statistic, split, alarm = row
    values = released_input(*how)
    found, at = released_code_statistic(values)
    assert at == split
    if statistic is None:
        assert math.isnan(found)
        return
    assert found == pytest.approx(statistic, abs=1e-6)
    assert (found > RELEASED_CODE_THRESHOLD) is alarm
    detector = NMDDM(window=len(values), variant="mustafa2017")
    trace = detector.update_many(values)
    assert not trace.alarm[:-1].any()
    assert trace.alarm[-1, 0] == alarm
    assert detector.statistic[0] == found
    assert detector.change_point[0] == len(values) - split
    assert trace.change_point[-1, 0] == len(values) - split


def test_released_code_slides_and_keeps_signals_apart():
    rng = np.random.default_rng(1)
    values = np.column_stack([rng.normal(size=330), rng.lognormal(size=330)])
    values[100:, 0] += 0.7
    values[5, 0] = np.nan
    trace = NMDDM(window=230, variant="mustafa2017", n_signals=2).update_many(values)
    for j in range(2):
        present = values[~np.isnan(values[:, j]), j]
        skipped = len(values) - len(present)
        for t in range(229, len(present), 9):
            expected, split = naive.released_code(present[t - 229 : t + 1])
            assert trace.statistic[t + skipped, j] == pytest.approx(expected, rel=1e-9)
            assert trace.change_point[t + skipped, j] == 230 - split


@pytest.mark.parametrize("values", [np.zeros(250), np.tile([0.0, np.inf], 125), np.tile([5e-324, 0.0], 125)])
def test_released_code_on_degenerate_windows(values):
    statistic, split = released_code_statistic(values)
    assert math.isfinite(statistic)
    assert 100 <= split <= 150


@pytest.mark.parametrize("bad", [[np.nan] * 300, np.zeros((2, 300)), ["a"]])
def test_released_code_refuses_what_it_cannot_order(bad):
    with pytest.raises(InvalidDataError, match="values must"):
        released_code_statistic(bad)


def bins_of(detector, rows):
    table = detector._windows.table
    return table.numbers[table.starts[:-1] + detector.reference.locate(rows)]


REFERENCES = {
    "continuous": np.random.default_rng(2).normal(size=200),
    "ties": np.round(np.random.default_rng(3).normal(size=90) * 2),
    "binary": np.repeat([0.0, 1.0], [70, 30]),
    "constant": np.full(20, 3.0),
    "single": np.array([0.0]),
}


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize(("window", "bins"), [(60, 8), (2, 2), (31, 5), (100, 32)])
def test_likelihood_ratio_equals_the_definition(name, window, bins):
    reference = REFERENCES[name]
    rng = np.random.default_rng(4)
    values = np.concatenate([rng.choice(reference, 150), rng.normal(1.0, 2.0, size=150), [np.inf, -np.inf]])
    detector = NMDDM(reference, window, bins, threshold=5.0)
    trace = detector.update_many(values)
    numbers = np.array([naive.quantile_bin(reference, x, bins) for x in values])
    assert detector.n_bins[0] == len({naive.quantile_bin(reference, x, bins) for x in reference})
    for t in range(len(values)):
        if t + 1 < window:
            assert trace.statistic[t, 0] == 0.0
            assert trace.change_point[t, 0] == 0
            continue
        content = numbers[t + 1 - window : t + 1]
        expected, _ = naive.likelihood_ratio(content, bins, split_grid(window))
        assert trace.statistic[t, 0] == pytest.approx(max(expected, 0.0), abs=1e-7)
        at_split, _ = naive.likelihood_ratio(content, bins, [trace.change_point[t, 0]])
        assert at_split == pytest.approx(expected, abs=1e-7)


def test_no_error_builds_up_over_a_long_stream():
    rng = np.random.default_rng(5)
    reference = rng.normal(size=500)
    detector = NMDDM(reference, 150, threshold=50.0)
    long = rng.normal(size=300_000)
    detector.update_many(long)
    fresh = NMDDM(reference, 150, threshold=50.0)
    fresh.update_many(long[-150:])
    assert detector.statistic[0] == fresh.statistic[0]


@pytest.mark.parametrize("window", [2, 3, 5, 8, 31, 32, 100, 499, 500, 10_000])
def test_split_grid(window):
    grid = split_grid(window)
    assert (np.diff(grid) > 0).all()
    assert grid[0] == max(1, min(8, window // 4))
    assert set(grid) == {window - length for length in grid}
    assert window // 2 in grid
    halves = grid[grid <= window // 2]
    assert (halves[1:] <= 1.5 * halves[:-1] + 1).all()
    assert len(grid) <= 4 * math.log2(window) + 1


def test_finds_where_it_changed():
    rng = np.random.default_rng(6)
    detector = NMDDM(rng.normal(size=2000), 400)
    detector.update_many(np.concatenate([rng.normal(size=500), rng.normal(1.5, size=120)]))
    assert detector.alarms[0]
    assert 100 <= detector.change_point[0] <= 140


def test_categories_have_bins_of_their_own():
    rng = np.random.default_rng(7)
    frequent = np.repeat(np.arange(40.0), np.arange(41, 1, -1))  # category 0 is the most frequent
    reference = SortedReference([frequent, [5.0, 5.0, 9.0]])
    detector = NMDDM(reference, 128, categorical=[True, True], threshold=40.0)
    assert detector.n_bins.tolist() == [32, 3]
    values = np.array([[0.0, 5.0], [30.0, 9.0], [31.0, 7.0], [39.0, 1.0], [30.5, 10.0], [np.nan, np.nan]])
    assert bins_of(detector, values).T.tolist() == [[0, 30, 31, 31, 31, -1], [0, 1, 2, 2, 2, -1]]
    usual = rng.choice(frequent, size=(300, 1)) * [1, 0] + [0, 5]
    assert not detector.update_many(usual).alarm.any()
    new = np.column_stack([np.full(60, 99.0), np.full(60, 7.0)])
    assert detector.update_many(new).alarm[-1].all()


def test_bins_hold_equal_shares_of_the_reference():
    reference = SortedReference(np.random.default_rng(8).normal(size=1000))
    detector = NMDDM(reference, 100, 8)
    bins = bins_of(detector, reference.distinct(0)[:, np.newaxis])
    assert np.bincount(bins[:, 0]).tolist() == [125] * 8


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("window", [40, 33, 2])
def test_kernel_densities_equal_the_definition(name, window):
    reference = REFERENCES[name]
    rng = np.random.default_rng(9)
    values = np.concatenate([rng.choice(reference, 70), rng.normal(1.0, 2.0, size=60), [np.inf, -np.inf]])
    trace = NMDDM(reference, window, density="kde", threshold=1.0).update_many(values)
    assert (trace.statistic[: window - 1] == 0.0).all()
    for t in range(window - 1, len(values), 7):
        rows = np.arange(t + 1 - window, t + 1)
        expected = naive.kernel_density(reference, values[rows], rows % window)
        assert trace.statistic[t, 0] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("settings", [{}, {"density": "kde"}, {"variant": "mustafa2017"}], ids=str)
@pytest.mark.parametrize("shift", [60.0, -60.0, 1e300, math.inf])
def test_a_far_shift_is_a_huge_statistic(settings, shift):
    rng = np.random.default_rng(10)
    detector = NMDDM(rng.normal(size=1000), 300, **settings)
    quiet = detector.update_many(rng.normal(size=600)).statistic.max()
    loud = detector.update_many(rng.normal(size=150) + shift)
    assert detector.alarms[0]
    assert detector.statistic[0] > 8 * max(quiet, 0.05)
    assert loud.statistic[100:].min() > detector.threshold[0]


def test_kernel_densities_are_quiet_without_drift():
    rng = np.random.default_rng(11)
    detector = NMDDM(rng.normal(size=(20_000, 5)), 250, density="kde")
    assert detector.threshold[0] == pytest.approx(2 * math.log(1e6) / 250)
    assert not detector.update_many(rng.normal(size=(5000, 5))).alarm.any()
    assert detector.update_many(rng.normal(1.0, size=(250, 5))).alarm[-1].all()


def test_twice_the_ratio_at_one_split_is_chi_squared():
    """The scale is right: a pooled density makes one split's statistic what theory says it is."""
    rng = np.random.default_rng(12)
    reference = rng.normal(size=5000)
    values = rng.normal(size=(400, 400))  # 400 independent windows of 400
    detector = NMDDM([reference] * 400, 400, 4)
    detector.update_many(values)
    at_half = [2 * naive.likelihood_ratio(row, 4, [200])[0] for row in bins_of(detector, values).T]
    assert np.mean(at_half) == pytest.approx(3.0, abs=0.5)
    assert np.mean(np.array(at_half) > chi2.isf(0.05, 3)) == pytest.approx(0.05, abs=0.03)
    assert detector.statistic.mean() > np.mean(at_half) / 2


def test_memory_per_signal():
    held = NMDDM(np.random.default_rng(0).normal(size=(1000, 4)), 1000)._windows
    arrays = (held.ring, held.recent, held.sums, held.table.numbers)
    assert sum(array.nbytes for array in arrays) / 4 + held.steps.nbytes <= 24 * 1024
