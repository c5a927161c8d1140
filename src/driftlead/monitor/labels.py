"""Labels as they are given, turned into class indices or true values."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from driftlead.errors import InvalidDataError
from driftlead.monitor.records import ID_RULE, are_ids, is_id
from driftlead.quality import errors
from driftlead.reference import ReferenceQuality

__all__ = ["checked_labels", "measurable"]

_NUMBERS = (bool, np.bool_, int, float, np.integer, np.floating)


def checked_labels(
    ids: Sequence[str], labels: ArrayLike, reference: ReferenceQuality | None
) -> tuple[list[str], NDArray[np.float64]]:
    """Return ids, and each label as a class index or a true value.

    Parameters
    ----------
    ids : sequence of str, length n
    labels : array_like, shape (n,)
        Class names or class indices; true values for a regression.
    reference : ReferenceQuality or None
        Which classes there are; without it every finite number is a label.

    Raises
    ------
    InvalidDataError
        An id or a label cannot be one, or they are not as many.

    Examples
    --------
    >>> checked_labels(["a", "b"], [1, 2.5], None)
    (['a', 'b'], array([1. , 2.5]))
    """
    # A text is a sequence of texts, its letters.
    if isinstance(ids, str | bytes) or not isinstance(ids, Iterable):
        raise InvalidDataError(f"ids must be a sequence of texts, got {ids!r:.100}")
    names: list[Any] = list(ids)
    if not are_ids(names):
        row = [is_id(name) for name in names].index(False)
        raise InvalidDataError(f"ids[{row}] must be {ID_RULE}, got {names[row]!r:.300}")
    classes = reference.class_names if reference is not None else ()
    if np.ma.is_masked(labels):
        raise InvalidDataError("labels must not be masked: leave those that are not known out")
    given = list(np.atleast_1d(np.asarray(labels, dtype=object)))
    if len(given) != len(names):
        raise InvalidDataError(f"labels must be as many as ids, {len(names)}, got {len(given)}")
    outputs = reference.n_outputs if reference is not None else None
    values = [_value(label, row, classes, outputs) for row, label in enumerate(given)]
    return names, np.array(values, dtype=np.float64)


def measurable(
    outputs: NDArray[np.float32], labels: NDArray[np.float64], on_error: Callable[[str], None]
) -> NDArray[np.bool_]:
    """Which predictions and labels can be measured: one that cannot takes no other with it."""
    try:
        errors(outputs, labels)
    except InvalidDataError:
        on_error("quality")
    else:
        return np.ones(len(labels), dtype=np.bool_)
    sound = np.zeros(len(labels), dtype=np.bool_)
    for row in range(len(labels)):
        with contextlib.suppress(InvalidDataError):
            errors(outputs[row : row + 1], labels[row : row + 1])
            sound[row] = True
    return sound


def _quoted(label: Any) -> str:
    try:
        return f"{label!r:.100}"
    except ValueError:  # Python refuses to write a very long number
        return "a huge number"


def _value(label: Any, row: int, classes: Sequence[str], outputs: int | None) -> float:
    """Turn one label into a class index or a true value."""
    if isinstance(label, str):
        if label not in classes:
            known = f"one of {', '.join(classes[:20])}" if classes else "a number: the classes have no names"
            raise InvalidDataError(f"labels[{row}] must be {known}, got {label!r:.100}")
        return float(classes.index(label))
    if isinstance(label, _NUMBERS):
        try:
            value = float(label)
        except OverflowError:
            value = math.inf
        if outputs is None or outputs == 1:
            if math.isfinite(value):
                return value
            raise InvalidDataError(f"labels[{row}] must be a finite number, got {_quoted(label)}")
        if value.is_integer() and 0 <= value < outputs:
            return value
        raise InvalidDataError(f"labels[{row}] must be a class from 0 to {outputs - 1}, got {_quoted(label)}")
    raise InvalidDataError(f"labels[{row}] must be a number or a class name, got {label!r:.100}")
