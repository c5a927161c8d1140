"""Ties broken at random: the detectors see what they would see of pairs in lexicographic order."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from driftlead.detectors import NMDDM, IncrementalKS
from driftlead.detectors._kernels.ties import uniform
from driftlead.errors import InvalidParameterError
from tests.naive import ties as naive

SEED = 9
RNG = np.random.default_rng(4)
REFERENCES = {
    "counts": RNG.poisson(2.0, 200).astype(float),
    "flag": (RNG.random(200) < 0.05).astype(float),
    "constant": np.full(200, 3.0),
    "continuous": RNG.normal(size=200),
    "infinite": np.where(RNG.random(200) < 0.5, np.inf, RNG.normal(size=200)),
}


def live(reference, size=260):
    values = np.random.default_rng(1).choice(reference, size)
    values[::31] = np.nan
    values[5::40] = 1.5  # between the values of counts and flags
    return values


@pytest.mark.parametrize("kind", REFERENCES)
@pytest.mark.parametrize("make", [
    lambda reference, **ties: IncrementalKS(reference, 50, threshold=0.5, **ties),
    lambda reference, **ties: NMDDM(reference, 80, threshold=5.0, **ties),
], ids=["incremental_ks", "nmddm"])  # fmt: skip
def test_random_ties_are_exact_statistics_of_pairs(kind, make):
    reference = REFERENCES[kind]
    values = live(reference)
    given = make(reference, ties="random", seed=SEED).update_many(values)
    ranks = naive.live_ranks(reference, values, SEED)
    expected = make(np.arange(float(len(reference))), ties="exact").update_many(ranks)
    np.testing.assert_array_equal(given.statistic, expected.statistic)


def test_every_signal_has_numbers_of_its_own():
    reference = np.column_stack([REFERENCES["counts"]] * 2)
    values = np.column_stack([live(reference[:, 0])] * 2)
    trace = IncrementalKS(reference, 50, threshold=0.5, ties="random", seed=SEED).update_many(values)
    for j in range(2):
        ranks = naive.live_ranks(reference[:, j], values[:, j], SEED, signal=j)
        expected = IncrementalKS(np.arange(200.0), 50, threshold=0.5).update_many(ranks)
        np.testing.assert_array_equal(trace.statistic[:, j], expected.statistic[:, 0])
    assert np.any(trace.statistic[:, 0] != trace.statistic[:, 1])


def test_gaps_among_equal_reference_values_are_as_uneven_as_chance_makes_them():
    # Two equal values split [0, 1] into three gaps whose squares add up to 1/2 on average, not to 1/3.
    squares = []
    for seed in range(2_000):
        first, second = sorted(uniform(seed, -1, i) for i in range(2))
        squares.append(first**2 + (second - first) ** 2 + (1.0 - second) ** 2)
    assert np.mean(squares) == pytest.approx(0.5, abs=4 * np.std(squares) / np.sqrt(2_000))


def test_uniform_numbers_are_uniform_across_seeds_signals_and_rows():
    for numbers in (
        [uniform(seed, 0, 0) for seed in range(3_000)],
        [uniform(3, signal, 7) for signal in range(-1_500, 1_500)],
        [uniform(3, -1, row) for row in range(3_000)],
    ):
        assert stats.kstest(numbers, "uniform").pvalue > 1e-4


@pytest.mark.parametrize("make", [IncrementalKS, NMDDM])
def test_ties_are_random_where_a_budget_rests_on_it(make):
    flag = REFERENCES["flag"]

    def ties(**arguments):
        return make(flag, 60, **arguments).state()["ties"]

    assert ties(false_alarm_every=1e4) == "random"
    assert ties(threshold=0.5) == "exact"
    assert ties(threshold=0.5, ties="random") == "random"
    assert ties(false_alarm_every=1e4, ties="exact") == "exact"
    with pytest.raises(InvalidParameterError, match="ties must be one of exact, random, got 'even'"):
        make(flag, ties="even")


@pytest.mark.parametrize("make", [
    lambda: IncrementalKS(window=20, ties="random"),
    lambda: NMDDM(REFERENCES["flag"], density="kde", ties="random"),
    lambda: NMDDM(window=200, variant="mustafa2017", ties="random"),
])  # fmt: skip
def test_ties_are_exact_without_ranks_or_bins_of_a_reference(make):
    with pytest.raises(InvalidParameterError, match="ties must be exact where"):
        make()


def test_rebase_makes_the_window_its_own_reference():
    counts = REFERENCES["counts"]
    detector = IncrementalKS(counts, 50, false_alarm_every=1e4, seed=SEED)
    detector.update_many(live(counts))
    detector.rebase()
    assert detector.statistic[0] == 0.0
    window = detector.state()["values"][0]
    fresh = IncrementalKS(window, 50, false_alarm_every=1e4, ties="random", seed=SEED)
    assert fresh.threshold == detector.threshold
    detector.update_many(np.full(50, 40.0))
    assert detector.statistic[0] == 1.0
    assert type(detector).from_state(detector.state()).statistic[0] == 1.0
