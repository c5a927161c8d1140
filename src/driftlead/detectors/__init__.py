"""Sequential drift detectors: exact, on all signals at once, at the speed of compiled loops.

Every detector takes rows by `~Detector.update` or `~Detector.update_many`, or slots of rows that were
already located in its reference by `~Detector.update_located`, and restores from plain state. `update_all`
feeds one row to several detectors.
"""

from __future__ import annotations

from driftlead.detectors.base import Detector, Trace
from driftlead.detectors.incremental_ks import IncrementalKS
from driftlead.detectors.nmddm import NMDDM
from driftlead.detectors.page_hinkley import PageHinkley
from driftlead.detectors.together import update_all

__all__ = ["DETECTORS", "NMDDM", "Detector", "IncrementalKS", "PageHinkley", "Trace", "update_all"]

DETECTORS: dict[str, type[Detector]] = {
    detector.kind: detector for detector in (PageHinkley, IncrementalKS, NMDDM)
}
"""Every detector by its kind: the name in settings, states and metrics."""
