"""Accuracy without labels: within its interval under drift of inputs, blind to the concept, audited."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.isotonic import IsotonicRegression

from benchmarks.estimated_accuracy import HARD_AT_TRAINING, predict, relabel
from driftlead import state
from driftlead.errors import InvalidDataError, InvalidParameterError, StateError
from driftlead.estimation import CONFIDENCE_BINS, ConfidenceCalibration, ConfidenceWindow, bin_counts

SEEDS = 200


def learnt(rng, labelled, classes=2, sharpness=1.0):
    reference = predict(rng, labelled, classes, HARD_AT_TRAINING, sharpness)
    return ConfidenceCalibration.fit(reference.confidences, reference.correct)


@pytest.mark.parametrize("labelled", [450, 5_000])
@pytest.mark.parametrize(("classes", "sharpness"), [(2, 1.0), (2, 2.0), (10, 1.0)])
@pytest.mark.parametrize("hard", [HARD_AT_TRAINING, 0.3, 1.0])
def test_the_estimate_follows_the_accuracy_when_inputs_drift(labelled, classes, sharpness, hard):
    rng = np.random.default_rng([labelled, classes])
    within, gaps, false_audits = 0, [], 0
    for _ in range(SEEDS):
        calibration = learnt(rng, labelled, classes, sharpness)
        served = predict(rng, 1_000, classes, hard, sharpness)
        counts, accuracy = bin_counts(served.confidences), served.correct.mean()
        found = calibration.estimate(counts)
        within += found.low <= accuracy <= found.high
        gaps.append(found.estimate - accuracy)
        false_audits += calibration.audit(counts, int(served.correct.sum())).significant
    # 95 %, less what 200 seeds leave open and a share of a point for bins of finite width.
    assert within >= 0.90 * SEEDS
    assert abs(np.mean(gaps)) < 0.035
    assert false_audits <= 3


def test_a_change_of_concept_is_invisible_until_labels_land():
    rng = np.random.default_rng(3)
    for _ in range(20):
        calibration = learnt(rng, 450)
        served = predict(rng, 500, 2, HARD_AT_TRAINING)
        changed = relabel(served, 2)
        counts = bin_counts(changed.confidences)
        assert calibration.estimate(counts) == calibration.estimate(bin_counts(served.confidences))
        assert calibration.estimate(counts).low > 0.9 > 0.1 > changed.correct.mean()
        audit = calibration.audit(counts, int(changed.correct.sum()))
        assert audit.significant
        assert audit.difference < -0.8
        assert audit.difference == audit.accuracy - audit.estimate
        assert not calibration.audit(counts, int(served.correct.sum())).significant


def test_the_interval_is_that_of_the_beta_binomial_sum():
    """Draw the calibration's Beta variables and the window's rows, many times over."""
    rng = np.random.default_rng(4)
    calibration = learnt(rng, 450)
    counts = bin_counts(predict(rng, 400, 2, 0.6).confidences)
    found = calibration.estimate(counts)
    right, wrong, block_of_bin = calibration._pooled
    rows = np.bincount(block_of_bin, weights=counts).astype(int)
    drawn = rng.binomial(rows, rng.beta(right, wrong, size=(20_000, len(rows)))).sum(axis=1) / 400
    assert found.estimate == pytest.approx(drawn.mean(), abs=0.002)
    assert np.mean((drawn >= found.low) & (drawn <= found.high)) == pytest.approx(0.955, abs=0.012)
    audit = calibration.audit(counts, 0)
    assert audit.standard_error == pytest.approx(drawn.std(), rel=0.05)


def test_a_small_table_widens_the_interval_more_than_the_window_does():
    rng = np.random.default_rng(5)
    counts = bin_counts(predict(rng, 1_000, 2, 1.0).confidences)
    widths = [
        np.mean([width(learnt(rng, labelled), counts) for _ in range(20)]) for labelled in (450, 50_000)
    ]
    binomial = np.ptp(stats.binom(1_000, 0.785).interval(0.95)) / 1_000
    assert widths[0] > 4 * binomial
    assert widths[1] < 1.5 * binomial


def width(calibration, counts):
    found = calibration.estimate(counts)
    return found.high - found.low


def test_two_errors_in_450_rows_stay_two_errors():
    confidences = np.concatenate([np.full(440, 0.9999), np.linspace(0.55, 0.9, 10)])
    correct = np.ones(450, dtype=bool)
    correct[[441, 445]] = False
    calibration = ConfidenceCalibration.fit(confidences, correct)
    same = calibration.estimate(bin_counts(confidences))
    assert same.estimate == pytest.approx(448 / 450, abs=0.005)
    assert same.low < 448 / 450 < same.high
    # Doubtful rows alone: two of ten were wrong, so much and no more is known.
    doubtful = calibration.estimate(bin_counts(np.full(1_000, 0.8)))
    assert doubtful.low < 0.6
    assert 0.6 < doubtful.estimate < 0.9
    assert doubtful.high > 0.9


def test_saturated_confidences_are_believed_as_far_as_rows_go():
    one = np.ones(450, dtype=np.float32)
    sure = ConfidenceCalibration.fit(one, one > 0)
    found = sure.estimate(bin_counts(np.ones(10_000, dtype=np.float32)))
    assert found.low == pytest.approx(1 - 2.5 / 450, abs=0.001)  # 97.5 % bound of Jeffreys for none of 450
    assert found.high == 1.0
    wrong = one > 0
    wrong[:45] = False
    found = ConfidenceCalibration.fit(one, wrong).estimate(bin_counts(one))
    assert found.estimate == pytest.approx(0.9, abs=0.005)


def test_confidences_that_were_never_seen_are_hardly_known():
    calibration = ConfidenceCalibration.fit(np.full(5_000, 0.9999), np.ones(5_000))
    found = calibration.estimate(bin_counts(np.full(1_000, 0.6)))
    assert found.high - found.low > 0.9


def test_probabilities_never_decrease_and_approach_isotonic_regression():
    rng = np.random.default_rng(6)
    confidences = rng.uniform(0.5, 1.0, 200_000)
    correct = rng.random(200_000) < 0.3 + 0.6 * confidences
    calibration = ConfidenceCalibration.fit(confidences, correct)
    assert (np.diff(calibration.probability) >= 0).all()
    bins = np.repeat(np.arange(CONFIDENCE_BINS), bin_counts(confidences))
    oracle = IsotonicRegression().fit(bins, correct[np.argsort(confidences)])
    met = np.flatnonzero(bin_counts(confidences) > 500)
    np.testing.assert_allclose(calibration.probability[met], oracle.predict(met), atol=0.002)


def test_bins_are_one_unit_of_log_odds_wide():
    log_odds = np.linspace(-6, 20, 400)
    confidences = 1 / (1 + np.exp(-log_odds))
    expected = np.clip(np.floor(log_odds) + 4, 0, 20).astype(int)
    for confidence, bin_ in zip(confidences, expected, strict=True):
        assert bin_counts([confidence])[bin_] == 1
    assert bin_counts([0.0])[0] == 1
    assert bin_counts(np.float32([1.0]))[20] == 1


def test_counts_of_replicas_give_the_estimate_of_all():
    rng = np.random.default_rng(7)
    calibration, confidences = learnt(rng, 450), predict(rng, 900, 2, 0.3).confidences
    parts = sum(bin_counts(confidences[turn::3]) for turn in range(3))
    assert calibration.estimate(parts) == calibration.estimate(bin_counts(confidences))


def test_the_window_keeps_the_latest_and_survives_a_restart(tmp_path):
    confidences = np.random.default_rng(8).uniform(size=1_000)
    window = ConfidenceWindow(window=300)
    window.add(confidences[:50])
    assert len(window) == 50
    window.add(confidences[50:700])
    state.save(tmp_path / "w", "confidence_window", 1, window.state())
    restored = ConfidenceWindow.from_state(state.load(tmp_path / "w", "confidence_window")[1])
    restored.add(confidences[700:])
    np.testing.assert_array_equal(restored.counts(), bin_counts(confidences[-300:]))
    broken = restored.state()
    broken["rows"][:] = 21
    with pytest.raises(StateError, match="holds a bin that there is not"):
        ConfidenceWindow.from_state(broken)
    with pytest.raises(StateError, match="ring in the state is incomplete"):
        ConfidenceWindow.from_state({})


def test_nothing_is_estimated_from_nothing():
    calibration = ConfidenceCalibration.fit([], [])
    none = calibration.estimate(bin_counts([]))
    assert (none.low, none.high, none.rows) == (0.0, 1.0, 0)
    assert np.isnan(none.estimate)
    audit = calibration.audit(bin_counts([]), 0)
    assert (audit.significant, audit.rows) == (False, 0)


@pytest.mark.parametrize("confidence", np.linspace(0.0, 1.0, 12))
def test_one_row_is_right_or_wrong(confidence):
    found = learnt(np.random.default_rng(10), 450).estimate(bin_counts([confidence]))
    assert {found.low, found.high} <= {0.0, 1.0}
    assert found.low <= found.high
    assert found.high == 1.0 or found.estimate < 0.025


def test_a_calibration_restores_and_refuses_what_is_inconsistent():
    calibration = learnt(np.random.default_rng(9), 450)
    restored = ConfidenceCalibration.from_state(calibration.to_state())
    np.testing.assert_array_equal(restored.probability, calibration.probability)
    with pytest.raises(StateError, match="incomplete"):
        ConfidenceCalibration.from_state({"rows": calibration.rows})
    for change in ({"correct": calibration.rows + 1}, {"rows": calibration.rows[:5]}):
        with pytest.raises(StateError, match="inconsistent"):
            ConfidenceCalibration.from_state(calibration.to_state() | change)


@pytest.mark.parametrize(
    ("confidences", "message"),
    [
        ([0.5, 1.5], "row 1: the confidence must be from 0 to 1, got 1.5"),
        ([np.nan], "row 0: the confidence must be from 0 to 1, got nan"),
        ([[0.5]], r"confidences must have shape \(n,\), got \(1, 1\)"),
        (["sure"], "confidences must be numeric"),
    ],
)
def test_bad_confidences_are_refused_whole(confidences, message):
    window = ConfidenceWindow()
    with pytest.raises(InvalidDataError, match=message):
        window.add(confidences)
    assert len(window) == 0
    with pytest.raises(InvalidDataError, match=message):
        ConfidenceCalibration.fit(confidences, [True])


def test_lengths_and_window_are_checked():
    with pytest.raises(InvalidDataError, match=r"correct must have shape \(2,\), got \(1,\)"):
        ConfidenceCalibration.fit([0.5, 0.6], [True])
    with pytest.raises(InvalidParameterError, match="window must be"):
        ConfidenceWindow(window=0)
