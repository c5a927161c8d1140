"""Mean and standard deviation of each row, in one call that leaves the interpreter to whoever serves."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

__all__ = ["compile_moments", "fill_moments"]


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})  # so that sums go side by side
def fill_moments(rows, moments):  # type: ignore[no-untyped-def]
    """Write mean and standard deviation of each of ``rows``, shape (n, k), to ``moments``, shape (n, 2)."""
    n, k = rows.shape
    for i in range(n):
        total = 0.0
        for j in range(k):
            total += rows[i, j]
        mean = total / k
        squares = 0.0
        for j in range(k):
            squares += (rows[i, j] - mean) ** 2
        moments[i, 0] = mean
        moments[i, 1] = math.sqrt(squares / k)


def compile_moments() -> None:
    """Compile for single and double precision, so that no traffic waits for it."""
    for kind in (np.float32, np.float64):
        fill_moments(np.zeros((1, 1), kind), np.empty((1, 2), kind))
