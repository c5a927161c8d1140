"""When a signal left its reference: the split of its recent rows that explains them best."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["ChangePoint", "change_point", "log_likelihood_ratio"]


class ChangePoint(NamedTuple):
    """Where a sequence of bins changed, and how clearly.

    Attributes
    ----------
    rows : int
        Rows after the change, among the latest; 0 when no split explains them better than no change.
    log_likelihood_ratio : float
        Evidence of a change there, in nats; never negative.
    """

    rows: int
    log_likelihood_ratio: float


def change_point(
    recent: NDArray[np.integer[Any]], reference_ratio: NDArray[np.float64], reference_size: int
) -> ChangePoint:
    """Split rows into those that go with the reference and the latest ones, which have shares of their own.

    The split maximises the likelihood of reference and rows together. Rows before the change share their
    distribution with the reference, so that a small reference, which differs from all rows by chance, does
    not draw the change back to the first of them.

    Parameters
    ----------
    recent : ndarray of int, shape (rows,)
        Bin of each row, oldest first.
    reference_ratio : ndarray of float64, shape (n_bins,)
        Share of the reference in each bin, none 0; they add up to 1.
    reference_size : int
        Number of reference observations.

    Returns
    -------
    ChangePoint

    Notes
    -----
    The maximum-likelihood estimate of a change point (Hinkley 1970, Biometrika 57(1), section 2), with the
    shares after the change smoothed as in `log_likelihood_ratio`. Its error does not shrink with more rows: a
    change that adds ``D`` nats per row, its Kullback-Leibler divergence from the reference, is located to a
    few times ``1 / D`` rows. A change before ``recent`` is placed at its first row.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> before, after = rng.integers(0, 10, 400), rng.integers(5, 10, 60)
    >>> found = change_point(np.concatenate([before, after]), np.full(10, 0.1), 2_000)
    >>> found.rows, round(found.log_likelihood_ratio, 1)
    (66, 42.3)
    """
    if not len(recent):
        return ChangePoint(0, 0.0)
    latest_first = np.asarray(recent)[::-1]
    # Which of its bin's rows each row is, counted from the latest back, from 1.
    order = np.argsort(latest_first, kind="stable")
    counts = np.bincount(latest_first, minlength=len(reference_ratio))
    nth = np.empty(len(order), dtype=np.int64)
    nth[order] = np.arange(1, len(order) + 1) - np.repeat(np.cumsum(counts) - counts, counts)
    ratio = reference_ratio[latest_first]
    # A row that changes sides changes the terms of its own bin and of the totals, no others.
    prior = 0.5 * len(reference_ratio)
    length = np.arange(1, len(order) + 1)
    after = _own_term(nth, ratio, prior) - _own_term(nth - 1, ratio, prior)
    pooled = reference_size * ratio + counts[latest_first]
    before = _xlogx(pooled - nth) - _xlogx(pooled - nth + 1)
    total = reference_size + len(order)
    evidence = (
        np.cumsum(after + before)
        - length * np.log1p(length / prior)
        - (_xlogx(total - length) - _xlogx(total))
    )
    best = int(np.argmax(evidence))
    if not evidence[best] > 0:
        return ChangePoint(0, 0.0)
    return ChangePoint(best + 1, float(evidence[best]))


def log_likelihood_ratio(
    counts: NDArray[np.integer[Any]], reference_ratio: NDArray[np.float64], reference_size: int
) -> float:
    """How much likelier observations and reference are with shares of their own each than with common ones.

    With n observations in B bins, their share of a bin is smoothed towards the reference's share r by half an
    observation per bin, ``(count + B/2 · r) / (n + B/2)``. Each observation adds about the Kullback-Leibler
    divergence of the observations from the reference, as long as they are fewer than the reference's.

    Parameters
    ----------
    counts : ndarray of int, shape (B,)
        Observations per bin.
    reference_ratio : ndarray of float64, shape (B,)
        Share of the reference in each bin, none 0; they add up to 1.
    reference_size : int
        Number of reference observations.

    Returns
    -------
    float
        In nats.

    Examples
    --------
    >>> half = np.array([0.5, 0.5])
    >>> abs(round(log_likelihood_ratio(np.array([10, 10]), half, 1_000), 6))
    0.0
    >>> round(log_likelihood_ratio(np.array([20, 0]), half, 1_000), 1)
    13.2
    """
    n, prior = counts.sum(), 0.5 * len(counts)
    reference = reference_size * reference_ratio
    bins = _own_term(counts, reference_ratio, prior) + _xlogx(reference) - _xlogx(reference + counts)
    totals = n * np.log1p(n / prior) + _xlogx(reference_size) - _xlogx(reference_size + n)
    return float(np.sum(bins) - totals)


def _own_term(
    counts: NDArray[np.integer[Any]], ratio: NDArray[np.float64], prior: float
) -> NDArray[np.float64]:
    """Return ``count · ln(smoothed share)`` of each bin, without the totals' part."""
    return np.asarray(counts * np.log(counts / prior + ratio), dtype=np.float64)


def _xlogx(x: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(x, dtype=np.float64)
    return values * np.log(values)
