"""Incremental KS against SciPy and against counting, at every step."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from driftlead.detectors import IncrementalKS
from driftlead.detectors._kernels import adjacent_ks
from driftlead.errors import InvalidDataError
from driftlead.ranks import SortedReference
from tests.naive import ks as naive

KINDS = ("continuous", "ties", "binary", "constant", "infinite", "outside")


def sample(kind, n, seed, shift=0.0):
    rng = np.random.default_rng(seed)
    if kind == "binary":
        return (rng.random(n) < 0.4 + shift / 4).astype(float)
    if kind == "constant":
        return np.full(n, 2.0)
    values = rng.normal(size=n) + shift
    if kind == "ties":
        return np.round(values)
    if kind == "infinite":
        return np.where(values > 0.8, np.inf, np.where(values < -0.8, -np.inf, values))
    if kind == "outside":
        return np.where(rng.random(n) < 0.5, values * 100.0, values)
    return values


@pytest.mark.filterwarnings("ignore:ks_2samp:RuntimeWarning")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("n", "window"), [(60, 25), (1, 9), (30, 30), (7, 64)])
def test_equals_scipy_at_every_step(kind, n, window):
    reference, values = sample(kind, n, 1), sample(kind, 3 * window + 40, 2, shift=0.7)
    trace = IncrementalKS(reference, window, threshold=0.5).update_many(values)
    for t in range(len(values)):
        expected = ks_2samp(reference, values[t + 1 - window : t + 1]).statistic if t + 1 >= window else 0.0
        assert trace.statistic[t, 0] == pytest.approx(expected, abs=1e-12)


@pytest.mark.filterwarnings("ignore:ks_2samp:RuntimeWarning")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("past", "window"), [(40, 25), (1, 9), (20, 20), (7, 64)])
def test_adjacent_windows_equal_scipy_at_every_step(kind, past, window):
    values = sample(kind, 3 * (window + past), 2)
    values[len(values) // 2 :] = sample(kind, len(values), 3, shift=0.8)[len(values) // 2 :]
    trace = IncrementalKS(window=window, past=past, threshold=0.5).update_many(values)
    for t in range(len(values)):
        first, second = values[: t + 1 - window][-past:], values[: t + 1][-window:]
        expected = ks_2samp(first, second).statistic if t + 1 >= window + past else 0.0
        assert trace.statistic[t, 0] == pytest.approx(expected, abs=1e-12)


# From one leaf block to three levels of the tree, on and beside their edges.
@pytest.mark.parametrize("n", [30, 31, 32, 33, 63, 64, 1022, 1023, 1024, 1025, 2050, 5000, 33_000])
@pytest.mark.parametrize("window", [1, 48])
def test_every_size_of_the_tree(n, window):
    rng = np.random.default_rng(n)
    reference = np.round(rng.normal(size=n), 5)
    values = np.concatenate(
        [rng.normal(size=150), rng.choice(reference, 100), rng.normal(2.0, 2.0, size=100)]
    )
    trace = IncrementalKS(reference, window, threshold=0.5).update_many(values)
    assert trace.statistic[:, 0].tolist() == naive.sliding(reference, values, window)


def test_sums_beyond_32_bits():
    rng = np.random.default_rng(3)
    n, window = 70_001, 20_011  # primes: the weighted sums reach 1.4e9
    reference, values = rng.normal(size=n), rng.normal(0.2, size=window + 40)
    detector = IncrementalKS(reference, window, threshold=0.5)
    assert detector._samples.trees.dtype == np.int64
    trace = detector.update_many(values)
    for t in (window - 1, window, window + 39):
        assert trace.statistic[t, 0] == naive.distance(reference, values[t + 1 - window : t + 1])


FEW = st.sampled_from([-np.inf, -1.0, -0.0, 0.0, 0.5, 1.0, 2.0, np.inf])
VALUE = st.one_of(FEW, st.floats(allow_nan=False, width=64))


@settings(max_examples=120, deadline=None)
@given(
    st.lists(VALUE, min_size=1, max_size=50),
    st.lists(VALUE, min_size=1, max_size=60),
    st.integers(1, 12),
)
def test_any_floats_any_sizes(reference, values, window):
    trace = IncrementalKS(np.array(reference), window, threshold=0.5).update_many(np.array(values))
    assert trace.statistic[:, 0].tolist() == naive.sliding(np.array(reference), np.array(values), window)


@settings(max_examples=120, deadline=None)
@given(st.lists(VALUE, min_size=1, max_size=80), st.integers(1, 12), st.integers(1, 12))
def test_any_floats_any_adjacent_sizes(values, past, window):
    trace = IncrementalKS(window=window, past=past, threshold=0.5).update_many(np.array(values))
    assert trace.statistic[:, 0].tolist() == naive.adjacent(np.array(values), past, window)


def test_adjacent_windows_split_and_repack_their_blocks(monkeypatch):
    """A moving range splits blocks at one end and empties them at the other until none is left over."""
    rng = np.random.default_rng(8)
    past, window = 90, 70
    values = np.concatenate([
        np.arange(400.0), rng.permutation(400.0 + np.arange(300)), np.repeat([5.0, 6.0], 100),
        rng.normal(size=300), -np.arange(300.0), np.tile(np.arange(200.0), 3),
    ])  # fmt: skip
    # As few blocks as can hold the points: every stretch above runs out of them.
    monkeypatch.setattr(adjacent_ks, "block_limit", lambda points: -(-points // 32) + 1)
    trace = IncrementalKS(window=window, past=past, threshold=0.5).update_many(values)
    assert trace.statistic[:, 0].tolist() == naive.adjacent(values, past, window)


@pytest.mark.parametrize("place", range(65))
def test_adjacent_windows_split_a_full_block_at_every_place(place):
    rng = np.random.default_rng(place)
    full = rng.permutation(2.0 * np.arange(64))  # as many as a block takes
    values = np.concatenate(
        [full, [2.0 * place - 1.0], rng.permutation(full), rng.normal(64.0, 30.0, size=90)]
    )
    trace = IncrementalKS(window=40, past=45, threshold=0.5).update_many(values)
    assert trace.statistic[:, 0].tolist() == naive.adjacent(values, 45, 40)


def test_extremes_come_and_go():
    reference = np.arange(100.0)
    values = np.concatenate([[1e9, -1e9], np.arange(20.0), [1e9] * 10, [-1e9] * 10, np.arange(40.0)])
    trace = IncrementalKS(reference, 10, threshold=0.5).update_many(values)
    assert trace.statistic[:, 0].tolist() == naive.sliding(reference, values, 10)
    assert trace.statistic[31, 0] == 1.0


def test_missing_values_do_not_enter_the_window():
    rng = np.random.default_rng(4)
    reference, values = rng.normal(size=(80, 2)), rng.normal(size=(300, 2))
    gaps = values.copy()
    gaps[rng.random(300) < 0.3, 0] = np.nan
    trace = IncrementalKS(reference, 20, threshold=0.5).update_many(gaps)
    present = ~np.isnan(gaps[:, 0])
    expected = np.array(naive.sliding(reference[:, 0], gaps[present, 0], 20))
    np.testing.assert_array_equal(trace.statistic[present, 0], expected)
    latest = np.maximum(np.cumsum(present) - 1, 0)
    np.testing.assert_array_equal(trace.statistic[:, 0], expected[latest] * (np.cumsum(present) > 0))
    assert trace.statistic[:, 1].tolist() == naive.sliding(reference[:, 1], values[:, 1], 20)


def test_rebase_makes_the_window_the_reference():
    rng = np.random.default_rng(5)
    reference, values = sample("ties", 50, 6), np.round(rng.normal(1.0, 1.5, size=260), 1)
    for detector in (
        IncrementalKS(reference, 30, threshold=0.5),
        IncrementalKS(window=30, past=20, threshold=0.5),
    ):
        detector.update_many(values[:101])
        detector.rebase()
        assert detector.statistic[0] == 0.0
        assert not detector.alarms[0]
        held = values[71:101]
        trace = detector.update_many(values[101:])
        expected = naive.sliding(held, values[71:], 30)[30:]
        assert trace.statistic[:, 0].tolist() == expected
        restored = IncrementalKS.from_state(detector.state())
        restored.rebase()
        assert restored.reference.digest() == SortedReference(values[-30:]).digest()
        assert restored.update(3.0) in (True, False)
        assert restored.statistic[0] == naive.distance(values[-30:], np.append(values[-29:], 3.0))


def test_rebase_again_before_the_window_has_turned_over():
    values = np.random.default_rng(5).normal(size=200)
    for detector in (IncrementalKS(values[:50], 30, threshold=0.5), IncrementalKS(window=30, threshold=0.5)):
        seen = 0
        for more in (101, 7, 29, 30, 1):
            detector.update_many(values[seen : seen + more])
            seen += more
            detector.rebase()
            assert detector.reference.digest() == SortedReference(values[seen - 30 : seen]).digest()


def test_rebase_from_rows_that_were_located():
    reference = SortedReference(np.arange(20.0))
    detector = IncrementalKS(reference, 5, threshold=0.5)
    detector.update_located(reference.locate(np.arange(8.0)[:, np.newaxis]))
    with pytest.raises(InvalidDataError, match="rows came located"):
        detector.rebase()
    detector.reset()
    detector.update_many(np.arange(4.0))
    with pytest.raises(InvalidDataError, match="that of signal 0 is not"):
        detector.rebase()
    detector.update(4.0)
    detector.rebase()
    assert detector.reference.distinct(0).tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_rebase_renews_a_threshold_from_the_budget_and_keeps_a_given_one():
    values = np.random.default_rng(1).normal(size=200)
    budget = IncrementalKS(np.random.default_rng(2).normal(size=5000), 100)
    given_one = IncrementalKS(np.random.default_rng(2).normal(size=5000), 100, threshold=0.3)
    before = budget.threshold[0]
    for detector in (budget, given_one):
        detector.update_many(values)
        detector.rebase()
    assert budget.threshold[0] != before
    assert budget.threshold[0] == IncrementalKS(values[-100:], 100).threshold[0]
    assert given_one.threshold[0] == 0.3


@pytest.mark.filterwarnings("ignore:ks_2samp:RuntimeWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_p_value_equals_scipy(kind):
    reference, values = sample(kind, 60, 1), sample(kind, 90, 2, shift=0.5)
    detector = IncrementalKS([reference, reference], 35, threshold=0.5)
    detector.update_many(np.column_stack([values, np.full(90, np.nan)]))
    expected = ks_2samp(reference, values[-35:]).pvalue
    assert detector.p_value() == pytest.approx([expected, 1.0], rel=1e-12)
    adjacent = IncrementalKS(window=35, past=20, threshold=0.5)
    adjacent.update_many(values)
    assert adjacent.p_value() == pytest.approx([ks_2samp(values[-55:-35], values[-35:]).pvalue], rel=1e-12)


def test_no_alarm_before_the_window_is_full():
    detector = IncrementalKS(np.zeros(10), 4, threshold=0.5)
    assert [detector.update(x) for x in (9.0, 9.0, np.nan, 9.0)] == [False] * 4
    assert not detector.window_full[0]
    assert detector.p_value()[0] == 1.0
    assert detector.update(9.0)
    assert detector.window_full[0]
    assert detector.statistic[0] == 1.0
    assert detector.update(np.nan)  # no news: the verdict stands


def test_many_signals_of_different_sizes_at_once():
    rng = np.random.default_rng(9)
    samples = [sample(kind, n, n) for kind, n in zip(KINDS, (3, 40, 200, 11, 1500, 64), strict=True)]
    values = np.column_stack([sample(kind, 120, 50 + j, 0.3) for j, kind in enumerate(KINDS)])
    trace = IncrementalKS(samples, 24, threshold=rng.random(6) + 0.1).update_many(values)
    for j, reference in enumerate(samples):
        assert trace.statistic[:, j].tolist() == naive.sliding(reference, values[:, j], 24)


def test_alarms_on_a_shift_within_the_budget_s_promise():
    rng = np.random.default_rng(10)
    detector = IncrementalKS(rng.normal(size=2000), 200, false_alarm_every=1e5)
    assert not detector.update_many(rng.normal(size=3000)).alarm.any()
    delay = int(np.argmax(detector.update_many(rng.normal(1.0, size=200)).alarm))
    assert 0 < delay < 150


def test_adjacent_windows_keep_their_budget():
    budget = 2000.0
    detector = IncrementalKS(window=100, past=100, n_signals=40, false_alarm_every=budget)
    alarm = detector.update_many(np.random.default_rng(12).normal(size=(10_000, 40))).alarm
    episodes = 0
    for rows in map(np.flatnonzero, alarm.T):
        episodes += int(np.count_nonzero(np.diff(rows, prepend=-10_000) > 200))
    assert 0 < episodes < 1.3 * alarm.size / budget
    assert detector.threshold[0] > IncrementalKS(np.arange(100.0), 100, false_alarm_every=budget).threshold[0]


def test_memory_per_signal():
    detector = IncrementalKS(np.random.default_rng(0).normal(size=(1000, 4)), 1000)
    arrays = [detector._samples.trees, detector._samples.ring, detector._samples.layout]
    detector.update(np.zeros(4))
    reference = detector.reference
    total = sum(a.nbytes for a in (*arrays, detector._samples.values, reference.values, reference.cumulative))
    assert total / 4 <= 40 * 1024
