"""The conformance checks: ours pass, and each broken promise is caught by name."""

import numpy as np
import pytest

from driftlead.checks import check_detector
from driftlead.detectors import NMDDM, IncrementalKS, PageHinkley
from driftlead.detectors._kernels.page_hinkley import DELTA
from driftlead.errors import InvalidParameterError
from tests.detectors.cases import FACTORIES, REFERENCE

SLOW = {"nmddm_released_code": 200_000, "nmddm_kde": 200_000, "nmddm_kde_budget": 200_000}


@pytest.mark.parametrize("name", FACTORIES)
def test_every_detector_conforms(name):
    check_detector(FACTORIES[name], rows=700, memory_rows=SLOW.get(name, 1_000_000))


REJECTED = {
    "window must be at least 2, got 1": lambda: NMDDM(REFERENCE, 1),
    "window must be at least 1, got 0": lambda: IncrementalKS(REFERENCE, 0),
    "window must be an integer from 1 to": lambda: IncrementalKS(REFERENCE, 2.5),
    "window must be an integer": lambda: IncrementalKS(REFERENCE, True),
    "window must be at least 200 for variant mustafa2017, got 199": lambda: NMDDM(
        window=199, variant="mustafa2017"
    ),
    "past must be left out where there is a reference, got 5": lambda: IncrementalKS(REFERENCE, past=5),
    "past must be at least 1, got -1": lambda: IncrementalKS(past=-1),
    "n_signals must be at least 1, got 0": lambda: PageHinkley(n_signals=0),
    "n_signals must be 3, the number of signals in the reference, got 2": lambda: PageHinkley(
        REFERENCE, n_signals=2
    ),
    "delta must be at least 0 and finite, got -0.1": lambda: PageHinkley(delta=-0.1),
    "delta must be at least 0 and finite, got inf": lambda: PageHinkley(delta=np.inf),
    "delta must be a number or an array of shape": lambda: PageHinkley(delta=[0.1, 0.2]),
    "delta must be at least 0 and finite, got 'a'": lambda: PageHinkley(delta="a"),
    "threshold must be greater than 0, got 0.0": lambda: PageHinkley(threshold=0.0),
    "threshold must be greater than 0, got nan": lambda: IncrementalKS(REFERENCE, threshold=np.nan),
    "threshold must be greater than 0, got -1.0": lambda: NMDDM(REFERENCE, threshold=[1.0, -1.0, 2.0]),
    "threshold must be greater than 0, got True": lambda: PageHinkley(threshold=True),
    "false_alarm_every must be left out where there is no reference": lambda: PageHinkley(
        false_alarm_every=1e4
    ),
    "alpha must be greater than 0 and at most 1, got 1.5": lambda: PageHinkley(alpha=1.5),
    "alpha must be greater than 0 and at most 1, got 0": lambda: PageHinkley(alpha=0),
    "alpha must be greater than 0 and at most 1, got '1'": lambda: PageHinkley(alpha="1"),
    "direction must be one of both, up, down, got 'left'": lambda: PageHinkley(direction="left"),
    "seed must be at least 0, got -1": lambda: PageHinkley(seed=-1),
    "seed must be at most 9223372036854775807": lambda: PageHinkley(seed=2**63),
    "false_alarm_every must be greater than 1, got 1.0": lambda: IncrementalKS(
        REFERENCE, false_alarm_every=1.0
    ),
    "false_alarm_every must be greater than 1, got nan": lambda: NMDDM(REFERENCE, false_alarm_every=np.nan),
    "bins must be at least 2, got 1": lambda: NMDDM(REFERENCE, bins=1),
    "bins must be at most 32, got 33": lambda: NMDDM(REFERENCE, bins=33),
    "variant must be one of": lambda: NMDDM(REFERENCE, variant="mustafa"),
    "density must be one of": lambda: NMDDM(REFERENCE, density="gaussian"),
    "density must be histogram for variant mustafa2017": lambda: NMDDM(variant="mustafa2017", density="kde"),
    "reference must be given but for variant mustafa2017, got None": lambda: NMDDM(),
    "categorical must be a boolean array of shape": lambda: NMDDM(REFERENCE, categorical=[0, 1, 0]),
    "categorical must be left out": lambda: NMDDM(REFERENCE, density="kde", categorical=[True, False, True]),
}


@pytest.mark.parametrize("message", REJECTED)
def test_impossible_parameters_are_refused_by_name_rule_and_value(message):
    with pytest.raises(InvalidParameterError) as caught:
        REJECTED[message]()
    assert str(caught.value).startswith(message)


class Unsound(PageHinkley):
    """A detector to break one promise at a time."""

    def __init__(self, *args, **changes):
        super().__init__(*args, **({"n_signals": 2, "delta": 0.1, "threshold": 12.0} | changes))


class Writes(Unsound):
    def update_many(self, X):
        X = np.asarray(X)
        if X.flags.writeable:
            X[:] = 0.0
        else:
            raise AssertionError("update_many changes its input")
        return super().update_many(X)


class Chunked(Unsound):
    def update_many(self, X):
        trace = super().update_many(X)
        self._cells[:, 0] += 1.0  # something left over at the end of a batch
        return trace


class Forgets(Unsound):
    def _state(self):
        return super()._state() | {"gaps": np.zeros((2, 4))}


class Shares(Unsound):
    def _state(self):
        return super()._state() | {"gaps": self._cells[:, :4]}


class Keeps(Unsound):
    def _clear(self):
        pass


class Grows(Unsound):
    def __init__(self, *args, **changes):
        super().__init__(*args, **changes)
        self.history = []

    def update_many(self, X):
        trace = super().update_many(X)
        self.history.append(trace.statistic.copy())
        return trace


class Imputes(Unsound):
    def _advance_columns(self, columns, *outputs):
        return super()._advance_columns(np.nan_to_num(columns), *outputs)


class Careless(Unsound):
    def update(self, x):
        return super().update(np.resize(np.asarray(x, dtype=float), 2))


class Random(Unsound):
    def __init__(self, *args, **changes):
        super().__init__(*args, **changes)
        self._cells[:, DELTA] += np.random.default_rng().random()


class Trusting(Unsound):
    @classmethod
    def from_state(cls, state, reference=None):
        detector = cls()
        detector._n_seen = state.get("n_seen", 0)
        detector._count[:] = np.resize(state.get("count", 0), 2)
        detector._cells[:, :4] = np.resize(state.get("gaps", 0.0), (2, 4))
        detector._current[:] = np.resize(state.get("statistic", 0.0), 2)
        return detector


@pytest.mark.parametrize(
    ("broken", "promise"),
    [
        (Writes, "changes its input"),
        (Chunked, "chunks do not matter"),
        (Forgets, "continues as if never stopped|has the same state"),
        (Shares, "shares nothing"),
        (Keeps, "reset"),
        (Grows, "memory is bounded"),
        (Imputes, "missing counts NaN"),
        (Careless, "refuses malformed data"),
        (Random, "equal input gives equal output"),
        (Trusting, "refuses a damaged state"),
    ],
)
def test_a_broken_promise_is_caught(broken, promise):
    with pytest.raises(AssertionError, match=promise):
        check_detector(broken, memory_rows=200_000)


def test_rejected_constructors_that_accept_are_caught():
    check_detector(Unsound, rejected=[lambda: PageHinkley(alpha=2.0)], memory_rows=10_000)
    with pytest.raises(AssertionError, match="impossible parameter"):
        check_detector(Unsound, rejected=[lambda: PageHinkley(alpha=0.5)], memory_rows=10_000)
