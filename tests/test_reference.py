"""The reference profile: bounded, without rows, tied to one model, and restored as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from driftlead import quality as measured
from driftlead import state as files
from driftlead.errors import InvalidDataError, InvalidParameterError, ReferenceMismatchError, StateError
from driftlead.reference import ReferenceProfile
from driftlead.signals import Signal

STORED = Path(__file__).parent / "data" / "profiles"
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
        (lambda state: state.update(version=99), "has version 99; this driftlead reads up to 2"),
        (lambda state: state.update(sizes=np.array([1, 2, 3])), "sizes do not add up"),
        (lambda state: state.update(means=np.zeros(2)), "differ in length"),
        (lambda state: state.update(kinds=["numeric", "odd", "numeric"]), "kind must be one of"),
        (lambda state: state.update(names=["one"]), "unreadable"),
        (lambda state: state.pop("quality"), "unreadable: 'quality'"),
        (lambda state: state.update(categories={"feature:x": ["a"]}), "names categories of 'feature:x'"),
        (lambda state: state.update(categories=3), "unreadable"),
        (lambda state: state.update(quality=3), "quality in the reference profile is unreadable"),
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
    with pytest.raises(ReferenceMismatchError, match="belongs to no model, not to model 2e"):
        ReferenceProfile.from_rows(SIGNALS, rows, model_hash="").require_model("2e")


def test_bad_rows_are_refused(rows):
    with pytest.raises(InvalidDataError, match=r"rows must have shape \(n_rows, 3\)"):
        ReferenceProfile.from_rows(SIGNALS, rows[:, :2], model_hash="1f")
    with pytest.raises(InvalidDataError, match="at least one row"):
        ReferenceProfile.from_rows(SIGNALS, rows[:0], model_hash="1f")
    with pytest.raises(InvalidDataError, match="rows must be a table of numbers: could not convert"):
        ReferenceProfile.from_rows(SIGNALS, [["1", "2", "red"]], model_hash="1f")
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


@pytest.mark.parametrize("version", [1, 2])
def test_a_profile_of_every_version_still_loads(version):
    _, values = files.load(STORED / f"reference_profile-v{version}.state", "reference_profile")
    profile = ReferenceProfile.from_state(values)
    assert values["version"] == version
    assert [len(sample) for sample in profile.samples] == [60, 51, 60]
    if version == 1:
        assert (profile.quality, profile.categories) == (None, {})
    else:
        assert profile.categories == {"prediction:class": ("no", "maybe", "yes")}
        assert profile.quality.class_names == ("no", "maybe", "yes")
        assert profile.quality.metrics["accuracy"] == 1 - profile.quality.errors.mean()
        assert profile.quality.calibration.rows.sum() == 60


# --- quality ----------------------------------------------------------------------------------------


def answers(n, classes, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    logits = rng.normal(size=(n, classes)) + 3.0 * np.eye(classes)[labels]
    shares = np.exp(logits)
    return (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32), labels.astype(float)


def test_quality_says_what_the_labels_said(rows):
    outputs, labels = answers(400, 3)
    plain = ReferenceProfile.from_rows(SIGNALS, rows, model_hash="1f")
    profile = plain.with_quality(outputs, labels, ("no", "maybe", "yes"))
    assert plain.quality is None
    found = profile.quality
    assert (found.n_outputs, found.class_names, found.n_rows) == (3, ("no", "maybe", "yes"), 400)
    assert found.metrics == measured.metrics(outputs, labels)
    np.testing.assert_array_equal(found.class_metrics["support"], np.bincount(labels.astype(int)))
    np.testing.assert_array_equal(found.errors, np.sort(measured.errors(outputs, labels)))
    np.testing.assert_array_equal(found.losses, np.sort(measured.losses(outputs, labels)))
    assert found.calibration.rows.sum() == 400
    assert found.calibration.correct.sum() == 400 - found.errors.sum()
    with pytest.raises(ReferenceMismatchError):
        profile.require_model("2e")


def test_quality_of_a_regression_has_no_calibration():
    rng = np.random.default_rng(2)
    truth = rng.normal(size=300)
    profile = ReferenceProfile.from_rows([Signal("a")], truth[:, None], model_hash="1f")
    found = profile.with_quality((truth + 0.5)[:, None], truth).quality
    assert found.metrics == pytest.approx({"mae": 0.5, "rmse": 0.5})
    assert (found.calibration, found.class_metrics) == (None, {})
    restored = ReferenceProfile.from_state(profile.with_quality(truth[:, None], truth).to_state())
    assert restored.quality.metrics == {"mae": 0.0, "rmse": 0.0}


def test_quality_survives_a_file_and_stays_small(rows, tmp_path):
    outputs, labels = answers(50_000, 3)
    outputs[:, 2], labels[labels == 2] = 0.0, 0.0  # a class without precision or recall: NaN is kept
    outputs /= outputs.sum(axis=1, keepdims=True)
    profile = ReferenceProfile.from_rows(SIGNALS, rows, model_hash="1f")
    profile = profile.with_quality(outputs, labels, max_sample=1_000)
    files.save(tmp_path / "profile", "reference_profile", 2, profile.to_state())
    assert (tmp_path / "profile").stat().st_size < 40_000
    found = ReferenceProfile.from_state(files.load(tmp_path / "profile", "reference_profile")[1]).quality
    assert str(found.metrics) == str(profile.quality.metrics)
    for name in ("errors", "losses"):
        assert len(getattr(found, name)) == 1_000
        np.testing.assert_array_equal(getattr(found, name), getattr(profile.quality, name))
    for name, values in profile.quality.class_metrics.items():
        np.testing.assert_array_equal(found.class_metrics[name], values)
    np.testing.assert_array_equal(found.calibration.probability, profile.quality.calibration.probability)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda quality: quality.pop("errors"), "unreadable: 'errors'"),
        (lambda quality: quality.update(calibration=None), "inconsistent"),
        (lambda quality: quality.update(calibration={"rows": 3}), "calibration in the state"),
        (lambda quality: quality.update(class_names=["one"]), "inconsistent"),
        (lambda quality: quality.update(losses=np.zeros(3)), "inconsistent"),
        (lambda quality: quality.update(metric_names=["one"]), "unreadable"),
    ],
)
def test_a_broken_quality_is_refused(rows, change, message):
    profile = ReferenceProfile.from_rows(SIGNALS, rows, model_hash="1f").with_quality(*answers(50, 3))
    state = profile.to_state()
    change(state["quality"])
    with pytest.raises(StateError, match=message):
        ReferenceProfile.from_state(state)


def test_labels_that_do_not_fit_are_refused(rows):
    profile = ReferenceProfile.from_rows(SIGNALS, rows, model_hash="1f")
    outputs, labels = answers(5, 3)
    with pytest.raises(InvalidParameterError, match="class_names must be as many as the 3 outputs, or none"):
        profile.with_quality(outputs, labels, ("yes", "no"))
    with pytest.raises(InvalidDataError, match="row 2: the label must be a class from 0 to 2, got 7"):
        profile.with_quality(outputs, [0, 1, 7, 0, 0])
    with pytest.raises(InvalidDataError, match="at least one labelled row, got none"):
        profile.with_quality(np.empty((0, 3)), [])
