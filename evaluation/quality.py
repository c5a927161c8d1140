"""Quality of a classifier on rows that it was not trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

from dataloader import Dataset
from model.artefact import Artefact
from model.predictor import TorchPredictor

__all__ = ["Quality", "calibration_error", "evaluate", "holdout_quality", "measure"]


@dataclass(frozen=True, eq=False)
class Quality:
    """Hold-out quality; arrays are in the order of ``class_names``.

    Attributes
    ----------
    model, version : str
        Which model.
    class_names : tuple of str
        The classes.
    n_rows : int
        Number of rows measured on.
    accuracy : float
        Share of right predictions.
    calibration_error : float
        See `calibration_error`.
    precision, recall, f1 : ndarray, shape (n_classes,)
        0 for a class that was never predicted.
    support : ndarray of int, shape (n_classes,)
        Rows of each class.
    confusion : ndarray of int, shape (n_classes, n_classes)
        Counts; true class by row, predicted class by column.
    """

    model: str
    version: str
    class_names: tuple[str, ...]
    n_rows: int
    accuracy: float
    calibration_error: float
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]
    support: NDArray[np.int64]
    confusion: NDArray[np.int64]

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain numbers, lists and strings."""
        per_class = zip(
            self.class_names,
            self.precision.tolist(),
            self.recall.tolist(),
            self.f1.tolist(),
            self.support.tolist(),
            strict=True,
        )
        return {
            "model": self.model,
            "version": self.version,
            "rows": self.n_rows,
            "accuracy": self.accuracy,
            "calibration_error": self.calibration_error,
            "classes": [
                {"class": name, "precision": precision, "recall": recall, "f1": f1, "rows": rows}
                for name, precision, recall, f1, rows in per_class
            ],
            "confusion": self.confusion.tolist(),
        }


def evaluate(artefact: Artefact) -> Quality:
    """Measure a model on its held-out rows, reading its data again.

    Raises
    ------
    InvalidDataError
        The data cannot be read, or are not those that the model was trained on.
    """
    return holdout_quality(artefact, artefact.dataset())


def holdout_quality(artefact: Artefact, dataset: Dataset) -> Quality:
    """Measure a model on its held-out rows of a data set in memory."""
    predictor = TorchPredictor(artefact)
    rows = artefact.splits.holdout
    probabilities = predictor.predict_all(dataset.features[rows]).outputs["probabilities"]
    return measure(
        probabilities, dataset.labels[rows], artefact.class_names, predictor.name, predictor.version
    )


def measure(
    probabilities: ArrayLike,
    labels: ArrayLike,
    class_names: tuple[str, ...],
    model: str = "",
    version: str = "",
) -> Quality:
    """Measure predictions against labels.

    Parameters
    ----------
    probabilities : array_like, shape (n, n_classes)
        Predicted probabilities.
    labels : array_like of int, shape (n,)
        True classes.
    class_names : tuple of str
        One per class.
    model, version : str
        Passed on.

    Examples
    --------
    >>> quality = measure([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]], [0, 0, 1], ("a", "b"))
    >>> quality.confusion.tolist(), quality.recall.tolist()
    ([[1, 1], [0, 1]], [0.5, 1.0])
    """
    shares, truth = np.asarray(probabilities, dtype=np.float64), np.asarray(labels)
    predicted = shares.argmax(axis=1)
    classes = np.arange(len(class_names))
    precision, recall, f1, support = precision_recall_fscore_support(
        truth, predicted, labels=classes, zero_division=0.0
    )
    return Quality(
        model=model,
        version=version,
        class_names=class_names,
        n_rows=len(truth),
        accuracy=float(accuracy_score(truth, predicted)),
        calibration_error=calibration_error(shares.max(axis=1), predicted == truth),
        precision=precision,
        recall=recall,
        f1=f1,
        support=support,
        confusion=confusion_matrix(truth, predicted, labels=classes),
    )


def calibration_error(confidence: ArrayLike, correct: ArrayLike, bins: int = 15) -> float:
    """Compute the expected calibration error: how far confidence is from accuracy, on average over rows.

    ``ECE = Σ_b (n_b / n) · |accuracy_b − confidence_b|`` over equally wide bins ``((b−1)/B, b/B]`` of the
    confidence, where ``confidence_b`` is the mean within bin ``b``.

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
        Between 0 and 1; 0 is perfectly calibrated.

    References
    ----------
    Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, section 2,
    equation 3.

    Examples
    --------
    >>> calibration_error([0.75, 0.75, 0.75, 0.75], [True, True, True, False])
    0.0
    >>> round(calibration_error([1.0, 1.0], [True, False]), 3)
    0.5
    """
    sure, right = np.asarray(confidence, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    bin_of = np.clip(np.ceil(sure * bins).astype(int) - 1, 0, bins - 1)
    # n_b · |accuracy_b − confidence_b| is the absolute sum of the differences inside the bin.
    gaps = np.bincount(bin_of, weights=right - sure, minlength=bins)
    return float(np.abs(gaps).sum() / len(sure))
