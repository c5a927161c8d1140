"""One row for several detectors at a time."""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import ArrayLike

from driftlead.detectors.base import Detector
from driftlead.errors import InvalidDataError

__all__ = ["update_all"]


def update_all(detectors: Sequence[Detector], x: ArrayLike) -> bool:
    """Feed one row to several detectors, located once where they share a `SortedReference`.

    Parameters
    ----------
    detectors : sequence of Detector
        At least one, of equally many signals.
    x : float, or array of shape (d,)
        The row, as for `Detector.update`.

    Returns
    -------
    bool
        Whether any signal of any detector alarms.

    Raises
    ------
    InvalidDataError
        The row is not numeric or does not fit one of the detectors. Nothing has been fed then.

    Examples
    --------
    >>> import numpy as np
    >>> from driftlead.detectors import NMDDM, IncrementalKS, PageHinkley
    >>> from driftlead.ranks import SortedReference
    >>> reference = SortedReference(np.random.default_rng(0).normal(size=(1000, 2)))
    >>> detectors = [PageHinkley(reference, threshold=40.0), IncrementalKS(reference), NMDDM(reference)]
    >>> update_all(detectors, [0.3, -0.1])
    False
    """
    row = detectors[0]._row
    row.take(x)
    d = len(row.values)
    for detector in detectors:
        if len(detector._count) != d:
            raise InvalidDataError(f"a row must have shape ({detector.n_signals},), got ({d},)")
    reference, alarmed = row.reference, False
    if reference is not None:
        row.locate()
    for detector in detectors:
        alarmed |= detector._feed(row) if detector._reference is reference else detector.update(row.values)
    return alarmed
