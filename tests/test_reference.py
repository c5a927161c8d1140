"""The reference profile: bounded, without rows, tied to one model, and restored as it was."""

from __future__ import annotations

import numpy as np
import pytest

from driftlead.errors import InvalidDataError, InvalidParameterError, ReferenceMismatchError, StateError
from driftlead.reference import ReferenceProfile
from driftlead.signals import Signal

SIGNALS = (Signal("feature:a"), Signal("feature:b"), Signal("prediction:class", "categorical"))


@pytest.fixture
def rows():
    rng = np.random.default_rng(5)
    rows = np.column_stack([rng.normal(size=400), rng.lognormal(size=400), rng.integers(0, 3, 400)])
    rows[::10, 1] = np.nan
    return rows


def test_profile_keeps_sorted_columns_means_and_missing(rows):
    profile = ReferenceProfile.from_rows(SIGNALS, rows, model_hash="1f")
    assert [len(sample) for sample in profile.samples] == [400, 360, 400]
    for sample, column in zip(profile.samples, rows.T, strict=True):
        np.testing.assert_array_equal(sample, np.sort(column[~np.isnan(column)]))
    np.testing.assert_allclose(profile.means, np.nanmean(rows, axis=0))
    assert profile.missing.tolist() == [0, 40, 0]


def test_a_long_sample_is_thinned_to_its_quantiles():
    values = np.random.default_rng(1).exponential(size=(50_000, 1))
    profile = ReferenceProfile.from_rows([Signal("a")], values, model_hash="1f", max_sample=1_000)
    (sample,) = profile.samples
    assert len(sample) == 1_000
    assert sample[0] == values.min()
    assert sample[-1] == values.max()
    levels = np.linspace(0.01, 0.99, 99)
    np.testing.assert_allclose(np.quantile(sample, levels), np.quantile(values, levels), rtol=0.01)
    assert profile.n_rows == 50_000


def test_state_round_trip_is_exact(rows):
    profile = ReferenceProfile.from_rows(SIGNALS, rows, model_hash="1f")
    restored = ReferenceProfile.from_state(profile.to_state())
    assert restored.signals == profile.signals
    assert restored.model_hash == "1f"
    assert restored.n_rows == 400
    for left, right in zip(restored.samples, profile.samples, strict=True):
        np.testing.assert_array_equal(left, right)
    np.testing.assert_array_equal(restored.means, profile.means)
    np.testing.assert_array_equal(restored.missing, profile.missing)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("values"), "unreadable: 'values'"),
        (lambda state: state.update(version=99), "has version 99; this driftlead reads up to 1"),
        (lambda state: state.update(sizes=np.array([1, 2, 3])), "sizes do not add up"),
        (lambda state: state.update(means=np.zeros(2)), "differ in length"),
        (lambda state: state.update(kinds=["numeric", "odd", "numeric"]), "kind must be one of"),
        (lambda state: state.update(names=["one"]), "unreadable"),
    ],
)
def test_a_broken_state_is_refused(rows, change, message):
    state = ReferenceProfile.from_rows(SIGNALS, rows, model_hash="1f").to_state()
    change(state)
    with pytest.raises(StateError, match=message):
        ReferenceProfile.from_state(state)


def test_another_model_is_refused(rows):
    profile = ReferenceProfile.from_rows(SIGNALS, rows, model_hash="1f")
    profile.require_model("1f")
    with pytest.raises(ReferenceMismatchError, match="belongs to model 1f, not to model 2e"):
        profile.require_model("2e")


def test_bad_rows_are_refused(rows):
    with pytest.raises(InvalidDataError, match=r"rows must have shape \(n_rows, 3\)"):
        ReferenceProfile.from_rows(SIGNALS, rows[:, :2], model_hash="1f")
    with pytest.raises(InvalidDataError, match="at least one row"):
        ReferenceProfile.from_rows(SIGNALS, rows[:0], model_hash="1f")
    rows[:, 1] = np.nan
    with pytest.raises(InvalidDataError, match="'feature:b' has no value in any of the 400 rows"):
        ReferenceProfile.from_rows(SIGNALS, rows, model_hash="1f")
    with pytest.raises(InvalidParameterError, match="signals must be named once each, got 'a'"):
        ReferenceProfile.from_rows([Signal("a"), Signal("a")], rows[:, :2], model_hash="1f")
    with pytest.raises(InvalidParameterError, match="max_sample must be at least 2, got 1"):
        ReferenceProfile.from_rows(SIGNALS, rows, model_hash="1f", max_sample=1)


def test_bad_signals_are_refused():
    with pytest.raises(InvalidParameterError, match="kind must be one of numeric, categorical, got 'odd'"):
        Signal("a", "odd")
    with pytest.raises(InvalidParameterError, match="name must be not empty"):
        Signal("")
