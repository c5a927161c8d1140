"""A window of the latest labelled predictions, and sums of all that add up over replicas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from driftlead.errors import InvalidDataError, InvalidParameterError, StateError
from driftlead.quality import measures
from driftlead.quality.measures import CONFIDENCE, LABEL, LOSS, PREDICTED
from driftlead.rings import Ring

__all__ = ["MOST_CONFUSED", "QualityTotals", "QualityWindow"]

MOST_CONFUSED = 32
"""Most classes that confusion is counted for: the counts grow with their square."""

_VERSION = 1


@dataclass(frozen=True, eq=False)
class QualityTotals:
    """Sums over all labelled predictions; those of replicas add up with ``+``.

    Attributes
    ----------
    rows, correct : int
        Labelled predictions, and right ones among them; none is right or wrong in a regression.
    log_loss, absolute_error, squared_error : float
        Sums of the log loss of a classification, of |e| and of e² of a regression.
    confusion : ndarray of int64, shape (k, k)
        Counts, true class by row and predicted class by column; of shape (0, 0) for a regression or beyond
        `MOST_CONFUSED` classes.

    Examples
    --------
    >>> one, other = QualityWindow(2), QualityWindow(2)
    >>> one.add([[0.9, 0.1]], [0])
    >>> other.add([[0.8, 0.2]], [1])
    >>> total = one.totals + other.totals
    >>> total.rows, total.correct, total.confusion.tolist()
    (2, 1, [[1, 0], [1, 0]])
    """

    rows: int
    correct: int
    log_loss: float
    absolute_error: float
    squared_error: float
    confusion: NDArray[np.int64]

    def __add__(self, other: QualityTotals) -> QualityTotals:
        if self.confusion.shape != other.confusion.shape:
            raise InvalidDataError(
                f"totals of another number of outputs do not add up: confusion counts of shape "
                f"{self.confusion.shape} and {other.confusion.shape}"
            )
        return QualityTotals(
            self.rows + other.rows,
            self.correct + other.correct,
            self.log_loss + other.log_loss,
            self.absolute_error + other.absolute_error,
            self.squared_error + other.squared_error,
            self.confusion + other.confusion,
        )

    def to_state(self) -> dict[str, Any]:
        """Return plain numbers and an array that `from_state` restores the totals from."""
        return vars(self) | {"confusion": self.confusion.copy()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> QualityTotals:
        """Restore totals from `to_state`.

        Raises
        ------
        StateError
            Something is missing or of another type.
        """
        try:
            return cls(
                int(state["rows"]),
                int(state["correct"]),
                float(state["log_loss"]),
                float(state["absolute_error"]),
                float(state["squared_error"]),
                np.array(state["confusion"], dtype=np.int64),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(f"the totals in the state are incomplete ({error})") from error


class QualityWindow:
    """Quality of the latest labelled predictions, and sums over all of them.

    Memory is that of ``window`` rows of five numbers, whatever the number of classes.

    Parameters
    ----------
    n_outputs : int
        Columns k of the outputs: classes, or 1 for a regression.
    window : int
        Labelled predictions that the metrics are of.

    Attributes
    ----------
    totals : QualityTotals
        Sums over all labelled predictions ever added.

    Raises
    ------
    InvalidParameterError
        A parameter breaks its rule.

    Examples
    --------
    >>> window = QualityWindow(n_outputs=2, window=2)
    >>> window.add([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]], [1, 1, 0])
    >>> len(window), window.metrics()["accuracy"], window.totals.rows
    (2, 1.0, 3)
    """

    def __init__(self, n_outputs: int, window: int = 1000) -> None:
        if n_outputs < 1:
            raise InvalidParameterError("n_outputs", "at least 1", n_outputs)
        self.n_outputs = n_outputs
        self._ring = Ring(window, measures.n_scores(n_outputs))
        self.totals = _totals(self._ring.rows(), n_outputs)

    def __len__(self) -> int:
        return len(self._ring)

    @property
    def window(self) -> int:
        """Labelled predictions that the metrics are of, at most."""
        return self._ring.window

    @classmethod
    def merged(cls, windows: Sequence[Self]) -> Self:
        """Return the windows of several replicas side by side, and the sums of their totals.

        Parameters
        ----------
        windows : sequence of QualityWindow
            At least one, of equally many outputs.
        """
        whole = cls(windows[0].n_outputs, sum(each.window for each in windows))
        for each in windows:
            whole._ring.add(each._ring.rows())
            whole.totals += each.totals
        return whole

    def add(self, outputs: ArrayLike, labels: ArrayLike) -> None:
        """Add labelled predictions, or nothing at all where one of them does not fit.

        Parameters
        ----------
        outputs : array_like, shape (n, n_outputs)
        labels : array_like, shape (n,)

        Raises
        ------
        InvalidDataError
            As for `errors`.
        """
        scores = measures.scores_of(outputs, labels, self.n_outputs)
        self._ring.add(scores)
        self.totals += _totals(scores, self.n_outputs)

    def metrics(self) -> dict[str, float]:
        """Return `metrics` of the window."""
        return measures.metrics_of(self._ring.rows(), self.n_outputs)

    def class_metrics(self) -> dict[str, NDArray[Any]]:
        """Return `class_metrics` of the window."""
        return measures.class_metrics_of(self._ring.rows(), self.n_outputs)

    def confidences(self) -> NDArray[np.float64]:
        """Return the confidence in each predicted class, in no order; empty for a regression."""
        scores = self._ring.rows()
        return scores[:, CONFIDENCE] if self.n_outputs > 1 else np.empty(0)

    def correct(self) -> NDArray[np.bool_]:
        """Return whether each class was predicted right, in the order of `confidences`."""
        scores = self._ring.rows()
        return measures.right_of(scores) if self.n_outputs > 1 else np.empty(0, dtype=np.bool_)

    def state(self) -> dict[str, Any]:
        """Return plain arrays and numbers that `from_state` continues from, bit for bit."""
        return {
            "version": _VERSION,
            "n_outputs": self.n_outputs,
            "ring": self._ring.state(),
            "totals": self.totals.to_state(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Return a window that continues where `state` was taken.

        Raises
        ------
        StateError
            The state is newer than this version, incomplete or inconsistent.
        """
        try:
            version, n_outputs = int(state["version"]), int(state["n_outputs"])
            if not 1 <= version <= _VERSION:
                raise StateError(f"the window has version {version}; this driftlead reads up to {_VERSION}")
            window = cls(n_outputs)
            window._ring = Ring.from_state(state["ring"], measures.n_scores(n_outputs))
            totals = QualityTotals.from_state(state["totals"])
            if totals.confusion.shape != window.totals.confusion.shape or totals.rows != window._ring.seen:
                raise StateError("the window in the state and its totals do not belong together")
            classes = window._ring.rows()[:, [LABEL, PREDICTED]] if n_outputs > 1 else np.empty((0, 2))
            if not measures.are_classes(classes, n_outputs).all():
                raise StateError("the window in the state holds a class that there is not")
        except StateError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(f"the window in the state is incomplete ({error})") from error
        window.totals = totals
        return window


def _totals(scores: NDArray[np.float64], n_outputs: int) -> QualityTotals:
    if n_outputs == 1:
        error = scores[:, 0]
        return QualityTotals(
            len(scores), 0, 0.0, float(error.sum()), float((error**2).sum()), np.zeros((0, 0), dtype=np.int64)
        )
    counted = n_outputs if n_outputs <= MOST_CONFUSED else 0
    confusion = np.zeros((counted, counted), dtype=np.int64)
    if counted:
        pairs = scores[:, [LABEL, PREDICTED]].astype(np.int64)
        np.add.at(confusion, (pairs[:, 0], pairs[:, 1]), 1)
    right = int(measures.right_of(scores).sum())
    return QualityTotals(len(scores), right, float(scores[:, LOSS].sum()), 0.0, 0.0, confusion)
