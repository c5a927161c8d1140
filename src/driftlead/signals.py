"""Signals: the scalar streams that a monitor watches, named by what they measure.

One signal is one number per served row. Rows travel as matrices of shape ``(rows, n_signals)`` whose
columns are in the order of a tuple of `Signal`; a missing value is NaN. Where the numbers are not needed
at once they travel as `SignalRows`, and `join_rows` computes those of many requests together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from driftlead.errors import InvalidDataError, InvalidParameterError

__all__ = [
    "DeferredColumns",
    "Kind",
    "Signal",
    "SignalRows",
    "activation_signals",
    "classification_signals",
    "classification_values",
    "feature_signals",
    "join_rows",
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


# --- rows whose signals are not computed yet ---------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class DeferredColumns:
    """Some columns of signals of some rows, to be computed when there is time.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    content : object
        What they are computed from. It is kept, not copied.
    compute : callable
        From the contents of several batches to their columns, an array of shape (all rows, columns) with
        the batches in their order. Batches whose ``compute`` is equal are computed in one call, in whatever
        thread calls `join_rows`.
    """

    shape: tuple[int, int]
    content: Any
    compute: Callable[[Sequence[Any]], NDArray[Any]]


class SignalRows:
    """Rows of signals, as groups of columns side by side.

    Parameters
    ----------
    *columns : ndarray of shape (rows, columns), or DeferredColumns
        In the order of the signals. They are kept, not copied, and must not change afterwards.

    Attributes
    ----------
    shape : tuple of int
        Rows and signals.

    Raises
    ------
    InvalidDataError
        When there are no columns, or they do not have the same number of rows.

    Examples
    --------
    >>> doubled = DeferredColumns((2, 1), np.array([[1.0], [2.0]]), lambda parts: 2 * np.concatenate(parts))
    >>> rows = SignalRows(np.array([[5.0], [6.0]]), doubled)
    >>> len(rows), rows.shape
    (2, (2, 2))
    >>> np.asarray(rows)
    array([[5., 2.],
           [6., 4.]])
    """

    __slots__ = ("columns", "shape")

    def __init__(self, *columns: NDArray[Any] | DeferredColumns) -> None:
        shapes = [part.shape for part in columns]
        if len({shape[:1] for shape in shapes}) != 1 or {len(shape) for shape in shapes} != {2}:
            raise InvalidDataError(f"columns must be tables with the same number of rows, got {shapes}")
        self.columns = columns
        self.shape: tuple[int, int] = (shapes[0][0], sum(shape[1] for shape in shapes))

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return join_rows([self]).astype(dtype or np.float64, copy=False)


def join_rows(batches: Sequence[NDArray[Any] | SignalRows]) -> NDArray[np.float64]:
    """Compute the signals of several batches of rows.

    Parameters
    ----------
    batches : sequence of ndarray or SignalRows, each of shape (rows, n_signals)
        At least one. Neighbours of one composition share one computation.

    Returns
    -------
    ndarray, shape (all rows, n_signals)
        The rows in their order; a new array.

    Raises
    ------
    InvalidDataError
        When the batches do not have the same number of signals, or hold no numbers.
    """
    shapes = [batch.shape for batch in batches]
    if len({shape[1:] for shape in shapes}) != 1 or len(shapes[0]) != 2:
        raise InvalidDataError(f"batches must be tables with the same number of signals, got {shapes}")
    rows = np.empty((sum(shape[0] for shape in shapes), shapes[0][1]))
    top = 0
    for _, group in groupby([_columns(batch) for batch in batches], _composition):
        alike = list(group)
        bottom = top + sum(columns[0].shape[0] for columns in alike)
        left = 0
        for parts in zip(*alike, strict=True):
            right = left + parts[0].shape[1]
            _compute(parts, rows[top:bottom, left:right])
            left = right
        top = bottom
    return rows


def _columns(batch: NDArray[Any] | SignalRows) -> tuple[NDArray[Any] | DeferredColumns, ...]:
    return batch.columns if isinstance(batch, SignalRows) else (batch,)


def _composition(columns: tuple[NDArray[Any] | DeferredColumns, ...]) -> list[Any]:
    return [(part.shape[1], part.compute if isinstance(part, DeferredColumns) else None) for part in columns]


def _compute(parts: Sequence[Any], values: NDArray[np.float64]) -> None:
    """Fill ``values`` with the same columns of several batches."""
    first = parts[0]
    computed = first.compute([part.content for part in parts]) if isinstance(first, DeferredColumns) else None
    if computed is not None and computed.shape != values.shape:
        raise InvalidDataError(f"computed columns must have shape {values.shape}, got {computed.shape}")
    try:
        np.concatenate(parts if computed is None else [computed], out=values)
    except TypeError as error:
        raise InvalidDataError(f"signals must be numbers: {error}") from None
