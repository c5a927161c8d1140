"""Slots against counting, on whatever floats there are."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftlead.errors import InvalidDataError, StateError
from driftlead.ranks import MISSING, SortedReference
from tests.naive import ranks as naive

ANY_FLOAT = st.floats(width=64)
FEW = st.sampled_from([-np.inf, -1.0, -0.0, 0.0, 5e-324, 1.0, 1.0 + 2**-52, 2.0, 1.8e308, np.inf, np.nan])


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.one_of(ANY_FLOAT, FEW), min_size=1, max_size=40),
    st.lists(st.one_of(ANY_FLOAT, FEW), max_size=40),
)
def test_slots_equal_counting(sample, values):
    if all(np.isnan(sample)):
        sample.append(0.0)
    reference = SortedReference(np.array(sample))
    rows = np.array(values + sample)[:, np.newaxis]
    assert reference.locate(rows)[:, 0].tolist() == [naive.slot(sample, x) for x in rows[:, 0]]


@pytest.mark.parametrize("m", [1, 2, 3, 4, 5, 7, 8, 9, 31, 32, 33, 1000, 1023, 1024, 1025])
def test_every_slot_of_every_size(m):
    reference = SortedReference(2.0 * np.arange(m))
    everywhere = np.arange(-1.0, 2.0 * m)[:, np.newaxis]
    assert reference.locate(everywhere)[:, 0].tolist() == list(range(2 * m + 1))


def test_blocks_of_rows_and_many_signals():
    rng = np.random.default_rng(1)
    samples = [rng.normal(size=n) for n in (1, 17, 300)]
    rows = rng.normal(size=(1500, 3))
    rows[rng.random(rows.shape) < 0.1] = np.nan
    slots = SortedReference(samples).locate(rows)
    assert slots.dtype == np.int32
    for j, sample in enumerate(samples):
        expected = 2 * np.searchsorted(np.sort(sample), rows[:, j])
        np.testing.assert_array_equal(slots[:, j], np.where(np.isnan(rows[:, j]), MISSING, expected))


def test_accepted_shapes():
    block = np.array([[1.0, 5.0], [np.nan, 6.0], [1.0, 7.0]])
    by_matrix, by_list = SortedReference(block), SortedReference([[1.0, 1.0], [7.0, 6.0, 5.0]])
    assert by_matrix.digest() == by_list.digest()
    assert by_matrix.sizes.tolist() == [2, 3]
    assert by_matrix.n_distinct.tolist() == [1, 3]
    assert by_matrix.counts_up_to(0).tolist() == [0, 2]
    assert by_matrix.counts_up_to(1).tolist() == [0, 1, 2, 3]
    assert SortedReference([3.0, 1.0]).n_signals == 1
    assert SortedReference(np.array([3, 1], dtype=np.int16)).distinct(0).tolist() == [1.0, 3.0]


def test_select_keeps_signals_in_the_order_asked_for():
    reference = SortedReference([[1.0, 1.0], [2.0], [3.0, 4.0]])
    chosen = reference.select([2, 0])
    assert chosen.digest() == SortedReference([[3.0, 4.0], [1.0, 1.0]]).digest()
    masked = reference.select(np.array([True, False, True]))
    assert masked.sizes.tolist() == [2, 2]
    with pytest.raises(InvalidDataError, match="at least one signal"):
        reference.select([])


def test_digest_tells_references_apart():
    base = SortedReference([[1.0, 2.0], [3.0]]).digest()
    assert base == SortedReference([[2.0, 1.0], [3.0]]).digest()
    others = ([[1.0, 2.0, 2.0], [3.0]], [[1.0], [2.0, 3.0]], [[1.0, 2.5], [3.0]])
    assert base not in {SortedReference(other).digest() for other in others}
    assert SortedReference([0.0]).digest() == SortedReference([-0.0]).digest()


def test_state_round_trip():
    reference = SortedReference([[1.0, 1.0, np.inf], [-3.0]])
    restored = SortedReference.from_state(reference.to_state())
    assert restored.digest() == reference.digest()
    assert restored.sizes.tolist() == [3, 1]


@pytest.mark.parametrize(
    "change",
    [
        {"values": np.array([2.0, 1.0, 3.0])},
        {"values": np.array([1.0, np.nan, 3.0])},
        {"values": np.array([1.0])},
        {"offsets": np.array([0, 3, 3])},
        {"offsets": np.array([1, 3])},
        {"offsets": np.array([0])},
        {"counts": np.array([1, 0, 1])},
        {"counts": np.array([1, 2**30, 1])},
        {"counts": "many"},
    ],
)
def test_a_damaged_state_is_refused(change):
    state = SortedReference([[1.0, 2.0], [3.0]]).to_state()
    with pytest.raises(StateError, match="the reference in the state"):
        SortedReference.from_state(state | change)
    with pytest.raises(StateError, match="incomplete"):
        SortedReference.from_state({"values": np.array([1.0])})


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ([], "holds no value"),
        (np.array([np.nan]), "signal 0 holds no value"),
        ([[1.0], [np.nan]], "signal 1 holds no value"),
        (np.zeros((2, 2, 2)), "shape"),
        (["a"], "numeric"),
        ([["a"]], "numeric"),
        ([[[1.0]]], "shape"),
        (3.0, "shape"),
    ],
)
def test_bad_samples_are_refused(samples, message):
    with pytest.raises(InvalidDataError, match=message):
        SortedReference(samples)


@pytest.mark.parametrize("rows", [np.zeros(3), np.zeros((3, 2)), [["a"]], np.zeros((1, 1, 1))])
def test_bad_rows_are_refused(rows):
    with pytest.raises(InvalidDataError, match="rows must"):
        SortedReference([1.0, 2.0]).locate(rows)


def test_copies_and_pickles_are_equal_and_read_only():
    reference = SortedReference([[1.0, -0.0, 2.0, 2.0], [np.inf, 3.0]])
    for other in (copy.deepcopy(reference), pickle.loads(pickle.dumps(reference))):
        assert other.digest() == reference.digest()
        for array in (other.values, other.offsets, other.cumulative, other.sizes):
            assert not array.flags.writeable
