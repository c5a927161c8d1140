"""The change statistic of the code that the authors of NM-DDM released, over a whole window."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["BINS", "advance", "scan"]

BINS = 4
_EMPTY_MASS = 0.7  # of one point of the later segment, shared by the empty bins of the earlier one
_LARGEST = 1.7976931348623157e308


@njit(cache=True, nogil=True)
def scan(values, start, cushion, logs):  # type: ignore[no-untyped-def]
    """Return the largest S_k and its k over the splits of one window.

    Parameters
    ----------
    values : float64 (w,)
        The window as a ring whose oldest value stands at ``start``.
    start : int
    cushion : int
        Splits run from ``cushion`` to w − ``cushion``.
    logs : float64 (w + 1,)
        Natural logarithms of 0 … w; entry 0 is never read.

    Returns
    -------
    statistic : float
    split : int
        Number of values before the change; -1 where no split is admissible.
    """
    n = values.shape[0]
    low, high = _LARGEST, -_LARGEST
    for i in range(n):
        x = values[i]
        if abs(x) <= _LARGEST:
            low = min(low, x)
            high = max(high, x)
    unit = 1.0 if 0.5 * high - 0.5 * low < 0.5 * _LARGEST else 0.5  # so that high − low cannot overflow
    width = unit * high - unit * low
    bins = np.zeros(n, dtype=np.uint8)
    before = np.zeros(BINS, dtype=np.int64)
    after = np.zeros(BINS, dtype=np.int64)
    for i in range(n):
        x = values[(start + i) % n]
        b = 0
        if x > high:
            b = BINS - 1
        elif x > low:
            b = min(int((unit * x - unit * low) / width * BINS), BINS - 1)
        bins[i] = b
        after[b] += 1
    best, split = -math.inf, -1
    for k in range(1, n - cushion + 1):
        # The released code counts the points from k + 1 on as "after": the first one past the split
        # belongs to neither segment.
        before[bins[k - 1]] += 1
        if k == 1:
            after[bins[0]] -= 1
        after[bins[k]] -= 1
        if k < cushion:
            continue
        rest = n - k - 1
        empty = 0
        for b in range(BINS):
            empty += before[b] == 0
        mass = _EMPTY_MASS / (n - k) if empty else 0.0
        filled = math.log1p(-mass) - logs[k]
        hollow = math.log(mass / empty) if empty else 0.0
        s = 0.0
        for b in range(BINS):
            if after[b]:
                expected = logs[before[b]] + filled if before[b] else hollow
                s += after[b] / rest * (logs[after[b]] - logs[rest] - expected)
        s *= k
        if s > best:
            best, split = s, k
    if split < 0:
        return 0.0, -1
    return best, split


@njit(cache=True, nogil=True)
def advance(
    columns: NDArray[np.float64],
    cushion: int,
    logs: NDArray[np.float64],
    ring: NDArray[np.float64],
    change: NDArray[np.int64],
    count: NDArray[np.int64],
    current: NDArray[np.float64],
    threshold: NDArray[np.float64],
    statistic: NDArray[np.float64],
    alarm: NDArray[np.bool_],
    change_point: NDArray[np.int32],
) -> bool:
    """Feed values; write statistic, alarm and change point after each row.

    ``columns`` and the outputs have shape (d, rows), ``ring`` (d, w), the rest (d,); ``logs`` as for
    `scan`. ``change`` is the number of values after the best split, 0 until the window is full.
    Returns whether any row of any signal alarmed.
    """
    window = ring.shape[1]
    any_alarm = False
    for j in range(columns.shape[0]):
        seen = count[j]
        at = seen % window
        for r in range(columns.shape[1]):
            x = columns[j, r]
            if x == x:
                ring[j, at] = x
                at += 1
                if at == window:
                    at = 0
                seen += 1
                if seen >= window:
                    current[j], split = scan(ring[j], at, cushion, logs)
                    change[j] = window - split
            statistic[j, r] = current[j]
            alarm[j, r] = current[j] > threshold[j]
            change_point[j, r] = change[j]
            any_alarm |= alarm[j, r]
        count[j] = seen
    return any_alarm
