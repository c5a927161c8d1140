"""How good labelled predictions are.

``outputs`` has one row per prediction: the probability of each class, or a single column with the value
that a regression predicts. ``labels`` holds the index of the true class, or the true value.
"""

from driftlead.quality.measures import calibration_error, class_metrics, errors, losses, metrics
from driftlead.quality.window import MOST_CONFUSED, QualityTotals, QualityWindow

__all__ = [
    "MOST_CONFUSED",
    "QualityTotals",
    "QualityWindow",
    "calibration_error",
    "class_metrics",
    "errors",
    "losses",
    "metrics",
]
