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
    first = detectors[0]
    first._take(x)
    row, columns, slots = first._row, first._row_columns, first._row_slots
    for detector in detectors:
        if len(detector._row) != len(row):
            raise InvalidDataError(f"a row must have shape ({detector.n_signals},), got {row.shape}")
    reference, located, alarmed = first._reference, False, False
    for detector in detectors:
        if detector._reference is None or detector._reference is not reference:
            alarmed |= detector.update(row)
            continue
        if not located:
            reference.locate_columns(columns, slots)
            located = True
        alarmed |= detector._advance_slots(slots, columns, *detector._row_out)
        detector._n_seen += 1
    return alarmed
