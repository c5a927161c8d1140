"""Checks of what users hand to detectors: every error names the parameter, the rule and the value."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from driftlead.errors import InvalidDataError, InvalidParameterError, StateError
from driftlead.ranks import SortedReference

__all__ = [
    "choice",
    "integer",
    "number",
    "per_signal",
    "reference_and_signals",
    "row",
    "rows",
    "slots",
    "stored",
    "thresholds",
]


def integer(parameter: str, value: object, least: int, most: int | None = None) -> int:
    """Return an integer in [least, most]."""
    rule = f"an integer of at least {least}" if most is None else f"an integer from {least} to {most}"
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Integral):
        raise InvalidParameterError(parameter, rule, value)
    plain = int(value)
    if plain < least:
        raise InvalidParameterError(parameter, f"at least {least}", plain)
    if most is not None and plain > most:
        raise InvalidParameterError(parameter, f"at most {most}", plain)
    return plain


def number(parameter: str, value: object, rule: str, holds: Callable[[float], bool]) -> float:
    """Return a float that is not NaN and for which the rule holds."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        raise InvalidParameterError(parameter, rule, value)
    if math.isnan(value) or not holds(float(value)):
        raise InvalidParameterError(parameter, rule, value)
    return float(value)


def choice(parameter: str, value: object, options: tuple[str, ...]) -> str:
    """Return one of the options."""
    if value not in options:
        raise InvalidParameterError(parameter, "one of " + ", ".join(options), value)
    return str(value)


def per_signal(
    parameter: str, value: ArrayLike, n_signals: int, rule: str, holds: Callable[[NDArray[np.float64]], Any]
) -> NDArray[np.float64]:
    """Return one float per signal, shape (d,), from a scalar or an array of shape (d,)."""
    try:
        given = np.asarray(value)
        if given.dtype.kind not in "iuf":
            raise TypeError
        given = given.astype(np.float64)
    except (TypeError, ValueError):
        raise InvalidParameterError(parameter, rule, value) from None
    if given.shape not in ((), (n_signals,)):
        raise InvalidParameterError(parameter, f"a number or an array of shape ({n_signals},)", value)
    bad = np.isnan(given) | ~np.asarray(holds(given), dtype=np.bool_)
    if np.any(bad):
        raise InvalidParameterError(parameter, rule, float(np.atleast_1d(given)[np.atleast_1d(bad)][0]))
    return np.array(np.broadcast_to(given, (n_signals,)))


def reference_and_signals(
    reference: ArrayLike | SortedReference | None, n_signals: int | None
) -> tuple[SortedReference | None, int]:
    """Return the sorted reference, if one is given, and the number of signals."""
    if reference is None:
        return None, 1 if n_signals is None else integer("n_signals", n_signals, 1)
    located = reference if isinstance(reference, SortedReference) else SortedReference(reference)
    if n_signals is not None and n_signals != located.n_signals:
        raise InvalidParameterError(
            "n_signals", f"{located.n_signals}, the number of signals in the reference", n_signals
        )
    return located, located.n_signals


def thresholds(
    threshold: ArrayLike | None,
    n_signals: int,
    false_alarm_every: float,
    from_budget: Callable[[float], list[float]],
) -> NDArray[np.float64]:
    """Return the threshold of each signal: as given, or from the budget in rows."""
    if threshold is not None:
        return per_signal("threshold", threshold, n_signals, "greater than 0", lambda t: t > 0)
    budget = number("false_alarm_every", false_alarm_every, "greater than 1", lambda b: b > 1)
    return np.array(from_budget(budget), dtype=np.float64)


def row(x: ArrayLike, n_signals: int) -> NDArray[np.float64]:
    """Return one row as float64, shape (d,)."""
    try:
        values = np.asarray(x, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidDataError(f"a row must be numeric ({error})") from None
    if values.shape != (n_signals,) and not (n_signals == 1 and values.shape == ()):
        raise InvalidDataError(f"a row must have shape ({n_signals},), got {values.shape}")
    return values


def rows(x: ArrayLike, n_signals: int) -> NDArray[np.float64]:
    """Return rows as float64, shape (n, d)."""
    try:
        values = np.asarray(x, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidDataError(f"rows must be numeric ({error})") from None
    if values.ndim == 1 and n_signals == 1:
        values = values[:, np.newaxis]
    if values.ndim != 2 or values.shape[1] != n_signals:
        raise InvalidDataError(f"rows must have shape (n, {n_signals}), got {values.shape}")
    return values


def slots(located: ArrayLike, reference: SortedReference) -> NDArray[np.int32]:
    """Return slots as contiguous columns, int32 (d, n); the kernels check their range."""
    given = np.asarray(located)
    if given.dtype.kind not in "iu" or given.ndim != 2 or given.shape[1] != reference.n_signals:
        raise InvalidDataError(
            f"slots must be integers of shape (n, {reference.n_signals}), got {given.dtype} {given.shape}"
        )
    return np.ascontiguousarray(given.T, dtype=np.int32)


def stored(state: Mapping[str, Any], name: str, dtype: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return a copy of an array from a state, of the dtype and shape that it must have."""
    try:
        array = np.array(state[name], dtype=dtype)
    except (KeyError, TypeError, ValueError) as error:
        raise StateError(f"the state's {name} is missing or malformed ({error})") from None
    if array.shape != shape:
        raise StateError(f"the state's {name} has shape {array.shape}, expected {shape}")
    return array
