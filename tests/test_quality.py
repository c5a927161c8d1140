"""Quality of labelled predictions: equal to scikit-learn, refused whole, restored bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as oracle

from driftlead import quality, state
from driftlead.errors import InvalidDataError, InvalidParameterError, StateError
from driftlead.quality import QualityTotals, QualityWindow


def predictions(n, classes, seed=0):
    """Class probabilities that are right more often than not, and labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    logits = rng.normal(size=(n, classes)) + 1.5 * np.eye(classes)[labels]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return probabilities.astype(np.float32), labels.astype(float)


def values(n, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.normal(10.0, 3.0, size=n)
    return (labels + rng.standard_t(3, size=n))[:, np.newaxis].astype(np.float32), labels


def ten_line_calibration_error(confidence, correct, bins=15):
    total = 0.0
    for b in range(bins):
        low, high = b / bins, (b + 1) / bins
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            total += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    return total


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_classification_metrics_are_those_of_scikit_learn(classes):
    outputs, labels = predictions(500, classes)
    # A class is never predicted and another never true: their precision and recall do not exist.
    outputs[:, -1], labels[labels == 0] = 0.0, 1.0
    outputs /= outputs.sum(axis=1, keepdims=True)
    predicted, every = outputs.argmax(axis=1), np.arange(classes)
    found = quality.metrics(outputs, labels)
    undefined = {"labels": every, "zero_division": np.nan}
    precision, recall, _, support = oracle.precision_recall_fscore_support(labels, predicted, **undefined)
    by_class = quality.class_metrics(outputs, labels)
    np.testing.assert_array_equal(by_class["precision"], precision)
    np.testing.assert_array_equal(by_class["recall"], recall)
    np.testing.assert_array_equal(by_class["support"], support)
    for each in every:
        true, said = (quality.metrics(outputs[of], labels[of]) for of in (labels == each, predicted == each))
        for name, expected in (("log_loss", true), ("brier", true), ("calibration_error", said)):
            assert by_class[name][each] == pytest.approx(expected[name], nan_ok=True)
    assert found["accuracy"] == oracle.accuracy_score(labels, predicted)
    assert found["macro_precision"] == pytest.approx(np.nanmean(precision))
    assert found["macro_recall"] == pytest.approx(np.nanmean(recall))
    assert found["log_loss"] == pytest.approx(oracle.log_loss(labels, outputs, labels=every), abs=1e-6)
    exact = outputs / outputs.sum(axis=1, keepdims=True, dtype=float)
    brier = oracle.brier_score_loss(labels, exact if classes > 2 else exact[:, 1], labels=every)
    assert found["brier"] == pytest.approx(brier, rel=1e-6)
    confidence, right = outputs.max(axis=1).astype(float), predicted == labels
    assert found["calibration_error"] == pytest.approx(ten_line_calibration_error(confidence, right))


def test_a_calibration_bin_holds_its_upper_edge():
    confidence = np.repeat(np.arange(1, 16) / 15, 3)
    confidence[::3] -= 0.5 / 15
    correct = np.random.default_rng(1).random(45) < 0.5
    expected = ten_line_calibration_error(confidence, correct)
    assert quality.calibration_error(confidence, correct) == pytest.approx(expected)
    assert quality.calibration_error([0.01, 0.06], [True, False]) == pytest.approx(0.465)


def test_regression_metrics_are_those_of_scikit_learn():
    outputs, labels = values(300)
    found = quality.metrics(outputs, labels)
    assert found["mae"] == pytest.approx(oracle.mean_absolute_error(labels, outputs[:, 0]), rel=1e-6)
    assert found["rmse"] == pytest.approx(oracle.root_mean_squared_error(labels, outputs[:, 0]), rel=1e-6)
    assert quality.class_metrics(outputs, labels) == {}
    np.testing.assert_allclose(quality.errors(outputs, labels), np.abs(outputs[:, 0] - labels))
    np.testing.assert_allclose(quality.losses(outputs, labels), (outputs[:, 0] - labels) ** 2)


def test_errors_and_losses_of_a_classification():
    outputs, labels = predictions(200, 4)
    np.testing.assert_array_equal(quality.errors(outputs, labels), outputs.argmax(axis=1) != labels)
    np.testing.assert_allclose(
        quality.losses(outputs, labels), -np.log(outputs[np.arange(200), labels.astype(int)]), rtol=1e-5
    )


def test_a_sure_mistake_costs_a_finite_loss():
    outputs = np.array([[1.0, 0.0], [1.0, 0.0]], dtype=np.float32)
    found = quality.metrics(outputs, [0, 1])
    assert found["log_loss"] == pytest.approx(oracle.log_loss([0, 1], outputs), abs=1e-6)
    assert found["calibration_error"] == 0.5


@pytest.mark.parametrize(("n_outputs", "draw"), [(5, lambda n: predictions(n, 5)), (1, values)])
def test_the_window_measures_the_latest_rows_and_the_totals_all(n_outputs, draw):
    outputs, labels = draw(1_234)
    window = QualityWindow(n_outputs, window=400)
    for start in range(0, 1_234, 77):
        window.add(outputs[start : start + 77], labels[start : start + 77])
    assert len(window) == 400
    expected = quality.metrics(outputs[-400:], labels[-400:])
    assert window.metrics() == pytest.approx(expected)
    for name, column in quality.class_metrics(outputs[-400:], labels[-400:]).items():
        np.testing.assert_allclose(window.class_metrics()[name], column, rtol=1e-12)
    totals = window.totals
    assert totals.rows == 1_234
    if n_outputs == 1:
        error = quality.errors(outputs, labels)
        assert (totals.absolute_error, totals.squared_error) == pytest.approx((error.sum(), (error**2).sum()))
        assert (totals.correct, totals.log_loss, totals.confusion.size) == (0, 0.0, 0)
    else:
        np.testing.assert_array_equal(
            totals.confusion, oracle.confusion_matrix(labels, outputs.argmax(axis=1), labels=range(5))
        )
        assert totals.correct == totals.confusion.trace()
        assert totals.log_loss == pytest.approx(quality.losses(outputs, labels).sum())


@given(st.lists(st.integers(0, 30), max_size=12))
def test_batches_of_any_size_leave_the_same_window(sizes):
    outputs, labels = predictions(sum(sizes), 3)
    whole, split = QualityWindow(3, window=17), QualityWindow(3, window=17)
    whole.add(outputs, labels)
    for start, size in zip(np.cumsum([0, *sizes]), sizes, strict=False):
        split.add(outputs[start : start + size], labels[start : start + size])
    assert str(split.metrics()) == str(whole.metrics())  # to the last bit, NaN included
    np.testing.assert_array_equal(split.confidences(), whole.confidences())
    np.testing.assert_array_equal(split.correct(), whole.correct())
    assert split.totals.rows == whole.totals.rows


def test_totals_of_replicas_add_up():
    outputs, labels = predictions(900, 4)
    one, replicas = QualityWindow(4), [QualityWindow(4) for _ in range(3)]
    one.add(outputs, labels)
    for turn, replica in enumerate(replicas):
        replica.add(outputs[turn::3], labels[turn::3])
    total = replicas[0].totals + replicas[1].totals + replicas[2].totals
    assert (total.rows, total.correct) == (900, one.totals.correct)
    assert total.log_loss == pytest.approx(one.totals.log_loss)
    np.testing.assert_array_equal(total.confusion, one.totals.confusion)
    with pytest.raises(InvalidDataError, match=r"do not add up: .* \(4, 4\) and \(3, 3\)"):
        total + QualityWindow(3).totals


def test_confusion_is_counted_for_a_bounded_number_of_classes():
    for classes, counted in ((32, 32), (33, 0)):
        window = QualityWindow(classes)
        window.add(*predictions(10, classes))
        assert window.totals.confusion.shape == (counted, counted)
        assert window.totals.rows == 10


def test_a_window_continues_after_a_restart_bit_for_bit(tmp_path):
    outputs, labels = predictions(1_000, 3)
    for n_outputs, (x, y) in ((3, (outputs, labels)), (1, (outputs[:, :1], labels))):
        window = QualityWindow(n_outputs, window=300)
        window.add(x[:777], y[:777])
        state.save(tmp_path / "window.state", "quality_window", 1, window.state())
        restored = QualityWindow.from_state(state.load(tmp_path / "window.state", "quality_window")[1])
        for each in (window, restored):
            each.add(x[777:], y[777:])
        assert restored.metrics() == window.metrics()
        assert str(restored.totals) == str(window.totals)
        assert len(restored.confidences()) == (300 if n_outputs > 1 else 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("ring"), "window in the state is incomplete"),
        (lambda s: s.update(version=2), "has version 2; this driftlead reads up to 1"),
        (lambda s: s["ring"].update(rows=np.zeros((10, 4))), "ring in the state"),
        (lambda s: s["ring"].update(rows=np.full((10, 5), np.nan)), "ring in the state"),
        (lambda s: s["ring"].update(rows=np.full((10, 5), 3.0)), "holds a class that there is not"),
        (lambda s: s["ring"].update(seen=-1), "ring in the state"),
        (lambda s: s["ring"].update(seen=5), "do not belong together"),
        (lambda s: s["totals"].update(confusion=np.zeros((2, 2))), "do not belong together"),
        (lambda s: s["totals"].pop("rows"), "totals in the state are incomplete"),
        (lambda s: s.update(n_outputs=0), "incomplete"),
    ],
)
def test_a_broken_state_is_refused(change, message):
    window = QualityWindow(3, window=10)
    window.add(*predictions(8, 3))
    broken = window.state()
    change(broken)
    with pytest.raises(StateError, match=message):
        QualityWindow.from_state(broken)


GOOD = [[0.5, 0.5], [0.9, 0.1]]


@pytest.mark.parametrize(
    ("outputs", "labels", "message"),
    [
        (GOOD, [0, 2], "row 1: the label must be a class from 0 to 1, got 2"),
        (GOOD, [0, -1], "row 1: the label must be a class from 0 to 1, got -1"),
        (GOOD, [0.5, 1], "row 0: the label must be a class from 0 to 1, got 0.5"),
        (GOOD, [0, np.nan], "row 1: the label must be finite, got nan"),
        ([[0.5, 0.5], [np.nan, 0.1]], [0, 1], "row 1: the output must be finite, got nan"),
        ([[0.5, 0.5], [3.5, -2.5]], [0, 1], "row 1: the output must be a probability, got 3.5"),
        ([[0.5, 0.5], [0.5, 0.2]], [0, 1], "row 1: the sum of the class probabilities must be 1, got 0.7"),
        (GOOD, [0], r"labels must have shape \(2,\), got \(1,\)"),
        ([[0.2, 0.3, 0.5]], [0], r"outputs must have shape \(n, 2\), got \(1, 3\)"),
        ([0.5, 0.5], [0, 1], r"outputs must have shape \(n, 2\), got \(2,\)"),
        ([["a", "b"]], [0], "must be numeric"),
    ],
)
def test_what_does_not_fit_is_refused_whole(outputs, labels, message):
    window = QualityWindow(2)
    window.add(GOOD, [0, 1])
    with pytest.raises(InvalidDataError, match=message):
        window.add(outputs, labels)
    assert (len(window), window.totals.rows) == (2, 2)


def test_a_regression_refuses_what_is_not_finite():
    with pytest.raises(InvalidDataError, match="row 0: the output must be finite, got inf"):
        QualityWindow(1).add([[np.inf]], [1.0])
    with pytest.raises(InvalidDataError, match="row 1: the label must be finite, got -inf"):
        QualityWindow(1).add([[1.0], [2.0]], [1.0, -np.inf])


def test_half_precision_still_adds_up_to_one():
    outputs = np.full((1, 1000), 1e-3, dtype=np.float16)
    assert quality.metrics(outputs, [3])["log_loss"] == pytest.approx(np.log(1000), rel=1e-3)


def test_no_rows_measure_nothing():
    window = QualityWindow(2)
    window.add(np.empty((0, 2)), [])
    assert len(window) == 0
    assert all(np.isnan(value) for value in window.metrics().values())
    assert window.class_metrics()["support"].tolist() == [0, 0]


def test_bad_parameters_are_named():
    with pytest.raises(InvalidParameterError, match="n_outputs must be at least 1, got 0"):
        QualityWindow(0)
    with pytest.raises(InvalidParameterError, match="window must be from 1 to 1000000, got 0"):
        QualityWindow(2, window=0)


def test_totals_restore():
    window = QualityWindow(3)
    window.add(*predictions(50, 3))
    assert str(QualityTotals.from_state(window.totals.to_state())) == str(window.totals)
