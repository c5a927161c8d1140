"""Pairs of a value and a uniform number, in lexicographic order: what random ties stand for."""

import numpy as np

from driftlead.detectors._kernels.ties import uniform


def reference_ranks(reference, seed, signal=0):
    """The sorted pairs of a reference: its values in order, numbers increasing among equal ones."""
    values = np.sort(reference[~np.isnan(reference)])
    drawn = [np.float32(uniform(seed, -1 - signal, i)) for i in range(len(values))]
    return sorted(zip(values, drawn, strict=True))


def live_ranks(reference, values, seed, signal=0):
    """How many pairs of the reference each value's own pair exceeds, less a half; NaN where missing."""
    pairs, ranks, count = reference_ranks(reference, seed, signal), [], 0
    for value in values:
        if np.isnan(value):
            ranks.append(np.nan)
            continue
        own = (value, uniform(seed, signal, count))
        ranks.append(sum(pair < own for pair in pairs) - 0.5)
        count += 1
    return np.array(ranks)
