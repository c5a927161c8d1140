"""Signals: the scalar streams that a monitor watches, named by what they measure.

One signal is one number per served row. Rows travel as matrices of shape ``(rows, n_signals)`` whose
columns are in the order of a tuple of `Signal`; a missing value is NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from driftlead.errors import InvalidDataError, InvalidParameterError

__all__ = [
    "Kind",
    "Signal",
    "activation_signals",
    "classification_signals",
    "classification_values",
    "feature_signals",
]

Kind = Literal["numeric", "categorical"]


@dataclass(frozen=True, slots=True)
class Signal:
    """One watched stream.

    Parameters
    ----------
    name : str
        What it measures, such as ``"feature:age"`` or ``"prediction:confidence"``.
    kind : {"numeric", "categorical"}
        Whether its values have an order. Categories are coded as whole numbers; tests that need an
        order skip them.

    Raises
    ------
    InvalidParameterError
        When the name is empty or the kind is unknown.

    Examples
    --------
    >>> Signal("prediction:class", "categorical")
    Signal(name='prediction:class', kind='categorical')
    """

    name: str
    kind: Kind = "numeric"

    def __post_init__(self) -> None:
        if not self.name:
            raise InvalidParameterError("name", "not empty", self.name)
        if self.kind not in get_args(Kind):
            raise InvalidParameterError("kind", "one of " + ", ".join(get_args(Kind)), self.kind)


def feature_signals(names: Sequence[str]) -> tuple[Signal, ...]:
    """Signals of a model's inputs, one per feature.

    Examples
    --------
    >>> feature_signals(["age"])
    (Signal(name='feature:age', kind='numeric'),)
    """
    return tuple(Signal(f"feature:{name}") for name in names)


def activation_signals(layers: Sequence[str]) -> tuple[Signal, ...]:
    """Signals of a network's layers: mean and standard deviation of each layer's output, per row.

    Examples
    --------
    >>> [signal.name for signal in activation_signals(["hidden"])]
    ['activation:hidden.mean', 'activation:hidden.std']
    """
    return tuple(
        Signal(f"activation:{layer}.{statistic}") for layer in layers for statistic in ("mean", "std")
    )


def classification_signals() -> tuple[Signal, Signal]:
    """Signals of a classifier's output: the confidence in the predicted class, and the class.

    Examples
    --------
    >>> [signal.name for signal in classification_signals()]
    ['prediction:confidence', 'prediction:class']
    """
    return Signal("prediction:confidence"), Signal("prediction:class", "categorical")


def classification_values(probabilities: ArrayLike) -> NDArray[np.float64]:
    """Values of `classification_signals` for a batch of class probabilities.

    Parameters
    ----------
    probabilities : array_like, shape (rows, n_classes)
        Probability of each class.

    Returns
    -------
    ndarray, shape (rows, 2)
        The largest probability and the index of its class.

    Raises
    ------
    InvalidDataError
        When the array is not a matrix with at least one class.

    Examples
    --------
    >>> classification_values([[0.1, 0.9], [0.75, 0.25]])
    array([[0.9 , 1.  ],
           [0.75, 0.  ]])
    """
    matrix = np.asarray(probabilities, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[1] == 0:
        raise InvalidDataError(f"probabilities must have shape (rows, n_classes), got {matrix.shape}")
    classes = matrix.argmax(axis=1)
    return np.column_stack([matrix[np.arange(len(matrix)), classes], classes])
