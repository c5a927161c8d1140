"""When a signal left its reference: the split of its recent rows that explains them best."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["ChangePoint", "change_point", "log_likelihood_ratio"]


class ChangePoint(NamedTuple):
    """Where a sequence of bins changed, and how clearly.

    Attributes
    ----------
    rows : int
        Rows after the change, among the latest; 0 when no split explains them better than the reference.
    log_likelihood_ratio : float
        Evidence of the change, in nats; never negative.
    """

    rows: int
    log_likelihood_ratio: float


def change_point(recent: NDArray[np.integer[Any]], reference_ratio: NDArray[np.float64]) -> ChangePoint:
    """Split rows into those that follow the reference and the latest ones, which follow bins of their own.

    The split maximises `log_likelihood_ratio` of the rows after it. Later of equal splits wins.

    Parameters
    ----------
    recent : ndarray of int, shape (rows,)
        Bin of each row, oldest first.
    reference_ratio : ndarray of float64, shape (n_bins,)
        Share of the reference in each bin, none 0; they add up to 1.

    Returns
    -------
    ChangePoint

    Notes
    -----
    The maximum-likelihood estimate of a change point (Hinkley 1970, Biometrika 57(1), section 2) with the
    distribution before the change known. Its error does not shrink with more rows: a change whose rows carry
    ``D`` nats each, their Kullback-Leibler divergence from the reference, is located to a few times ``1 / D``
    rows. Rows further back than ``recent`` cannot be told apart: a change before them is placed at the first.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> before, after = rng.integers(0, 10, 400), rng.integers(5, 10, 60)
    >>> found = change_point(np.concatenate([before, after]), np.full(10, 0.1))
    >>> found.rows, round(found.log_likelihood_ratio, 1)
    (66, 44.1)
    """
    if not len(recent):
        return ChangePoint(0, 0.0)
    latest_first = np.asarray(recent)[::-1]
    # How many rows of its own bin each row makes it, itself included, counted from the latest back.
    order = np.argsort(latest_first, kind="stable")
    counts = np.bincount(latest_first, minlength=len(reference_ratio))
    occurrence = np.empty(len(order), dtype=np.int64)
    occurrence[order] = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts) + 1
    prior = 0.5 * len(reference_ratio)
    of_row = prior * reference_ratio[latest_first]
    # One row more changes the term of its own bin alone: n ln((n + prior r) / (prior r)).
    gain = occurrence * np.log1p(occurrence / of_row) - (occurrence - 1) * np.log1p((occurrence - 1) / of_row)
    length = np.arange(1, len(order) + 1)
    ratio = np.cumsum(gain) - length * np.log1p(length / prior)
    best = int(np.argmax(ratio))
    if not ratio[best] > 0:
        return ChangePoint(0, 0.0)
    return ChangePoint(best + 1, float(ratio[best]))


def log_likelihood_ratio(counts: NDArray[np.integer[Any]], reference_ratio: NDArray[np.float64]) -> float:
    """How much better observations follow their own smoothed shares than the reference's, in nats.

    With n observations in all, the share of a bin is smoothed towards the reference by half an observation
    per bin: ``p = (count + B/2 · r) / (n + B/2)``, and the ratio is ``Σ count · ln(p / r)``. With each
    observation it grows by about the Kullback-Leibler divergence of the observations from the reference.

    Parameters
    ----------
    counts : ndarray of int, shape (B,)
        Observations per bin.
    reference_ratio : ndarray of float64, shape (B,)
        Share of the reference in each bin, none 0; they add up to 1.

    Examples
    --------
    >>> round(log_likelihood_ratio(np.array([10, 10]), np.array([0.5, 0.5])), 6)
    0.0
    >>> round(log_likelihood_ratio(np.array([20, 0]), np.array([0.5, 0.5])), 1)
    13.4
    """
    prior = 0.5 * len(counts)
    own = (counts + prior * reference_ratio) / (counts.sum() + prior)
    return float(np.sum(counts * np.log(own / reference_ratio)))
