"""One row at a time runs bound calls: always the same code as batches, and never on arrays of the past."""

import copy
import functools
import pickle

import numpy as np
import pytest

from driftlead import ranks, state
from driftlead.detectors import NMDDM, IncrementalKS, PageHinkley, update_all
from driftlead.detectors._kernels import fixed_ks, histogram_glr, page_hinkley
from driftlead.detectors._row import bind
from driftlead.errors import InvalidDataError
from driftlead.ranks import SortedReference
from tests.detectors.cases import FACTORIES, REFERENCE


def rows(detector, n, seed):
    rng = np.random.default_rng(seed)
    block = np.round(rng.normal(0.4, 1.0, size=(n, detector.n_signals)), 1)
    block[rng.random(block.shape) < 0.05] = np.nan
    return block


def content(detector):
    return state.to_bytes("d", 1, detector.state())


def feed_both(single, batch, block):
    """Feed rows one by one and, as batches of one, to a detector that never binds; both say the same."""
    for row in block:
        assert single.update(row) is bool(batch.update_many(row[np.newaxis]).alarm.any())
    assert content(single) == content(batch)


@pytest.mark.parametrize("name", FACTORIES)
def test_a_reset_binds_anew(name):
    single = FACTORIES[name]()
    for seed in range(3):
        feed_both(single, FACTORIES[name](), rows(single, 70, seed))
        single.reset()


@pytest.mark.parametrize("name", FACTORIES)
def test_restored_copied_and_pickled_detectors_go_their_own_way(name):
    original, batch = FACTORIES[name](), FACTORIES[name]()
    feed_both(original, batch, rows(original, 90, 1))
    others = [
        type(original).from_state(original.state()),
        copy.copy(original),
        copy.deepcopy(original),
        pickle.loads(pickle.dumps(original)),
    ]
    before = content(original)
    later = rows(original, 60, 2)
    for other in others:
        assert content(other) == before
        twin = FACTORIES[name]()
        twin.update_many(rows(original, 90, 1))
        feed_both(other, twin, later)
    assert content(original) == before
    feed_both(original, batch, later)


@pytest.mark.parametrize("reference", [REFERENCE, None])
def test_a_rebase_binds_anew(reference):
    make = functools.partial(IncrementalKS, reference, 40, n_signals=3, false_alarm_every=50)
    single, batch = make(), make()
    for seed in range(3):
        feed_both(single, batch, rows(single, 150, seed))
        single.rebase()
        batch.rebase()
        np.testing.assert_array_equal(single.threshold, batch.threshold)
    feed_both(single, batch, rows(single, 60, 9))
    assert single.alarms.any() or single.statistic.any()


def test_rows_by_slot_between_rows_by_value():
    single, batch = (IncrementalKS(REFERENCE, 20, threshold=0.4) for _ in range(2))
    block = np.nan_to_num(rows(single, 30, 1))
    feed_both(single, batch, block)
    for detector in (single, batch):
        detector.update_located(detector.reference.locate(block))
    feed_both(single, batch, block)
    with pytest.raises(InvalidDataError, match="rows came located"):
        single.rebase()
    for detector in (single, batch):
        detector.reset()
    feed_both(single, batch, block)
    single.rebase()
    batch.rebase()
    feed_both(single, batch, block)


def test_rows_come_from_whichever_detector_is_first():
    shared = SortedReference(REFERENCE)

    def three():
        return [PageHinkley(shared, threshold=9.0), IncrementalKS(shared, 30), NMDDM(shared, 40)]

    together, alone = three(), three()
    for turn, row in enumerate(rows(together[0], 120, 1)):
        order = np.roll([0, 1, 2], turn % 4).tolist()
        if turn % 5 == 0:
            said = any([detector.update(row) for detector in together])  # noqa: C419 - all of them
        else:
            said = update_all([together[at] for at in order], row)
        assert said is any([detector.update_many(row[np.newaxis]).alarm.any() for detector in alone])  # noqa: C419
        if turn == 60:
            together[1].rebase()
            alone[1].rebase()
    assert [content(detector) for detector in together] == [content(detector) for detector in alone]


def test_copied_together_detectors_still_share_their_reference():
    shared = SortedReference(REFERENCE)
    detectors = [PageHinkley(shared), IncrementalKS(shared, 30, threshold=0.4)]
    update_all(detectors, REFERENCE[0])
    for one, other in (copy.deepcopy(detectors), pickle.loads(pickle.dumps(detectors))):
        assert one.reference is other.reference is not shared


def test_a_row_runs_the_code_that_batches_run():
    kernels = (ranks._locate, fixed_ks.advance, histogram_glr.advance, page_hinkley.advance_scores)
    detectors = [make(REFERENCE[:, :2], threshold=9.0) for make in (PageHinkley, IncrementalKS, NMDDM)]
    for detector in detectors:
        detector.update_many(np.zeros((7, 2)))
    compiled = [list(kernel.signatures) for kernel in kernels]
    for detector in detectors:
        detector.update([0.0, 1.0])
    assert [list(kernel.signatures) for kernel in kernels] == compiled


def test_a_function_that_is_not_compiled_is_called_as_it_is():
    call = functools.partial(max, 1.0, 2.0)
    assert bind(call) is call
