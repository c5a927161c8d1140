"""Any function on arrays as a predictor: rows in, class probabilities or one value per row out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftlead.errors import InvalidDataError, InvalidParameterError, ReferenceMismatchError
from driftlead.reference import ReferenceProfile
from driftlead.service.predictor import Prediction, TensorSpec
from driftlead.signals import (
    Signal,
    classification_signals,
    classification_values,
    feature_signals,
    regression_signals,
)

__all__ = ["ArrayPredictor"]

# What probabilities in single precision may miss of 1.
_ROUNDING = 1e-3


class ArrayPredictor:
    r"""A predictor around a function, with the signals that its inputs and outputs have by themselves.

    Those are each feature, and the confidence, entropy and class of a classifier's prediction, or the value
    of a regression's. Which of the two it is, the function is asked with two rows of zeros.

    Parameters
    ----------
    function : callable
        From float32 rows of shape (n, \*row_shape) to probabilities of shape (n, n_classes) whose rows add
        up to 1, or to values of shape (n,) or (n, 1).
    row_shape : sequence of int
        Shape of one row.
    name, version, platform : str
        As in `driftlead.service.Predictor`.
    feature_names : sequence of str, optional
        One per value of a row, in row-major order; ``x0``, ``x1``, … by default.
    allows_missing : bool
        Whether rows may hold NaN.
    any_thread : bool
        Whether the function may be called in any thread, one call at a time; see `Predictor.predict`.

    Raises
    ------
    InvalidDataError
        The function fails on zeros, or gives neither probabilities nor values.
    InvalidParameterError
        The number of names is another than that of features.

    Examples
    --------
    >>> def half(rows):
    ...     return np.full((len(rows), 2), 0.5)
    >>> predictor = ArrayPredictor(half, (3,), name="coin", version="1")
    >>> [signal.name for signal in predictor.signals][-2:]
    ['prediction:entropy', 'prediction:class']
    >>> predictor.predict({"input": np.zeros((2, 3), np.float32)}).outputs["label"]
    array([0, 0])
    """

    def __init__(
        self,
        function: Callable[[NDArray[np.float32]], Any],
        row_shape: Sequence[int],
        *,
        name: str,
        version: str,
        platform: str = "python",
        feature_names: Sequence[str] | None = None,
        allows_missing: bool = False,
        any_thread: bool = False,
    ) -> None:
        width = prod(row_shape)
        names = [f"x{number}" for number in range(width)] if feature_names is None else list(feature_names)
        if len(names) != width:
            raise InvalidParameterError("feature_names", f"one for each of {width} features", len(names))
        self.name, self.version, self.platform = name, version, platform
        self.allows_missing = allows_missing
        self.any_thread = any_thread
        self._function = function
        self.inputs = (TensorSpec("input", "FP32", (-1, *row_shape)),)
        try:
            tried = self._outputs(np.zeros((2, *row_shape), dtype=np.float32))
        except Exception as error:
            reason = str(error).strip().partition("\n")[0]
            raise InvalidDataError(
                f"the model fails on rows of zeros, of shape {row_shape}: {reason}"
            ) from error
        self.n_classes = _classes(tried)
        self.outputs: tuple[TensorSpec, ...] = (TensorSpec("value", "FP32", (-1,)),)
        predicted: tuple[Signal, ...] = regression_signals()
        if self.n_classes:
            predicted = classification_signals()
            self.outputs = (
                TensorSpec("probabilities", "FP32", (-1, self.n_classes)),
                TensorSpec("label", "INT64", (-1,)),
            )
        self.signals: tuple[Signal, ...] = (*feature_signals(names), *predicted)
        self._columns: NDArray[np.int64] | None = None

    def watched_by(self, profile: ReferenceProfile) -> ArrayPredictor:
        """Have it report the signals that a profile has, in their order; return itself.

        It then takes missing values if the profile's features have any: the model has met them.

        Raises
        ------
        ReferenceMismatchError
            The profile has a signal that this predictor has not.
        """
        names = [signal.name for signal in self.signals]
        for signal in profile.signals:
            if signal.name not in names:
                raise ReferenceMismatchError(
                    f"the reference profile has a signal {signal.name!r}, the model's are {', '.join(names)}"
                )
        self._columns = np.array([names.index(signal.name) for signal in profile.signals])
        self.allows_missing |= bool(profile.missing[self._columns < prod(self.inputs[0].shape[1:])].any())
        self.signals = profile.signals
        return self

    def predict(self, inputs: Mapping[str, NDArray[Any]]) -> Prediction:
        """Predict one batch; see `driftlead.service.Predictor`."""
        rows = inputs["input"]
        given = self._outputs(rows)
        outputs: dict[str, NDArray[Any]]
        if self.n_classes:
            unknown = np.isnan(given).any(axis=1) & np.isnan(rows.reshape(len(rows), -1)).any(axis=1)
            if unknown.any():
                raise InvalidDataError(
                    f"row {unknown.argmax()} (the first is 0) must not hold missing values: the model has no "
                    "probabilities for it"
                )
            predicted = classification_values(given)
            scores = given.astype(np.float32)
            outputs = {"probabilities": scores, "label": given.argmax(axis=1)}
        else:
            predicted = given.reshape(-1, 1)
            scores = predicted.astype(np.float32)
            outputs = {"value": scores[:, 0]}
        signals = np.hstack([rows.reshape(len(rows), -1), predicted])
        return Prediction(outputs, signals if self._columns is None else signals[:, self._columns], scores)

    def _outputs(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        given = np.asarray(self._function(rows), dtype=np.float64)
        return given[:, 0] if given.ndim == 2 and given.shape[1] == 1 else given


def _classes(given: NDArray[np.float64]) -> int:
    """Return the number of classes in a classifier's answer to two rows, 0 for a regression's."""
    if given.shape == (2,):
        return 0
    if given.ndim != 2 or len(given) != 2:
        raise InvalidDataError(
            f"the model must give probabilities or a value for each row; for 2 rows it gave {given.shape}"
        )
    sums = given.sum(axis=1)
    if (given < 0).any() or (np.abs(sums - 1) > _ROUNDING).any():
        raise InvalidDataError(
            "the model must give probabilities, whose rows add up to 1, or one value per row; for zeros it "
            f"gave {given.shape[1]} values that add up to {sums[0]:.4g}. Of logits take the softmax"
        )
    return int(given.shape[1])
