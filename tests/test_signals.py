"""Values of signals, computed at once or later for many requests together."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from driftlead.errors import InvalidDataError, InvalidParameterError
from driftlead.signals import (
    DeferredColumns,
    SignalRows,
    classification_columns,
    classification_values,
    feature_signals,
    join_rows,
)


class Doubling:
    """Deferred columns that count how often they are computed."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def compute(self, parts):
        self.calls.append(len(parts))
        return 2 * np.concatenate(parts)

    def of(self, values) -> DeferredColumns:
        values = np.asarray(values, dtype=np.float32)
        return DeferredColumns(values.shape, values, self.compute, values.nbytes)


def test_neighbours_of_one_composition_are_computed_together():
    rng = np.random.default_rng(0)
    one, other = Doubling(), Doubling()
    batches, expected = [], []
    for size, source in [(1, one), (3, one), (0, one), (2, other), (1, one), (1, None), (2, None)]:
        raw, deferred = rng.normal(size=(size, 2)).astype(np.float32), rng.normal(size=(size, 3))
        if source is None:
            batches.append(np.hstack([raw, deferred]))
            expected.append(batches[-1])
        else:
            batches.append(SignalRows(raw, source.of(deferred)))
            expected.append(np.hstack([raw, 2 * deferred.astype(np.float32)]))
    joined = join_rows(batches)
    np.testing.assert_array_equal(joined, np.concatenate(expected))
    assert joined.dtype == np.float64
    assert joined.flags.c_contiguous
    assert (one.calls, other.calls) == ([3, 1], [1])


def test_joined_rows_are_new():
    rows = np.zeros((2, 2))
    join_rows([rows])[:] = 1
    assert not rows.any()


def test_signal_rows_are_an_array_to_numpy():
    rows = SignalRows(np.array([[1], [2]]), Doubling().of([[3], [4]]))
    assert np.asarray(rows).tolist() == [[1, 6], [2, 8]]
    assert np.array(rows, dtype=np.float32).dtype == np.float32


@pytest.mark.parametrize(
    "columns",
    [(), (np.zeros((2, 1)), np.zeros((3, 1))), (np.zeros(2),), (np.zeros((2, 1)), np.zeros((2, 1, 1)))],
)
def test_columns_that_do_not_fit_are_refused(columns):
    with pytest.raises(InvalidDataError, match="columns must be tables with the same number of rows"):
        SignalRows(*columns)


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([], "same number of signals"),
        ([np.zeros((1, 2)), np.zeros((1, 3))], r"same number of signals, got \[\(1, 2\), \(1, 3\)\]"),
        ([np.zeros(2)], "same number of signals"),
        ([np.array([["a"]])], "signals must be numbers"),
        ([np.array([[1j]])], "signals must be numbers"),
        (
            [SignalRows(DeferredColumns((2, 1), None, lambda _: np.zeros((2, 2)), 0))],
            r"\(2, 1\), got \(2, 2\)",
        ),
    ],
)
def test_batches_that_do_not_fit_are_refused(batches, message):
    with pytest.raises(InvalidDataError, match=message):
        join_rows(batches)


def test_a_classifiers_signals_are_those_of_each_row_and_missing_where_a_probability_is():
    probabilities = np.random.default_rng(0).dirichlet([0.2] * 5, size=50)
    probabilities[0] = [0, 1, 0, 0, 0]
    probabilities[1, 2] = np.nan
    values = classification_values(probabilities)
    assert np.isnan(values[1]).all()
    rows = np.delete(probabilities, 1, axis=0)
    expected = np.column_stack([rows.max(1), stats.entropy(rows, axis=1), rows.argmax(1)])
    np.testing.assert_allclose(np.delete(values, 1, axis=0), expected, atol=1e-12)
    parts = [SignalRows(classification_columns(part)) for part in np.array_split(probabilities, 7)]
    np.testing.assert_array_equal(join_rows(parts), values)


def test_a_categorical_feature_must_be_a_feature():
    with pytest.raises(InvalidParameterError, match="categorical must be among the features, got 'b'"):
        feature_signals(["a"], categorical=["b"])
