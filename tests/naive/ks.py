"""The two-sample KS statistic by counting, in whole numbers until the last division."""

import numpy as np


def distance(first, second):
    """The largest difference of the two empirical distribution functions, read after every value."""
    points = np.unique(np.concatenate([first, second]))
    n, w = len(first), len(second)
    a = np.searchsorted(np.sort(first), points, side="right")
    b = np.searchsorted(np.sort(second), points, side="right")
    return int(np.abs(a * w - b * n).max()) / (n * w)


def sliding(reference, values, window):
    """The statistic after each value, 0 until the window is full."""
    return [
        distance(reference, values[t + 1 - window : t + 1]) if t + 1 >= window else 0.0
        for t in range(len(values))
    ]


def adjacent(values, past, window):
    """The statistic of the latest ``window`` values against the ``past`` before them."""
    return [
        distance(values[t + 1 - window - past : t + 1 - window], values[t + 1 - window : t + 1])
        if t + 1 >= window + past
        else 0.0
        for t in range(len(values))
    ]
