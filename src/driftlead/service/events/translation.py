"""From the payloads of an exchange to the rows of signals that a profile describes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax as take_softmax

from driftlead.errors import InvalidDataError, InvalidParameterError
from driftlead.reference import ReferenceProfile
from driftlead.service.events.payload import UNNAMED, read_payload
from driftlead.signals import classification_signals, classification_values, regression_signals

__all__ = ["Translation"]

_FEATURE = "feature:"
_CLASSIFICATION = tuple(signal.name for signal in classification_signals())
(_VALUE,) = (signal.name for signal in regression_signals())


class Translation:
    """What of an exchange a profile's signals need, and how they are computed.

    Parameters
    ----------
    profile : ReferenceProfile
        Features, and the signals of a classification's or a regression's prediction.
    output : str, optional
        Name of the output that holds the prediction; by default the first table of floating-point numbers
        with several columns, else the first output.
    softmax : bool
        Whether that output holds logits.

    Attributes
    ----------
    needs_request, needs_response : bool
        Whether there are signals of either.

    Raises
    ------
    InvalidParameterError
        The profile has signals that no payload tells, such as activations.

    Examples
    --------
    >>> from driftlead.signals import Signal
    >>> signals = [Signal("feature:a"), Signal("feature:b"), Signal("prediction:confidence")]
    >>> profile = ReferenceProfile.from_rows(signals, [[0, 0, 0.5]], model_hash="")
    >>> rows, scores = Translation(profile).rows(b'{"instances": [[1, 2]]}', b'{"predictions": [[0.3, 0.7]]}')
    >>> rows
    array([[1. , 2. , 0.7]])
    """

    def __init__(
        self, profile: ReferenceProfile, output: str | None = None, *, softmax: bool = False
    ) -> None:
        self._profile = profile
        self._output = output
        self._softmax = softmax
        names = [signal.name for signal in profile.signals]
        self._features = [name.removeprefix(_FEATURE) for name in names if name.startswith(_FEATURE)]
        self._predictions = [name for name in names if not name.startswith(_FEATURE)]
        for name in self._predictions:
            if name not in (*_CLASSIFICATION, _VALUE):
                raise InvalidParameterError("profile", "of features and predictions alone", name)
        self.needs_request = bool(self._features)
        self.needs_response = bool(self._predictions)

    def rows(
        self, request: bytes | None, response: bytes | None
    ) -> tuple[NDArray[np.float64], NDArray[np.float32] | None]:
        """Return the signals of every row, in the profile's order, and what labels are compared with.

        Raises
        ------
        InvalidDataError
            A payload cannot be read, or does not have what the profile has.
        """
        columns: dict[str, NDArray[np.float64]] = {}
        scores = None
        if request is not None and self._features:
            columns |= self._feature_columns(read_payload(request))
        if response is not None and self._predictions:
            predicted = self._predicted(read_payload(response))
            scores = predicted.astype(np.float32)
            columns |= self._prediction_columns(predicted)
        try:
            rows = np.column_stack([columns[signal.name] for signal in self._profile.signals])
        except (KeyError, ValueError):
            raise InvalidDataError("request and response must have the same number of rows") from None
        return rows, scores

    def _feature_columns(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float64]]:
        names = self._features
        if len(inputs) == 1 and set(inputs) != set(names):
            (table,) = inputs.values()
            table = table.reshape(len(table), -1) if table.ndim else table.reshape(1, 1)
            if table.shape[1] != len(names):
                raise InvalidDataError(f"a row must have {len(names)} features, got {table.shape[1]}")
            columns = list(table.T)
        else:
            lacking = [name for name in names if name not in inputs]
            if lacking:
                raise InvalidDataError(f"inputs must hold {lacking[0]!r}")
            columns = [inputs[name].reshape(-1) for name in names]
        return {
            f"{_FEATURE}{name}": self._numbers(f"{_FEATURE}{name}", column)
            for name, column in zip(names, columns, strict=True)
        }

    def _numbers(self, signal: str, column: NDArray[Any]) -> NDArray[np.float64]:
        if signal in self._profile.categories:
            return self._profile.encode(signal, [_text(value) for value in column])
        if column.dtype == np.object_:
            raise InvalidDataError(f"{signal} must hold numbers, got texts")
        return column.astype(np.float64)

    def _predicted(self, outputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
        """Return class probabilities, or a column of values or classes."""
        table = outputs[self._chosen(outputs)]
        if table.dtype == np.object_ or table.ndim not in (1, 2):
            raise InvalidDataError(f"a prediction must be numbers of 1 or 2 axes, got {table.ndim}")
        matrix = table.reshape(len(table), -1).astype(np.float64)
        return take_softmax(matrix, axis=1) if self._softmax and matrix.shape[1] > 1 else matrix

    def _chosen(self, outputs: Mapping[str, NDArray[Any]]) -> str:
        if self._output is not None:
            if self._output not in outputs:
                raise InvalidDataError(f"outputs must hold {self._output!r}")
            return self._output
        tables = [
            name
            for name, table in outputs.items()
            if table.dtype.kind == "f" and table.ndim == 2 and table.shape[1] > 1
        ]
        return next(iter([*tables, *outputs]), UNNAMED)

    def _prediction_columns(self, predicted: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        if predicted.shape[1] > 1:
            return dict(zip(_CLASSIFICATION, classification_values(predicted).T, strict=True))
        # Of a class alone there is no confidence.
        return {_VALUE: predicted[:, 0], "prediction:class": predicted[:, 0]}


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return None if value != value else f"{value:g}"
