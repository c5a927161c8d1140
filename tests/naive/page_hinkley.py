"""Page-Hinkley in plain lines: the two gaps, and the textbook's S − min S."""

import math


def gaps(values, delta, threshold, alpha=1.0, mean=None, up=True, down=True):
    """The statistic after each value, with restarts; ``mean`` None is the running mean."""
    trace, rise, fall, total, n = [], 0.0, 0.0, 0.0, 0
    for x in values:
        if not math.isnan(x):
            total, n = total + x, n + 1
            deviation = x - (total / n if mean is None else mean)
            rise = max(0.0, alpha * rise + deviation - delta) if up else 0.0
            fall = max(0.0, alpha * fall - deviation - delta) if down else 0.0
        trace.append(max(rise, fall))
        if trace[-1] > threshold:
            rise, fall, total, n = 0.0, 0.0, 0.0, 0
    return trace


def sums(values, delta):
    """Gama et al. 2014, no restart: max(S − min S, max S' − S') with all past S, as in river at alpha=1."""
    trace, total, s_up, s_down, low, high = [], 0.0, 0.0, 0.0, math.inf, -math.inf
    for n, x in enumerate(values, start=1):
        total += x
        s_up += x - total / n - delta
        s_down += x - total / n + delta
        low, high = min(low, s_up), max(high, s_down)
        trace.append(max(s_up - low, high - s_down))
    return trace
