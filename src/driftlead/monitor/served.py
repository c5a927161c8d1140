"""What serving hands over, turned into arrays of numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from driftlead.errors import InvalidDataError
from driftlead.signals import SignalRows

__all__ = ["checked_rows", "checked_scores", "checked_times"]

_LATEST = 253_402_300_800.0  # the year 10000, beyond which times cannot be written


def checked_rows(rows: ArrayLike | SignalRows, n_signals: int) -> NDArray[np.float64] | SignalRows:
    """Return rows as a new table of numbers, or as they are to be computed; raises `InvalidDataError`."""
    try:
        batch = rows if isinstance(rows, SignalRows) else np.array(rows, dtype=np.float64, order="C")
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidDataError(f"rows must be a table of numbers: {error}") from None
    if len(batch.shape) != 2 or batch.shape[1] != n_signals:
        raise InvalidDataError(f"rows must have shape (rows, {n_signals}), got {batch.shape}")
    return batch


def checked_times(given: ArrayLike, rows: int) -> NDArray[np.float64]:
    """Return one time for each row; raises `InvalidDataError`."""
    try:
        times = np.broadcast_to(np.asarray(given, dtype=np.float64), rows)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidDataError(f"observed_at must be one time, or one for each row: {error}") from None
    wrong = ~((times >= 0) & (times < _LATEST))
    if wrong.any():
        raise InvalidDataError(
            f"observed_at must be seconds since the epoch, from 0 to {_LATEST:.0f}, got {times[wrong][0]}"
        )
    return times


def checked_scores(scores: ArrayLike | None) -> NDArray[np.float32]:
    """Return what was predicted as it is kept; without it there is nothing to compare a label with."""
    if isinstance(scores, np.ndarray) and scores.dtype == np.float32:
        return scores
    if scores is None:
        return np.empty((0, 1), np.float32)
    try:
        with np.errstate(over="ignore"):
            return np.asarray(scores, dtype=np.float32)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidDataError(f"scores must be a table of numbers: {error}") from None
