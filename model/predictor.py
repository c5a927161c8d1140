"""The model behind the service: rows in, probabilities and signals out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from driftlead.activations import watch
from driftlead.errors import InvalidDataError
from driftlead.service.predictor import Prediction, TensorSpec
from driftlead.signals import SignalRows, classification_columns, classification_signals, feature_signals
from model.artefact import Artefact

__all__ = ["TorchPredictor"]


class TorchPredictor:
    """A trained model that answers requests and reports what a monitor watches.

    Parameters
    ----------
    artefact : Artefact
        The model. Its settings choose the layers whose activations are signals.
    watched : bool
        Whether predictions carry signals; without, they carry the features alone.

    Attributes
    ----------
    name, version, platform : str
        The data set's name, the model's hash, and ``"pytorch"``.
    inputs : tuple of TensorSpec
        ``input``, FP32 rows in raw units.
    outputs : tuple of TensorSpec
        ``probabilities``, FP32 of shape (rows, n_classes), and ``label``, INT64 of shape (rows,).
    allows_missing : bool
        Whether rows may hold NaN.
    any_thread : bool
        True: PyTorch on a CPU does not mind which thread asks it.
    signals : tuple of Signal
        Every feature, mean and deviation of every chosen layer, the confidence, entropy and class predicted.

    Raises
    ------
    InvalidParameterError
        When the settings choose a layer that the network does not have.
    """

    platform = "pytorch"
    any_thread = True

    def __init__(self, artefact: Artefact, *, watched: bool = True) -> None:
        self.name = artefact.name
        self.version = artefact.model_hash
        self.inputs = (TensorSpec("input", "FP32", (-1, *artefact.input_shape)),)
        self.outputs = (
            TensorSpec("probabilities", "FP32", (-1, len(artefact.class_names))),
            TensorSpec("label", "INT64", (-1,)),
        )
        self.allows_missing = artefact.allows_missing
        self._network = artefact.network()
        chosen = artefact.settings.monitored_layers
        self._layers = self._network.layer_names if chosen == "all" else chosen
        self._watch = watch(self._network, self._layers) if watched else None
        self.signals = feature_signals(artefact.feature_names)
        if self._watch is not None:
            self.signals += (*self._watch.signals, *classification_signals())

    def predict(self, inputs: Mapping[str, NDArray[Any]]) -> Prediction:
        """Predict one batch; see `driftlead.service.predictor.Predictor`.

        Parameters
        ----------
        inputs : mapping of str to ndarray
            ``input``, shape (rows, …) as in `inputs`.

        Raises
        ------
        InvalidDataError
            When the tensor is missing, empty, or of another shape.
        """
        shape = self.inputs[0].shape[1:]
        rows = inputs.get("input")
        if rows is None or rows.shape[1:] != shape or len(rows) == 0:
            found = "none" if rows is None else rows.shape
            sides = ", ".join(map(str, shape))
            raise InvalidDataError(
                f"input must have shape (rows, {sides}) with at least one row, got {found}"
            )
        # A copy: PyTorch warns of an array that shares read-only memory with the request's bytes.
        batch = np.array(rows, dtype=np.float32)
        with torch.inference_mode():
            logits = self._network(torch.from_numpy(batch))
            # In double precision a sure prediction still has a confidence of its own instead of a tie at 1.
            # Copied: to forget a tensor, the monitor's thread would take the interpreter twice.
            probabilities = logits.softmax(dim=1, dtype=torch.float64).numpy().copy()
        scores = probabilities.astype(np.float32)
        return Prediction(
            outputs={"probabilities": scores, "label": scores.argmax(axis=1)},
            signals=self._signals(batch.reshape(len(batch), -1), probabilities),
            scores=scores,
        )

    def _signals(
        self, features: NDArray[np.float32], probabilities: NDArray[np.float64]
    ) -> NDArray[np.float64] | SignalRows:
        if self._watch is None:
            return features.astype(np.float64)
        return SignalRows(features, self._watch.take(len(features)), classification_columns(probabilities))

    def predict_all(self, features: NDArray[np.float32], batch_size: int = 256) -> Prediction:
        """Predict many rows, ``batch_size`` at a time.

        Parameters
        ----------
        features : ndarray of float32, shape (n, …)
            At least one row.
        batch_size : int
            Bounds the memory that activations take.

        Returns
        -------
        Prediction
            Of all rows, in their order.
        """
        outputs: dict[str, list[NDArray[Any]]] = {spec.name: [] for spec in self.outputs}
        signals = []
        for start in range(0, len(features), batch_size):
            part = self.predict({"input": features[start : start + batch_size]})
            # Computed now: what deferred columns are made of is many times their size.
            signals.append(np.asarray(part.signals))
            for name, parts in outputs.items():
                parts.append(part.outputs[name])
        joined = {name: np.concatenate(parts) for name, parts in outputs.items()}
        return Prediction(joined, np.concatenate(signals), joined["probabilities"])
