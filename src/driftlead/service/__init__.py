"""The HTTP service: any model behind `Predictor`, served by the Open Inference Protocol and watched."""

from driftlead.service.app import create_app, create_watch_app
from driftlead.service.arrays import ArrayPredictor
from driftlead.service.events import Translation
from driftlead.service.limits import Limits
from driftlead.service.predictor import DATATYPES, Prediction, Predictor, TensorSpec

__all__ = [
    "DATATYPES",
    "ArrayPredictor",
    "Limits",
    "Prediction",
    "Predictor",
    "TensorSpec",
    "Translation",
    "create_app",
    "create_watch_app",
]
