"""A real, small model: a linear classifier in NumPy, with the signals of a served one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftlead.errors import InvalidDataError
from driftlead.service import Prediction, TensorSpec
from driftlead.signals import classification_signals, classification_values, feature_signals

CLASS_NAMES = ("low", "high")


class LinearClassifier:
    """Class 1 where the features' sum is positive. Refuses sums that overflow; fails on a row of 13s."""

    name = "linear"
    version = "1f"
    platform = "numpy"
    inputs = (TensorSpec("input", "FP32", (-1, 3)),)
    outputs = (TensorSpec("probabilities", "FP32", (-1, 2)), TensorSpec("label", "INT64", (-1,)))
    signals = (*feature_signals(["a", "b", "c"]), *classification_signals())

    def __init__(self, *, allows_missing: bool = False) -> None:
        self.allows_missing = allows_missing

    def predict(self, inputs: Mapping[str, NDArray[Any]]) -> Prediction:
        rows = inputs["input"].astype(np.float64)
        if (rows == 13).all(axis=1).any():
            raise RuntimeError("secret internals")
        scores = np.nan_to_num(rows).sum(axis=1)
        if (np.abs(scores) > np.finfo(np.float32).max).any():
            raise InvalidDataError("the sum of a row must be finite as FP32")
        high = 0.5 + 0.5 * np.tanh(scores / 2)
        probabilities = np.column_stack([1 - high, high])
        signals = np.hstack([rows, classification_values(probabilities)])
        return Prediction(
            outputs={"probabilities": probabilities, "label": signals[:, -1].astype(np.int64)},
            signals=signals,
            scores=probabilities.astype(np.float32),
        )
