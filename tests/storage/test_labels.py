"""Labels find their predictions: in any order, once, and none is lost."""

from __future__ import annotations

import numpy as np
import pytest

from driftlead.errors import InvalidDataError, InvalidParameterError
from driftlead.monitor.records import PredictionBatch
from tests.storage.rows import predicted


def values(*numbers: float) -> np.ndarray:
    return np.array(numbers, dtype=np.float64)


def test_a_label_meets_its_prediction(store):
    batch = predicted(["a", "b", "c"])
    assert store.add_predictions(batch).new == 3
    joined = store.add_labels(["c", "a"], values(2, 0), received_at=2000.0)
    assert joined.ids == ("c", "a")
    np.testing.assert_array_equal(joined.made_at, batch.made_at[[2, 0]])
    np.testing.assert_array_equal(joined.outputs, batch.outputs[[2, 0]])
    assert joined.outputs.dtype == np.float32
    np.testing.assert_array_equal(joined.labels, [2.0, 0.0])
    assert (joined.duplicate, joined.unmatched) == (0, 0)


def test_nothing_is_nothing(store):
    assert store.add_predictions(predicted([])).new == 0
    joined = store.add_labels([], values(), received_at=2000.0)
    assert len(joined) == 0
    assert joined.outputs.shape == (0, 0)
    assert len(store.join_waiting()) == 0


def test_the_first_label_stands(store):
    store.add_predictions(predicted(["a", "b"]))
    assert store.add_labels(["a"], values(1), received_at=2000.0).ids == ("a",)
    again = store.add_labels(["a", "b"], values(0, 1), received_at=2001.0)
    assert (again.ids, again.duplicate, again.unmatched) == (("b",), 1, 0)


def test_the_first_of_two_labels_in_one_call_stands(store):
    store.add_predictions(predicted(["a"]))
    joined = store.add_labels(["b", "a", "a", "b"], values(4, 1, 2, 3), received_at=2000.0)
    assert (joined.ids, joined.duplicate, joined.unmatched) == (("a",), 2, 1)
    np.testing.assert_array_equal(joined.labels, [1.0])
    store.add_predictions(predicted(["b"]))
    np.testing.assert_array_equal(store.join_waiting().labels, [4.0])


def test_what_is_sent_twice_is_one_prediction(store):
    batch = predicted(["a", "b"])
    assert store.add_predictions(batch) == (2, 0)
    assert store.add_predictions(batch) == (0, 0)
    elsewhere = PredictionBatch(["b", "a"], batch.made_at + 9, batch.outputs[::-1] * np.float32(1 + 1e-6))
    assert store.add_predictions(elsewhere) == (0, 0)
    joined = store.add_labels(["a", "b"], values(1, 0), received_at=2000.0)
    np.testing.assert_array_equal(joined.outputs, batch.outputs)
    np.testing.assert_array_equal(joined.made_at, batch.made_at)


def test_a_label_of_an_id_that_two_predictions_have_is_joined_to_neither(store):
    store.add_labels(["waiting"], values(1), received_at=500.0)
    store.add_predictions(predicted(["a", "labelled"], columns=2))
    assert store.add_labels(["labelled"], values(1), received_at=2000.0).ids == ("labelled",)
    batch = predicted(["b", "a", "b", "waiting", "waiting", "c", "labelled"], columns=3)
    assert store.add_predictions(batch) == (3, 4)
    assert store.add_predictions(predicted(["d", "e", "b"])) == (2, 1)
    joined = store.add_labels(["a", "b", "c", "labelled"], values(1, 2, 0, 0), received_at=2000.0)
    assert (joined.ids, joined.unmatched, joined.duplicate, joined.damaged) == (("c",), 2, 1, ())
    assert len(store.join_waiting()) == 0
    assert store.add_labels(["a", "b", "waiting"], values(1, 2, 0), received_at=2001.0).duplicate == 3


def test_a_label_waits_for_its_prediction(store):
    early = store.add_labels(["a", "b"], values(1, 2), received_at=500.0)
    assert (len(early), early.duplicate, early.unmatched) == (0, 0, 2)
    assert len(store.join_waiting()) == 0
    store.add_predictions(predicted(["b"]))
    joined = store.join_waiting()
    assert (joined.ids, joined.labels.tolist(), joined.made_at.tolist()) == (("b",), [2.0], [1000.0])
    assert len(store.join_waiting()) == 0
    assert store.add_labels(["b", "a"], values(3, 3), received_at=501.0).duplicate == 2


def test_waiting_labels_are_joined_in_order_of_arrival_some_at_a_time(store, monkeypatch):
    monkeypatch.setattr("driftlead.storage.store._JOINED", 100)
    ids = [f"{number:03}" for number in range(150)]
    for start, received_at in ((70, 1.0), (0, 2.0)):
        part = ids[start : start + 80]
        store.add_labels(part, np.full(len(part), start, dtype=np.float64), received_at)
    store.add_predictions(predicted(ids))
    joined = [store.join_waiting() for _ in range(3)]
    assert [len(each) for each in joined] == [100, 50, 0]
    assert [id for each in joined for id in each.ids] == ids[70:] + ids[:70]


def test_labels_that_wait_in_vain_do_not_keep_others_waiting(store, monkeypatch):
    monkeypatch.setattr("driftlead.storage.store._WAITING", 10)
    store.add_labels([f"lost {number}" for number in range(95)], np.zeros(95), received_at=1.0)
    store.add_labels(["found"], values(1), received_at=2.0)
    store.add_predictions(predicted(["found"]))
    assert [len(store.join_waiting()) for _ in range(10)] == [0] * 9 + [1]
    store.add_predictions(predicted(["lost 0"]))
    assert store.join_waiting().ids == ("lost 0",)


def test_an_id_is_known_to_later_versions_and_to_no_other_model(make_store):
    make_store(version="1").add_predictions(predicted(["a"]))
    assert make_store(model="letters").add_labels(["a"], values(1), received_at=2000.0).unmatched == 1
    assert make_store(version="2").add_labels(["a"], values(1), received_at=2000.0).ids == ("a",)


def test_predictions_of_different_width_are_joined(store):
    store.add_predictions(predicted(["a"], columns=1))
    store.add_predictions(predicted(["b"], columns=3))
    joined = store.add_labels(["a", "b"], values(1, 1), received_at=2000.0)
    np.testing.assert_array_equal(joined.outputs, [[0, np.nan, np.nan], [0, 1, 2]])


def test_any_text_names_a_prediction_and_any_number_labels_it(store):
    ids = ["Ж" * 300, "'; DROP TABLE labels --", " ", "a\nb", "😀", "A", "a", "\ufeff", "%s", ":id", "?"]
    numbers = values(0.1, -1e308, 5e-324, 1 / 3, 2**53 + 1, np.pi, -0.0, 1e22, 123456.789e-10, 7, 8)
    outputs = np.random.default_rng(0).normal(size=(len(ids), 10_000)).astype(np.float32)
    outputs[0, :3] = np.nan, np.inf, -np.inf
    store.add_predictions(PredictionBatch(ids, np.arange(len(ids)) / 7, outputs))
    joined = store.add_labels(ids, numbers, received_at=1e300)
    assert joined.ids == tuple(ids)
    np.testing.assert_array_equal(joined.labels, numbers)
    np.testing.assert_array_equal(joined.made_at, np.arange(len(ids)) / 7)
    np.testing.assert_array_equal(joined.outputs, outputs)


@pytest.mark.parametrize("id", ["", "a" * 301, "a\0b", "\ud800", None, 7])
def test_what_no_database_takes_is_refused_by_name(store, id):
    with pytest.raises(InvalidDataError, match="an id must be a text of 1 to 300 characters"):
        store.add_predictions(predicted(["ok", id]))
    with pytest.raises(InvalidDataError, match="an id must be a text of 1 to 300 characters"):
        store.add_labels(["ok", id], values(1, 1), received_at=2000.0)
    assert store.add_labels(["ok"], values(1), received_at=2000.0).unmatched == 1


def test_numbers_that_do_not_fit_are_refused_by_name(store):
    for label in (np.nan, np.inf):
        with pytest.raises(InvalidDataError, match=f"labels must be finite, got {label}"):
            store.add_labels(["a", "b"], values(1, label), received_at=2000.0)
    with pytest.raises(InvalidDataError, match=r"labels must have shape \(1,\)"):
        store.add_labels(["a"], values(1, 2), received_at=2000.0)
    with pytest.raises(InvalidParameterError, match="received_at must be finite"):
        store.add_labels(["a"], values(1), received_at=np.nan)
    with pytest.raises(InvalidDataError, match="made_at must be finite"):
        store.add_predictions(PredictionBatch(["a"], values(np.nan), np.zeros((1, 1), np.float32)))
    for shape in ((1,), (2, 1), (1, 0), (1, 10_001)):
        with pytest.raises(InvalidDataError, match="outputs must have shape"):
            store.add_predictions(PredictionBatch(["a"], values(1), np.zeros(shape, np.float32)))
