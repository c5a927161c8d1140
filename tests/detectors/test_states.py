"""States: ones stored long ago still load, references may travel apart, damage is refused."""

import numpy as np
import pytest

from driftlead import state
from driftlead.detectors import DETECTORS, NMDDM, IncrementalKS, PageHinkley
from driftlead.errors import ReferenceMismatchError, StateError
from driftlead.ranks import SortedReference
from tests.detectors.cases import FACTORIES, REFERENCE
from tests.detectors.store_states import FOLDER, KIND, WITHOUT

STORED = sorted(FOLDER.glob("*.state"))


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_a_stored_state_loads_and_continues(path):
    _, values = state.load(path, KIND)
    detector = DETECTORS[values["state"]["kind"]].from_state(values["state"])
    later = values["later"]
    trace = detector.update_many(later["rows"])
    # Logarithms may differ in the last bit between machines; nothing else may.
    np.testing.assert_allclose(trace.statistic, later["statistic"], rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(trace.alarm, later["alarm"])
    assert later["alarm"].any()


def test_every_detector_is_stored_under_its_present_version():
    expected = {
        f"{name}-v{factory.func.version}" for name, factory in FACTORIES.items() if not name.endswith(WITHOUT)
    }
    assert expected <= {path.stem for path in STORED}


@pytest.mark.parametrize("cls", [PageHinkley, IncrementalKS, NMDDM])
def test_the_reference_may_travel_apart(cls):
    original = cls(REFERENCE, threshold=0.4)
    original.update_many(REFERENCE)
    small = original.state(with_reference=False)
    assert small["reference"] is None
    assert len(state.to_bytes("d", 1, small)) < len(state.to_bytes("d", 1, original.state()))
    with pytest.raises(StateError, match="must be handed over"):
        cls.from_state(small)
    with pytest.raises(ReferenceMismatchError, match="not the one"):
        cls.from_state(small, REFERENCE + 1.0)
    for handed in (REFERENCE, SortedReference(REFERENCE)):
        restored = cls.from_state(small, handed)
        np.testing.assert_array_equal(
            restored.update_many(REFERENCE).statistic,
            cls.from_state(original.state()).update_many(REFERENCE).statistic,
        )


def changed(name, **changes):
    detector = FACTORIES[name]()
    detector.update_many(np.nan_to_num(REFERENCE[:, : detector.n_signals]))
    taken = detector.state()
    return type(detector), taken | {key: change(taken[key]) for key, change in changes.items()}


def poke(value):
    def at_the_end(array):
        array.reshape(-1)[-1] = value
        return array

    return at_the_end


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("incremental_ks", {"slots": poke(10**6)}, "inconsistent|outside"),
        ("incremental_ks", {"slots": poke(-7)}, "inconsistent|outside"),
        ("incremental_ks", {"slots": poke(-1)}, "disagree"),
        ("incremental_ks", {"values": poke(np.nan)}, "disagree"),
        ("incremental_ks", {"window": lambda _: 2}, "shape"),
        ("incremental_ks", {"window": lambda _: "wide"}, "window must be"),
        ("incremental_ks", {"count": poke(3)}, "disagree"),
        ("incremental_ks", {"count": poke(10**9)}, "more values than rows"),
        ("incremental_ks", {"n_seen": lambda _: "many"}, "inconsistent"),
        ("incremental_ks_adjacent", {"values": lambda _: None}, "adjacent"),
        ("nmddm", {"content": poke(99)}, "bins that the reference lacks"),
        ("nmddm", {"content": poke(-1)}, "disagree"),
        ("nmddm_kde", {"content": poke(64)}, "bins that the reference lacks"),
        ("page_hinkley", {"gaps": poke(np.nan)}, "finite"),
        ("page_hinkley", {"gaps": lambda gaps: gaps[:, :3]}, "shape"),
        ("page_hinkley", {"threshold": lambda _: None}, "inconsistent"),
        ("page_hinkley", {"version": lambda _: 99}, "version 99"),
        ("page_hinkley", {"version": lambda _: "1"}, "version '1'"),
        ("page_hinkley", {"kind": lambda _: "nmddm"}, "kind 'nmddm', expected 'page_hinkley'"),
        ("page_hinkley_scores", {"reference": lambda _: {}}, "reference in the state"),
        ("page_hinkley_scores", {"reference_digest": lambda _: "0" * 64}, "not the one"),
    ],
)
def test_damage_is_refused(name, changes, message):
    cls, taken = changed(name, **changes)
    with pytest.raises((StateError, ReferenceMismatchError), match=message):
        cls.from_state(taken)


def test_the_registry_holds_every_detector_under_its_kind():
    assert {kind: cls.kind for kind, cls in DETECTORS.items()} == {kind: kind for kind in DETECTORS}
    assert list(DETECTORS) == ["page_hinkley", "incremental_ks", "nmddm"]
