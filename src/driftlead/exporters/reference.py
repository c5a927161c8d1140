"""What Prometheus needs to know of a reference to judge the bins of many replicas by it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from driftlead.monitor.bins import SignalBins
from driftlead.reference import ReferenceProfile

__all__ = ["FALSE_ALARM_CHANCE", "chi_square_thresholds", "reference_digest"]

FALSE_ALARM_CHANCE = 0.001
"""Chance that the bins of any signal at all exceed `chi_square_thresholds` while nothing changes."""


def reference_digest(profile: ReferenceProfile, bins: Sequence[SignalBins]) -> str:
    """Return 8 hex digits that name the bins of a reference.

    Counts over bins of equal digest may be added; any other reference, even of the same model, has another.

    Examples
    --------
    >>> from driftlead.signals import Signal
    >>> profile = ReferenceProfile.from_rows([Signal("a")], [[1.0], [2.0]], model_hash="1f")
    >>> bins = [SignalBins.from_sample(profile.signals[0], profile.samples[0], missing=0)]
    >>> reference_digest(profile, bins)
    'd7e69305'
    """
    digest = hashlib.sha256()
    for signal, sample, each in zip(profile.signals, profile.samples, bins, strict=True):
        # The sample is where the edges lie; its length keeps neighbours apart.
        digest.update(repr((signal.name, signal.kind, each.labels, len(sample))).encode())
        digest.update(np.ascontiguousarray(sample, dtype="<f8").data)
        digest.update(np.ascontiguousarray(each.reference_ratio, dtype="<f8").data)
    return digest.hexdigest()[:8]


def chi_square_thresholds(n_bins: ArrayLike, chance: float = FALSE_ALARM_CHANCE) -> NDArray[np.float64]:
    """Return what the PSI of a signal exceeds by chance alone, but for the numbers of rows.

    Of n live rows and m reference rows from one distribution over K bins, PSI / (1/n + 1/m) is nearly
    chi-square with K − 1 degrees of freedom (Yurdakul and Naranjo 2020, "Statistical properties of the
    population stability index"). The chance is shared evenly by all signals (Bonferroni).

    Parameters
    ----------
    n_bins : array_like of int, shape (n_signals,)
        Number of bins K of each signal.
    chance : float
        Of all signals together.

    Returns
    -------
    ndarray, shape (n_signals,)

    Examples
    --------
    >>> chi_square_thresholds([10]).round(1), chi_square_thresholds([10, 20]).round(1)
    (array([27.9]), array([29.7, 46. ]))
    """
    counts = np.asarray(n_bins)
    thresholds: NDArray[np.float64] = stats.chi2.isf(chance / len(counts), np.maximum(counts - 1, 1))
    return thresholds
