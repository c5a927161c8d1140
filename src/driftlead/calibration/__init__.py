"""One false-alarm budget for a whole monitor, turned into one threshold per signal and detector.

profile = ReferenceProfile.from_rows(signals, rows, model_hash=version)
calibration = calibrate(profile, rows, false_alarm_every="30 days", rows_per_second=12)
print(calibration.report())
"""

from __future__ import annotations

from driftlead.calibration.budget import rows_per_false_alarm
from driftlead.calibration.pricing import calibrate
from driftlead.calibration.result import Calibration, Pair
from driftlead.calibration.specs import DetectorSpec, incremental_ks, nmddm, page_hinkley

__all__ = [
    "Calibration",
    "DetectorSpec",
    "Pair",
    "calibrate",
    "incremental_ks",
    "nmddm",
    "page_hinkley",
    "rows_per_false_alarm",
]
