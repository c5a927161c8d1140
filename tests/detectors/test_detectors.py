"""What all detectors share: several fed together, rows in every form that a user may have."""

import subprocess
import sys

import numpy as np
import pytest

import driftlead.detectors
from driftlead import state
from driftlead.detectors import DETECTORS, NMDDM, Detector, IncrementalKS, PageHinkley, Trace, update_all
from driftlead.errors import InvalidDataError
from driftlead.ranks import SortedReference
from tests.detectors.cases import FACTORIES, REFERENCE


def everyone():
    shared = SortedReference(REFERENCE)
    return [
        PageHinkley(shared, threshold=9.0),
        IncrementalKS(shared, 30, threshold=0.4),
        PageHinkley(n_signals=3, threshold=20.0),
        NMDDM(REFERENCE, 40, threshold=8.0),  # an equal reference, but not the same one
        NMDDM(shared, 50, threshold=8.0),
    ]


def test_together_equals_one_by_one():
    together, alone = everyone(), everyone()
    rng = np.random.default_rng(1)
    for row in np.vstack([REFERENCE, np.round(rng.normal(1.0, size=(60, 3)), 1)]):
        said = update_all(together, row)
        assert said is any([detector.update(row) for detector in alone])  # noqa: C419 - all of them, whatever the first says
    for one, other in zip(together, alone, strict=True):
        assert state.to_bytes("d", 1, one.state()) == state.to_bytes("d", 1, other.state())
    together[1].rebase()  # the values of the window came along


def test_together_refuses_as_a_whole():
    detectors = [PageHinkley(REFERENCE), PageHinkley(n_signals=2)]
    for row in (np.zeros(3), np.zeros(2), ["a", "b", "c"]):
        with pytest.raises(InvalidDataError, match="a row must"):
            update_all(detectors, row)
    assert [detector.n_seen for detector in detectors] == [0, 0]


@pytest.mark.parametrize(
    "row", [[1, 0, 2], (1.0, 0.0, 2.0), np.array([1, 0, 2], dtype=np.int8), [True, False, 2]]
)
def test_a_row_is_anything_numeric(row):
    detector, other = PageHinkley(n_signals=3, threshold=1.5), PageHinkley(n_signals=3, threshold=1.5)
    detector.update(row)
    other.update(np.array([1.0, 0.0, 2.0]))
    assert detector.update(np.asarray(row) * 3) == other.update(np.array([3.0, 0.0, 6.0]))
    np.testing.assert_array_equal(detector.statistic, other.statistic)


@pytest.mark.parametrize("x", [2.5, np.float64(2.5), np.float32(2.5), [2.5], np.array(2.5), np.array([2.5])])
def test_a_scalar_is_a_row_of_one_signal(x):
    raw, ranked = PageHinkley(delta=0.0, threshold=2.0), IncrementalKS([1.0, 2.0], 1, threshold=0.6)
    assert [raw.update(v) for v in (0, 0.0, x)] == [False, False, False]
    assert raw.statistic[0] == pytest.approx(2.5 * 2 / 3)
    assert raw.update(x)
    assert ranked.update(x)


def test_strided_and_fortran_rows():
    block = np.random.default_rng(2).normal(size=(60, 8))
    expected = IncrementalKS(REFERENCE, 20, threshold=0.5).update_many(block[:, :6:2].copy())
    for form in (block[:, :6:2], np.asfortranarray(block[:, :6:2]), block[:, :6:2].astype(object).tolist()):
        detector = IncrementalKS(REFERENCE, 20, threshold=0.5)
        np.testing.assert_array_equal(detector.update_many(form).statistic, expected.statistic)
        single = IncrementalKS(REFERENCE, 20, threshold=0.5)
        for row in form:
            single.update(row)
        np.testing.assert_array_equal(single.statistic, detector.statistic)


def test_slots_of_any_integer_type_and_layout():
    reference = SortedReference(REFERENCE)
    slots = reference.locate(REFERENCE)
    expected = NMDDM(reference, 20, threshold=5.0).update_located(slots)
    for form in (np.ascontiguousarray(slots), slots.astype(np.int64), slots.tolist()):
        trace = NMDDM(reference, 20, threshold=5.0).update_located(form)
        np.testing.assert_array_equal(trace.statistic, expected.statistic)


@pytest.mark.parametrize("name", [name for name, make in FACTORIES.items() if make().reference is not None])
def test_slots_outside_the_reference_are_refused_before_anything_is_fed(name):
    detector = FACTORIES[name]()
    slots = detector.reference.locate(REFERENCE[:50, : detector.n_signals]).copy()
    before = state.to_bytes("d", 1, detector.state())
    for wrong in (-2, int(2 * detector.reference.n_distinct[-1]) + 1):
        slots[-1, -1] = wrong
        with pytest.raises(InvalidDataError, match="slots lie outside"):
            detector.update_located(slots)
    assert state.to_bytes("d", 1, detector.state()) == before
    slots[-1, -1] = 2 * detector.reference.n_distinct[-1]
    assert isinstance(detector.update_located(slots), Trace)


def test_public_names_exist():
    for module in (driftlead.detectors, state):
        assert all(hasattr(module, name) for name in module.__all__)
    assert all(issubclass(cls, Detector) for cls in DETECTORS.values())


def test_a_second_process_starts_within_a_second():
    """Kernels come from numba's cache on disk, and nothing slow is imported on the way."""
    program = """
import sys, time
start = time.process_time()
import numpy, numba
numba.njit(lambda x: x + 1)(1.0)
other = time.process_time()
from driftlead.detectors import NMDDM, IncrementalKS, PageHinkley
sample = numpy.arange(50.0)
tests = PageHinkley(sample, threshold=9), IncrementalKS(sample, 5, threshold=1), NMDDM(sample, 9, threshold=9)
assert not any([test.update(3.0) for test in tests])
print(other - start, time.process_time() - other)
PageHinkley(sample), IncrementalKS(sample), NMDDM(sample)
assert not {"scipy.stats", "scipy.optimize"} & sys.modules.keys()
"""
    own = []
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        theirs, ours = map(float, done.stdout.split())
        own.append(ours / theirs)
    # Compiling would take ten times as long as it takes numba to get going at all.
    assert min(own[1:]) < 1.0
