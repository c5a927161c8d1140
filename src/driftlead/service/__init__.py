"""The HTTP service: any model behind `Predictor`, served by the Open Inference Protocol and watched."""

from driftlead.service.app import create_app
from driftlead.service.limits import Limits
from driftlead.service.predictor import DATATYPES, Prediction, Predictor, TensorSpec

__all__ = ["DATATYPES", "Limits", "Prediction", "Predictor", "TensorSpec", "create_app"]
