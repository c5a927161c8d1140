"""Rings: the sliding windows of all signals, one row each; value number c stands at column c mod w."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["holds", "roll", "unroll"]

_Array = TypeVar("_Array", bound=np.ndarray[Any, Any])


def unroll(ring: _Array, count: NDArray[np.int64], missing: float) -> _Array:
    """Return the rings' content in order of arrival: the oldest first, ``missing`` in front of short ones."""
    ordered = ring.copy()
    ordered[:] = missing
    window = ring.shape[1]
    for j, seen in enumerate(count):
        kept = min(int(seen), window)
        ordered[j, window - kept :] = np.roll(ring[j], -(int(seen) % window))[window - kept :]
    return ordered


def roll(ordered: _Array, count: NDArray[np.int64]) -> _Array:
    """Return the rings that `unroll` unrolled."""
    ring = ordered.copy()
    for j, seen in enumerate(count):
        ring[j] = np.roll(ordered[j], int(seen) % ordered.shape[1])
    return ring


def holds(present: NDArray[np.bool_], count: NDArray[np.int64]) -> bool:
    """Return whether unrolled windows hold as many values as they must, all behind the missing ones."""
    window = present.shape[1]
    expected = np.arange(window) >= window - np.minimum(count, window)[:, np.newaxis]
    return bool(np.array_equal(present, expected))
