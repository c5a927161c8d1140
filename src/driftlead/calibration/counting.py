"""Counting false alarms of one long path at many levels at once."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["excursions"]

_LONG_AGO = -(2**40)


@njit(cache=True, nogil=True)
def excursions(
    statistic: NDArray[np.float64],
    levels: NDArray[np.float64],
    window: int,
    burn_in: int,
    counts: NDArray[np.int64],
) -> None:
    """Add the excursions of each signal above each level to ``counts``.

    An exceedance opens an excursion when the one before it lies a window or more back. One path thus
    prices every threshold, as long as alarms do not change what the statistic does next.

    Parameters
    ----------
    statistic : float64 (d, rows)
        Statistic of each signal after each row.
    levels : float64 (d, l)
        Increasing levels of each signal.
    window : int
        Rows without an exceedance after which an excursion is over.
    burn_in : int
        Rows at the start whose excursions do not count.
    counts : int64 (d, l)
    """
    n_levels = levels.shape[1]
    latest = np.empty(n_levels, dtype=np.int64)
    for j in range(statistic.shape[0]):
        latest[:] = _LONG_AGO
        lowest = levels[j, 0]
        for r in range(statistic.shape[1]):
            value = statistic[j, r]
            if value > lowest:
                level = 0
                while level < n_levels and levels[j, level] < value:
                    if r - latest[level] >= window and r >= burn_in:
                        counts[j, level] += 1
                    latest[level] = r
                    level += 1
