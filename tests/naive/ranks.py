"""Slots and normal scores by looking at every reference value."""

import math

from scipy.stats import norm


def slot(reference, x):
    """2·(distinct values below) + (whether x is one of them), -1 for NaN."""
    if math.isnan(x):
        return -1
    distinct = {float(v) + 0.0 for v in reference if not math.isnan(v)}
    return 2 * sum(v < x for v in distinct) + any(v == x for v in distinct)


def normal_score(reference, x, uniform, drawn=None):
    """Its place among equal reference values: even, or between the numbers that were drawn for them."""
    n = len(reference)
    below = sum(v < x for v in reference)
    up_to = sum(v <= x for v in reference)
    place = below + uniform * (up_to - below + 1)
    if drawn is not None and up_to > below:
        marks = [0.0, *drawn[below:up_to], 1.0]
        gap = sum(mark < uniform for mark in marks[1:-1])
        place = below + gap + (uniform - marks[gap]) / (marks[gap + 1] - marks[gap])
    p = place / (n + 1)
    return float(norm.ppf(min(max(p, 0.5 / (n + 1)), 1 - 0.5 / (n + 1))))
