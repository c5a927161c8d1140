"""Signals: the scalar streams that a monitor watches, named by what they measure.

One signal is one number per served row. Rows travel as matrices of shape ``(rows, n_signals)`` whose
columns are in the order of a tuple of `Signal`; a missing value is NaN. Where the numbers are not needed
at once they travel as `SignalRows`, and `join_rows` computes those of many requests together.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr

from driftlead.errors import InvalidDataError, InvalidParameterError

__all__ = [
    "DeferredColumns",
    "Kind",
    "Signal",
    "SignalRows",
    "classification_columns",
    "classification_signals",
    "classification_values",
    "feature_signals",
    "join_rows",
    "regression_signals",
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


def feature_signals(names: Sequence[str], categorical: Collection[str] = ()) -> tuple[Signal, ...]:
    """Signals of a model's inputs, one per feature; a missing value is NaN in either kind.

    Parameters
    ----------
    names : sequence of str
        The features, in the order of their columns.
    categorical : collection of str
        Those of them that hold categories, coded as whole numbers.

    Raises
    ------
    InvalidParameterError
        When ``categorical`` names a feature that is not among ``names``.

    Examples
    --------
    >>> feature_signals(["age", "country"], categorical=["country"])
    (Signal(name='feature:age', kind='numeric'), Signal(name='feature:country', kind='categorical'))
    """
    for name in categorical:
        if name not in names:
            raise InvalidParameterError("categorical", "among the features", name)
    return tuple(
        Signal(f"feature:{name}", "categorical" if name in categorical else "numeric") for name in names
    )


def classification_signals() -> tuple[Signal, Signal, Signal]:
    """Signals of a classifier's output: confidence in the predicted class, entropy, and the class.

    Examples
    --------
    >>> [signal.name for signal in classification_signals()]
    ['prediction:confidence', 'prediction:entropy', 'prediction:class']
    """
    names = ("prediction:confidence", "prediction:entropy")
    return Signal(names[0]), Signal(names[1]), Signal("prediction:class", "categorical")


def classification_values(probabilities: ArrayLike) -> NDArray[np.float64]:
    """Values of `classification_signals` for a batch of class probabilities.

    Parameters
    ----------
    probabilities : array_like, shape (rows, n_classes)
        Probability of each class.

    Returns
    -------
    ndarray, shape (rows, 3)
        The largest probability; the entropy −Σ p ln p in nats, from 0 to ln n_classes; the index of the
        likeliest class. NaN throughout where a probability is.

    Raises
    ------
    InvalidDataError
        When the array is not a matrix with at least one class.

    Examples
    --------
    >>> classification_values([[0.0, 1.0], [0.75, 0.25]]).round(3)
    array([[1.   , 0.   , 1.   ],
           [0.75 , 0.562, 0.   ]])
    """
    matrix = np.asarray(probabilities, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[1] == 0:
        raise InvalidDataError(f"probabilities must have shape (rows, n_classes), got {matrix.shape}")
    confidence = matrix.max(axis=1)
    classes = np.where(np.isnan(confidence), np.nan, matrix.argmax(axis=1))
    return np.column_stack([confidence, entr(matrix).sum(axis=1), classes])


def classification_columns(probabilities: NDArray[Any]) -> DeferredColumns:
    """Values of `classification_signals`, computed later.

    Parameters
    ----------
    probabilities : ndarray, shape (rows, n_classes)
        Probability of each class. It is kept, not copied, and must not change afterwards.

    Returns
    -------
    DeferredColumns, shape (rows, 3)
    """
    return DeferredColumns(
        (len(probabilities), 3), probabilities, _classification_of_all, probabilities.nbytes
    )


def _classification_of_all(parts: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
    return classification_values(np.concatenate(parts))


def regression_signals() -> tuple[Signal]:
    """Signals of a regression's output: the predicted value, a column that needs no computation.

    Examples
    --------
    >>> [signal.name for signal in regression_signals()]
    ['prediction:value']
    """
    return (Signal("prediction:value"),)


# --- rows whose signals are not computed yet ---------------------------------------------------------


# Not frozen: one is made for every request, and a frozen one takes three times as long.
@dataclass(slots=True, eq=False)
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
    nbytes : int
        Memory that the content takes.
    """

    shape: tuple[int, int]
    content: Any
    compute: Callable[[Sequence[Any]], NDArray[Any]]
    nbytes: int

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(SignalRows(self), dtype=dtype)


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
    nbytes : int
        Memory that the columns take, or what they will be computed from.

    Raises
    ------
    InvalidDataError
        When there are no columns, or they do not have the same number of rows.

    Examples
    --------
    >>> values = np.array([[1.0], [2.0]])
    >>> doubled = DeferredColumns((2, 1), values, lambda parts: 2 * np.concatenate(parts), values.nbytes)
    >>> rows = SignalRows(np.array([[5.0], [6.0]]), doubled)
    >>> len(rows), rows.shape, rows.nbytes
    (2, (2, 2), 32)
    >>> np.asarray(rows)
    array([[5., 2.],
           [6., 4.]])
    """

    __slots__ = ("columns", "nbytes", "shape")

    def __init__(self, *columns: NDArray[Any] | DeferredColumns) -> None:
        self.columns = columns
        width = nbytes = 0
        try:
            rows = columns[0].shape[0]
            for part in columns:
                others, further = part.shape
                width += further
                nbytes += part.nbytes
                if others != rows:
                    raise ValueError
        except (ValueError, IndexError):
            shapes = [part.shape for part in columns]
            message = f"columns must be tables with the same number of rows, got {shapes}"
            raise InvalidDataError(message) from None
        self.shape: tuple[int, int] = (rows, width)
        self.nbytes = nbytes

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
