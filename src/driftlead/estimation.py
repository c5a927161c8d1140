"""How accurate a classifier probably is while labels are missing, from how sure it is.

At training time, labelled rows say how often predictions of each confidence are right. Later the
confidences alone say how often they should be. This holds as long as only the *inputs* drift, and the
confidence carries what makes them hard. It is blind to a change of the labels given the inputs: the model is
as sure as ever, and wrong. So the estimate is audited as soon as labels land.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special
from scipy.optimize import isotonic_regression

from driftlead.errors import InvalidDataError, StateError
from driftlead.rings import Ring

__all__ = [
    "CONFIDENCE_BINS",
    "AccuracyAudit",
    "AccuracyEstimate",
    "ConfidenceCalibration",
    "ConfidenceWindow",
    "bin_counts",
]

CONFIDENCE_BINS = 21
"""Bins of the confidence, one unit of log-odds each, the same for all models."""

_LOWEST = -4  # log-odds; the last bin begins at 16, where 32-bit floats below 1 end
_PRIOR_TEMPERATURE = 2.0
_LEVEL = 0.95
_AUDIT_LEVEL = 0.999
_ROUNDING = 0.01  # a softmax in half precision may exceed 1 by less than half of this


@dataclass(frozen=True)
class AccuracyEstimate:
    """Estimated accuracy of predictions without labels.

    Attributes
    ----------
    estimate : float
        Expected share of right predictions; NaN without rows.
    low, high : float
        Interval that holds the realised share with probability 95 %.
    rows : int
        Number of predictions.
    """

    estimate: float
    low: float
    high: float
    rows: int


@dataclass(frozen=True)
class AccuracyAudit:
    """Estimated accuracy against the realised one, of predictions whose labels have landed.

    Attributes
    ----------
    estimate, accuracy : float
        Estimated and realised share of right predictions; NaN without rows.
    difference : float
        ``accuracy − estimate``: negative where the estimate flatters.
    standard_error : float
        Standard deviation of the difference if the calibration still holds.
    significant : bool
        Whether the accuracy lies outside the 99.9 % interval of the estimate. The level is that strict
        because a sliding window is looked at again and again.
    rows : int
        Number of predictions.
    """

    estimate: float
    accuracy: float
    difference: float
    standard_error: float
    significant: bool
    rows: int


def bin_counts(confidences: ArrayLike) -> NDArray[np.int64]:
    """Count confidences by bin; counts of several windows or replicas add up.

    A bin is one unit of log-odds ln(c / (1 − c)) wide, so within it the errors of a calibrated model differ
    by a factor of at most e, however rare they are. The lowest and the highest bin are open: confidences of
    exactly 1 are in the highest, beside the largest 32-bit floats below 1.

    Parameters
    ----------
    confidences : array_like, shape (n,)
        Probability of the predicted class, in [0, 1].

    Returns
    -------
    ndarray of int64, shape (CONFIDENCE_BINS,)

    Raises
    ------
    InvalidDataError
        A confidence lies outside [0, 1]; the row is named.

    Examples
    --------
    >>> np.flatnonzero(bin_counts([0.4, 0.6, 0.99, 1.0]))
    array([ 3,  4,  8, 20])
    """
    return np.bincount(_bins(confidences), minlength=CONFIDENCE_BINS)


@dataclass(frozen=True, eq=False)
class ConfidenceCalibration:
    """How often predictions are right, by their confidence, as labelled rows have shown.

    The probability that a prediction is right is a Beta variable in each of the 21 bins of `bin_counts`. Its
    data are the bin's labelled rows. Its prior has two parts: one row that believes the model at half the
    log-odds that it claims (a softmax at temperature 2), and the bin's share, by labelled rows, of one
    row that is half right and half wrong (Jeffreys' prior of the overall accuracy). Neighbouring bins whose
    means decrease with confidence are pooled until none do (isotonic regression), and share one variable.

    Attributes
    ----------
    rows, correct : ndarray of int64, shape (CONFIDENCE_BINS,)
        Labelled rows in each bin, and those of them that were predicted right.

    Notes
    -----
    Given p_b ~ Beta(a_b, b_b), the number of right ones among m_b rows of bin b is beta-binomial:

    - its mean is m_b·p with p = a_b/(a_b + b_b); the sum of these over all rows is the estimate;
    - its variance is m_b·p(1 − p) · (a_b + b_b + m_b)/(a_b + b_b + 1): the binomial noise of the window,
      times a factor for what the labelled rows leave open about p_b. The factor rules as soon as a
      bin meets more rows than it has learnt from.

    Bins are independent, so means and variances add. The interval is that of the Beta distribution with the
    sum's mean and variance, widened to whole numbers of rows.

    450 rows with two errors know much about sure predictions and little about doubtful ones, and the
    interval says so when those become many.

    References
    ----------
    Isotonic calibration: Zadrozny, B. and Elkan, C. (2002). Transforming classifier scores into accurate
    multiclass probability estimates. KDD. Accuracy from calibrated confidences: Guillory, D. et al. (2021).
    Predicting with confidence on unseen distributions. ICCV.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> confidences = rng.uniform(0.5, 1.0, size=2000)
    >>> calibration = ConfidenceCalibration.fit(confidences, rng.random(2000) < confidences)
    >>> estimate = calibration.estimate(bin_counts(rng.uniform(0.5, 0.8, size=500)))
    >>> round(estimate.estimate, 2), round(estimate.low, 2), round(estimate.high, 2)
    (0.67, 0.62, 0.72)
    """

    rows: NDArray[np.int64]
    correct: NDArray[np.int64]

    @classmethod
    def fit(cls, confidences: ArrayLike, correct: ArrayLike) -> Self:
        """Learn from labelled rows that the model was not trained on.

        Parameters
        ----------
        confidences : array_like, shape (n,)
            Probability of the predicted class.
        correct : array_like of bool, shape (n,)
            Whether it was the true one.

        Raises
        ------
        InvalidDataError
            A confidence lies outside [0, 1], or the lengths differ.
        """
        bins, right = _bins(confidences), np.asarray(correct, dtype=np.bool_)
        if right.shape != bins.shape:
            raise InvalidDataError(f"correct must have shape {bins.shape}, got {right.shape}")
        return cls(*(np.bincount(each, minlength=CONFIDENCE_BINS) for each in (bins, bins[right])))

    @cached_property
    def probability(self) -> NDArray[np.float64]:
        """Probability that a prediction in each bin is right, shape (CONFIDENCE_BINS,); never decreasing."""
        right, wrong, block_of_bin = self._pooled
        return (right / (right + wrong))[block_of_bin]

    def estimate(self, counts: NDArray[np.int64]) -> AccuracyEstimate:
        """Estimate how many of some predictions are right.

        Parameters
        ----------
        counts : ndarray of int64, shape (CONFIDENCE_BINS,)
            Their confidences, counted by `bin_counts`.
        """
        rows = int(counts.sum())
        if rows == 0:
            return AccuracyEstimate(math.nan, 0.0, 1.0, 0)
        mean, deviation = self._moments(counts)
        return AccuracyEstimate(mean, *_interval(mean, deviation, rows, _LEVEL), rows)

    def audit(self, counts: NDArray[np.int64], correct: int) -> AccuracyAudit:
        """Compare the estimate with the truth, once it is known.

        Parameters
        ----------
        counts : ndarray of int64, shape (CONFIDENCE_BINS,)
            Confidences of labelled predictions, counted by `bin_counts`.
        correct : int
            How many of them were right.
        """
        rows = int(counts.sum())
        if rows == 0:
            return AccuracyAudit(math.nan, math.nan, math.nan, math.nan, False, 0)
        mean, deviation = self._moments(counts)
        accuracy = correct / rows
        low, high = _interval(mean, deviation, rows, _AUDIT_LEVEL)
        return AccuracyAudit(mean, accuracy, accuracy - mean, deviation, not low <= accuracy <= high, rows)

    def to_state(self) -> dict[str, Any]:
        """Return plain arrays that `from_state` restores the calibration from."""
        return {"rows": self.rows.copy(), "correct": self.correct.copy()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Restore a calibration from `to_state`.

        Raises
        ------
        StateError
            Something is missing or inconsistent.
        """
        try:
            rows, correct = (np.array(state[name], dtype=np.int64) for name in ("rows", "correct"))
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(f"the confidence calibration in the state is incomplete ({error})") from error
        shape = (CONFIDENCE_BINS,)
        if rows.shape != shape or correct.shape != shape or (correct < 0).any() or (correct > rows).any():
            raise StateError("the confidence calibration in the state is inconsistent")
        return cls(rows, correct)

    @cached_property
    def _pooled(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
        """Beta parameters of each block of bins, and the block of each bin."""
        claimed = _LOWEST + np.arange(CONFIDENCE_BINS) + 0.5
        believed = special.expit(claimed / _PRIOR_TEMPERATURE)
        half_a_share = 0.5 * self.rows / max(int(self.rows.sum()), 1)
        right = self.correct + believed + half_a_share
        wrong = self.rows - self.correct + (1 - believed) + half_a_share
        weights = right + wrong
        starts = np.asarray(isotonic_regression(right / weights, weights=weights).blocks, dtype=np.int64)
        block_of_bin = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        return np.add.reduceat(right, starts[:-1]), np.add.reduceat(wrong, starts[:-1]), block_of_bin

    def _moments(self, counts: NDArray[np.int64]) -> tuple[float, float]:
        """Mean and standard deviation of the share of right rows."""
        right, wrong, block_of_bin = self._pooled
        rows, weight, p = counts.sum(), right + wrong, right / (right + wrong)
        of_block = np.bincount(block_of_bin, weights=counts, minlength=len(weight))
        variance = np.sum(of_block * p * (1 - p) * (weight + of_block) / (weight + 1))
        return float(of_block @ p / rows), float(np.sqrt(variance) / rows)


class ConfidenceWindow:
    """Confidences of the latest predictions, labelled or not.

    Parameters
    ----------
    window : int
        Predictions kept.

    Raises
    ------
    InvalidParameterError
        ``window`` breaks its rule.

    Examples
    --------
    >>> window = ConfidenceWindow(window=2)
    >>> window.add([0.2, 0.6, 0.7])
    >>> window.counts().sum(), window.counts()[4]
    (np.int64(2), np.int64(2))
    """

    def __init__(self, window: int = 1000) -> None:
        self._ring = Ring(window, 1, np.int8)

    def __len__(self) -> int:
        return len(self._ring)

    def add(self, confidences: ArrayLike) -> None:
        """Add predictions, or none at all where one of them does not fit.

        Parameters
        ----------
        confidences : array_like, shape (n,)
            Probability of the predicted class of each.

        Raises
        ------
        InvalidDataError
            A confidence lies outside [0, 1]; the row is named.
        """
        self._ring.add(_bins(confidences)[:, np.newaxis])

    def counts(self) -> NDArray[np.int64]:
        """Return `bin_counts` of the window, for `ConfidenceCalibration.estimate`."""
        return np.bincount(self._ring.rows()[:, 0], minlength=CONFIDENCE_BINS)

    def state(self) -> dict[str, Any]:
        """Return plain arrays and numbers that `from_state` continues from."""
        return self._ring.state()

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Return a window that continues where `state` was taken.

        Raises
        ------
        StateError
            The state is incomplete or inconsistent.
        """
        window = cls()
        window._ring = Ring.from_state(state, 1, np.int8)
        bins = window._ring.rows()
        if ((bins < 0) | (bins >= CONFIDENCE_BINS)).any():
            raise StateError("the window in the state holds a bin that there is not")
        return window


def _bins(confidences: ArrayLike) -> NDArray[np.int64]:
    try:
        values = np.asarray(confidences, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidDataError(f"confidences must be numeric ({error})") from None
    if values.ndim != 1:
        raise InvalidDataError(f"confidences must have shape (n,), got {values.shape}")
    bad = ~((values >= 0) & (values <= 1 + _ROUNDING))
    if bad.any():
        row = int(bad.argmax())
        raise InvalidDataError(f"row {row}: the confidence must be from 0 to 1, got {values[row]:g}")
    bins = np.floor(special.logit(np.minimum(values, 1.0))) - _LOWEST
    return np.asarray(np.clip(bins, 0, CONFIDENCE_BINS - 1), dtype=np.int64)


def _interval(mean: float, deviation: float, rows: int, level: float) -> tuple[float, float]:
    """Bounds of a share of ``rows`` rows with this mean and deviation, outward to whole rows."""
    # A single row is right or wrong: its variance is the largest there is, and the Beta has no weight.
    weight = max(mean * (1 - mean) / deviation**2 - 1, 1e-9)
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    low, high = special.betaincinv(mean * weight, (1 - mean) * weight, tails)
    return float(np.floor(low * rows) / rows), float(np.ceil(high * rows) / rows)
