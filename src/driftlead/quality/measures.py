"""What one labelled prediction, and a number of them, say about quality: functions without state."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from driftlead.errors import InvalidDataError

__all__ = ["calibration_error", "class_metrics", "errors", "losses", "metrics"]

_SUM_TOLERANCE = 0.01  # probabilities in half precision add up to 1 within half of this
_CALIBRATION_BINS = 15
_LEAST_PROBABILITY = float(np.finfo(np.float32).eps)

# The scores of a prediction of a class, from which every metric follows whatever the number of classes. A
# predicted value has one score, its absolute error.
LABEL, PREDICTED, CONFIDENCE, LOSS, BRIER = range(5)


def errors(outputs: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """Return the error of every prediction, for a drift test.

    Parameters
    ----------
    outputs : array_like, shape (n, k)
        Class probabilities, or with k = 1 predicted values.
    labels : array_like, shape (n,)
        Class indices, or true values.

    Returns
    -------
    ndarray, shape (n,)
        0 for a right class and 1 for a wrong one; |predicted − true| of a regression, in its unit.

    Raises
    ------
    InvalidDataError
        Shapes do not fit, a value is not finite, a row is no distribution over classes, or a label is no
        class; the row is named.

    Examples
    --------
    >>> errors([[0.9, 0.1], [0.4, 0.6]], [0, 0])
    array([0., 1.])
    >>> errors([[2.5], [3.0]], [2.0, 5.0])
    array([0.5, 2. ])
    """
    scores = scores_of(outputs, labels)
    if scores.shape[1] == 1:
        return scores[:, 0]
    return np.asarray(scores[:, PREDICTED] != scores[:, LABEL], dtype=np.float64)


def losses(outputs: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """Return the loss of every prediction, for a drift test.

    Parameters, errors
        As for `errors`.

    Returns
    -------
    ndarray, shape (n,)
        −ln of the probability of the true class, which counts as no less than the spacing of 32-bit floats
        at 1, so at most 15.9 nats; (predicted − true)² of a regression.

    Examples
    --------
    >>> losses([[0.5, 0.5], [1.0, 0.0]], [0, 1]).round(3)
    array([ 0.693, 15.942])
    """
    scores = scores_of(outputs, labels)
    return scores[:, LOSS] if scores.shape[1] > 1 else np.asarray(scores[:, 0] ** 2)


def metrics(outputs: ArrayLike, labels: ArrayLike) -> dict[str, float]:
    """Measure predictions against labels.

    Parameters, errors
        As for `errors`.

    Returns
    -------
    dict of str to float
        Of a classification:

        - ``accuracy``;
        - ``macro_precision``, ``macro_recall``: means over the classes that have one, see `class_metrics`;
        - ``log_loss``: mean of `losses`, in nats;
        - ``brier``: mean of Σ (p_k − [k is true])² over classes k, halved where there are two (Brier 1950);
        - ``calibration_error``: see `calibration_error`.

        Of a regression: ``mae`` and ``rmse``, mean absolute and root mean squared error, in the label's unit.

        All are NaN without rows.

    References
    ----------
    Brier, G. W. (1950). Verification of forecasts expressed in terms of probability. Monthly Weather Review
    78(1).

    Examples
    --------
    >>> metrics([[0.75, 0.25], [0.25, 0.75]], [0, 0])["accuracy"]
    0.5
    >>> metrics([[1.0], [5.0]], [1.0, 2.0])
    {'mae': 1.5, 'rmse': 2.1213203435596424}
    """
    return metrics_of(scores_of(outputs, labels), np.shape(outputs)[1])


def class_metrics(outputs: ArrayLike, labels: ArrayLike) -> dict[str, NDArray[Any]]:
    """Measure each class of a classification.

    Parameters, errors
        As for `errors`.

    Returns
    -------
    dict of str to ndarray, shape (k,)
        Of the rows that were predicted as this class, NaN where there are none:

        - ``precision``: share of right predictions;
        - ``calibration_error``: see `calibration_error`.

        Of the rows of this class, NaN where there are none:

        - ``recall``: share of right predictions, the accuracy of these rows;
        - ``log_loss``, ``brier``: means, as in `metrics`;
        - ``support``: their number.

        Empty for a regression.

    Examples
    --------
    >>> class_metrics([[0.9, 0.1, 0.0], [0.4, 0.6, 0.0]], [0, 0])["recall"]
    array([0.5, nan, nan])
    """
    return class_metrics_of(scores_of(outputs, labels), np.shape(outputs)[1])


def calibration_error(confidence: ArrayLike, correct: ArrayLike, bins: int = _CALIBRATION_BINS) -> float:
    """Compute the expected calibration error: how far confidence is from accuracy, on average over rows.

    ``ECE = Σ_b (n_b / n) · |accuracy_b − confidence_b|`` over equally wide bins ``((b−1)/B, b/B]`` of the
    confidence, where ``confidence_b`` is the mean within bin b.

    Parameters
    ----------
    confidence : array_like, shape (n,)
        Probability of the predicted class, in (0, 1].
    correct : array_like of bool, shape (n,)
        Whether the prediction was right.
    bins : int
        Number of bins B.

    Returns
    -------
    float
        Between 0 and 1, 0 is perfectly calibrated; NaN without rows. Noise alone makes it positive: about
        0.8·Σ_b √(n_b·p(1−p)) / n for a calibrated model.

    References
    ----------
    Guo, C. et al. (2017). On calibration of modern neural networks. ICML, section 2, equation 3.

    Examples
    --------
    >>> calibration_error([0.75, 0.75, 0.75, 0.75], [True, True, True, False])
    0.0
    """
    sure, right = np.asarray(confidence, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    if not len(sure):
        return float("nan")
    # n_b · |accuracy_b − confidence_b| is the absolute sum of the differences inside the bin.
    sums = np.bincount(_calibration_bins(sure, bins), weights=right - sure, minlength=bins)
    return float(np.abs(sums).sum() / len(sure))


def _calibration_bins(confidence: NDArray[np.float64], bins: int) -> NDArray[np.int64]:
    return np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)


def n_scores(n_outputs: int) -> int:
    """Return how many scores a prediction has."""
    return 5 if n_outputs > 1 else 1


def scores_of(outputs: ArrayLike, labels: ArrayLike, n_outputs: int | None = None) -> NDArray[np.float64]:
    """Check predictions and labels; return their scores, shape (n, `n_scores`)."""
    try:
        matrix, truth = np.asarray(outputs, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidDataError(f"outputs and labels must be numeric ({error})") from None
    width = "k" if n_outputs is None else n_outputs
    if matrix.ndim != 2 or matrix.shape[1] != (n_outputs or matrix.shape[1]) or not matrix.shape[1]:
        raise InvalidDataError(f"outputs must have shape (n, {width}), got {matrix.shape}")
    if truth.shape != (len(matrix),):
        raise InvalidDataError(f"labels must have shape ({len(matrix)},), got {truth.shape}")
    _refuse(~np.isfinite(matrix), matrix, "output must be finite")
    _refuse(~np.isfinite(truth), truth, "label must be finite")
    if matrix.shape[1] == 1:
        return np.abs(matrix - truth[:, np.newaxis])
    _refuse((matrix < 0) | (matrix > 1 + _SUM_TOLERANCE), matrix, "output must be a probability")
    total = matrix.sum(axis=1)
    _refuse(np.abs(total - 1) > _SUM_TOLERANCE, total, "sum of the class probabilities must be 1")
    classes = matrix.shape[1]
    _refuse(~are_classes(truth, classes), truth, f"label must be a class from 0 to {classes - 1}")
    rows = np.arange(len(matrix))
    predicted, label = matrix.argmax(axis=1), truth.astype(np.int64)
    of_label = matrix[rows, label]
    brier = (matrix**2).sum(axis=1) - of_label**2 + (1 - of_label) ** 2
    return np.column_stack(
        [
            truth,
            predicted,
            np.minimum(matrix[rows, predicted], 1.0),
            -np.log(np.clip(of_label, _LEAST_PROBABILITY, 1.0)),
            brier / 2 if classes == 2 else brier,
        ]
    )


def _refuse(bad: NDArray[np.bool_], values: NDArray[np.float64], rule: str) -> None:
    """Name the first row where a rule is broken, and the value."""
    if bad.any():
        at = tuple(np.argwhere(bad)[0])
        raise InvalidDataError(f"row {at[0]}: the {rule}, got {values[at]:g}")


def are_classes(values: NDArray[np.float64], n_classes: int) -> NDArray[np.bool_]:
    """Return whether each value is the index of a class."""
    return np.asarray((values >= 0) & (values < n_classes) & (values == np.floor(values)))


def right_of(scores: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return whether each class was predicted right."""
    return np.asarray(scores[:, PREDICTED] == scores[:, LABEL])


def metrics_of(scores: NDArray[np.float64], n_outputs: int) -> dict[str, float]:
    """Return `metrics` of scored predictions."""
    if n_outputs == 1:
        return {"mae": _mean(scores[:, 0]), "rmse": float(np.sqrt(_mean(scores[:, 0] ** 2)))}
    right, by_class = right_of(scores), class_metrics_of(scores, n_outputs)
    return {
        "accuracy": _mean(right),
        **{f"macro_{name}": _mean(by_class[name], defined_only=True) for name in ("precision", "recall")},
        "log_loss": _mean(scores[:, LOSS]),
        "brier": _mean(scores[:, BRIER]),
        "calibration_error": calibration_error(scores[:, CONFIDENCE], right),
    }


def _mean(values: NDArray[Any], *, defined_only: bool = False) -> float:
    """Return the mean, NaN of nothing, without the warning that NumPy gives."""
    kept = values[~np.isnan(values)] if defined_only else values
    return float(kept.mean()) if len(kept) else float("nan")


def class_metrics_of(scores: NDArray[np.float64], n_outputs: int) -> dict[str, NDArray[Any]]:
    """Return `class_metrics` of scored predictions."""
    if n_outputs == 1:
        return {}
    right, sure = right_of(scores), scores[:, CONFIDENCE]
    label, predicted = scores[:, LABEL].astype(np.int64), scores[:, PREDICTED].astype(np.int64)

    def summed(classes: NDArray[np.int64], values: NDArray[Any] | None = None) -> NDArray[Any]:
        return np.bincount(classes, weights=values, minlength=n_outputs)

    cells = predicted * _CALIBRATION_BINS + _calibration_bins(sure, _CALIBRATION_BINS)
    apart = np.bincount(cells, weights=right - sure, minlength=n_outputs * _CALIBRATION_BINS)
    support, times_predicted = summed(label), summed(predicted)
    with np.errstate(invalid="ignore"):  # 0 of 0 is NaN, as promised
        return {
            "precision": summed(predicted, right) / times_predicted,
            "recall": summed(label, right) / support,
            "log_loss": summed(label, scores[:, LOSS]) / support,
            "brier": summed(label, scores[:, BRIER]) / support,
            "calibration_error": np.abs(apart.reshape(n_outputs, -1)).sum(axis=1) / times_predicted,
            "support": support,
        }
