"""The statistics of NM-DDM from their definitions, over one window, in O(n·k)."""

import numpy as np
from scipy.special import ndtri, rel_entr


def likelihood_ratio(bins, n_bins, recent_lengths):
    """max over splits of k·KL(p‖m) + (n − k)·KL(q‖m), and the length of the recent segment there."""
    n = len(bins)
    m = np.bincount(bins, minlength=n_bins) / n
    best = (-1.0, 0)
    for length in recent_lengths:
        k = n - length
        p = np.bincount(bins[:k], minlength=n_bins) / k
        q = np.bincount(bins[k:], minlength=n_bins) / length
        g = k * rel_entr(p, m).sum() + length * rel_entr(q, m).sum()
        if g > best[0] + 1e-9:
            best = (g, length)
    return best


def quantile_bin(reference, x, bins):
    """Bin by the middle rank of the first reference value at or above x; one bin per value if few."""
    values, counts = np.unique(reference, return_counts=True)
    if len(values) <= bins:
        raw = np.arange(len(values))
    else:
        upper = np.cumsum(counts)
        raw = np.array(
            [int((u + u - c) / 2 / len(reference) * bins + 1e-12) for u, c in zip(upper, counts, strict=True)]
        )
    labels = sorted(set(raw.tolist()))
    at = min(int(np.sum(values < x)), len(values) - 1)
    return labels.index(int(raw[at]))


def released_code(values):
    """max over k of k·Σ q ln(q/p̃), 4 bins over the range, and its k."""
    n, r = len(values), 4
    c = max(100, int(np.sqrt(n)))
    low, high = values.min(), values.max()
    bins = np.minimum((values - low) / (high - low) * r, r - 1).astype(int)
    best = (-np.inf, -1)
    for k in range(c, n - c + 1):
        p = np.bincount(bins[:k], minlength=r) / k
        q = np.bincount(bins[k + 1 :], minlength=r) / (n - k - 1)
        empty = p == 0
        if empty.any():
            eps = 0.7 / (n - k)
            p = np.where(empty, eps / empty.sum(), p * (1 - eps))
        s = k * rel_entr(q, p).sum()
        if s > best[0]:
            best = (s, k)
    return best


def kernel_density(reference, window_values, ring_positions, cells=64):
    """Mean log-ratio, cross-fitted by the parity of the ring position, with plain kernel sums."""
    n, w = len(reference), len(window_values)
    edge = -ndtri(0.5 / (n + 1))
    width = 2 * edge / cells
    bandwidth = (w / 2) ** -0.2

    def cell(x):
        below, up_to = np.sum(reference < x), np.sum(reference <= x)
        middle = below + 0.5 if below == up_to else (below + up_to + 1) / 2
        return min(max(int(np.floor((ndtri(middle / (n + 1)) + edge) / width)), 0), cells - 1)

    def height(a, b):
        return np.exp(-0.5 * ((a - b) * width / bandwidth) ** 2)

    of_reference = [cell(x) for x in reference]
    of_window = [cell(x) for x in window_values]
    total = 0.0
    for a, half in zip(of_window, ring_positions % 2, strict=True):
        r = np.mean([height(a, b) for b in of_reference])
        others = [b for b, h in zip(of_window, ring_positions % 2, strict=True) if h != half]
        p = (sum(height(a, b) for b in others) + r) / (len(others) + 1)
        total += np.log(p / r)
    return total / w
