"""What a model must offer to be served and watched: `Predictor`, and the plain data it speaks in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from driftlead.errors import InvalidParameterError
from driftlead.signals import Signal, SignalRows

__all__ = ["DATATYPES", "Prediction", "Predictor", "TensorSpec"]

#: Datatypes of the Open Inference Protocol, and the NumPy types that carry them; BYTES are objects.
DATATYPES: Mapping[str, np.dtype[Any]] = MappingProxyType(
    {
        "BOOL": np.dtype(np.bool_),
        "INT8": np.dtype(np.int8),
        "INT16": np.dtype(np.int16),
        "INT32": np.dtype(np.int32),
        "INT64": np.dtype(np.int64),
        "UINT8": np.dtype(np.uint8),
        "UINT16": np.dtype(np.uint16),
        "UINT32": np.dtype(np.uint32),
        "UINT64": np.dtype(np.uint64),
        "FP16": np.dtype(np.float16),
        "FP32": np.dtype(np.float32),
        "FP64": np.dtype(np.float64),
        "BYTES": np.dtype(np.object_),
    }
)


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Name, type and shape of one tensor that a model takes or gives.

    Parameters
    ----------
    name : str
        The tensor's name on the wire.
    datatype : str
        One of `DATATYPES`, such as ``"FP32"``.
    shape : tuple of int
        Length of each axis. The first may be -1: as many rows as the request brings.

    Raises
    ------
    InvalidParameterError
        When the name is empty, the datatype unknown, or an axis other than the first is not fixed.

    Examples
    --------
    >>> TensorSpec("input", "FP32", (-1, 8, 8)).dtype
    dtype('float32')
    >>> TensorSpec("input", "FP32", (8, -1))
    Traceback (most recent call last):
    ...
    driftlead.errors.InvalidParameterError: shape[1] must be at least 1, got -1
    """

    name: str
    datatype: str
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.name:
            raise InvalidParameterError("name", "not empty", self.name)
        if self.datatype not in DATATYPES:
            raise InvalidParameterError("datatype", "one of " + ", ".join(DATATYPES), self.datatype)
        for axis, length in enumerate(self.shape):
            if length < 1 and not (axis == 0 and length == -1):
                rule = "at least 1, or -1 for any number of rows" if axis == 0 else "at least 1"
                raise InvalidParameterError(f"shape[{axis}]", rule, length)

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy type of the tensor's values."""
        return DATATYPES[self.datatype]

    @property
    def batched(self) -> bool:
        """Whether the first axis counts rows."""
        return self.shape[:1] == (-1,)


class Prediction(NamedTuple):
    """A model's answer to one request.

    Attributes
    ----------
    outputs : dict of str to ndarray
        Every tensor of `Predictor.outputs`, by name.
    signals : ndarray of float64 or SignalRows, shape (rows, n_signals)
        What the monitor watches, columns in the order of `Predictor.signals`, NaN where missing.
    scores : ndarray of float32, optional
        What a label is later compared with: class probabilities, shape (rows, n_classes), or predicted
        values, shape (rows, 1), NaN where missing. Without them no classes are counted.
    parameters : mapping of str to bool, int, float or str
        What the answer says beside its tensors.
    """

    outputs: dict[str, NDArray[Any]]
    signals: NDArray[np.float64] | SignalRows
    scores: NDArray[np.float32] | None = None
    parameters: Mapping[str, bool | int | float | str] = MappingProxyType({})


@runtime_checkable
class Predictor(Protocol):
    """A model behind the service. Plain attributes do for the properties.

    One that has a true attribute ``any_thread`` is asked on the event loop itself, which serves a small model
    a third faster: small requests only, while all but a few take less than 2 ms of the processor.
    Whatever takes longer delays the whole service then; after 0.1 s the next are asked in the thread.

    Examples
    --------
    >>> class Halves:
    ...     name, version, platform = "halves", "1", "python"
    ...     inputs = outputs = (TensorSpec("x", "FP32", (-1,)),)
    ...     allows_missing = False
    ...     signals = (Signal("feature:x"),)
    ...
    ...     def predict(self, inputs):
    ...         return Prediction({"x": inputs["x"] / 2}, inputs["x"][:, None].astype(float))
    >>> isinstance(Halves(), Predictor)
    True
    """

    @property
    def name(self) -> str:
        """Name of the model, as in its address."""
        ...

    @property
    def version(self) -> str:
        """Which model of that name it is."""
        ...

    @property
    def platform(self) -> str:
        """What runs it, such as ``"pytorch"``."""
        ...

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """Tensors that it takes."""
        ...

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """Tensors that it gives."""
        ...

    @property
    def allows_missing(self) -> bool:
        """Whether floating-point inputs may hold NaN, which travels as JSON's ``null``."""
        ...

    @property
    def signals(self) -> tuple[Signal, ...]:
        """Columns of `Prediction.signals`."""
        ...

    def predict(self, inputs: Mapping[str, NDArray[Any]]) -> Prediction:
        """Predict one batch.

        Parameters
        ----------
        inputs : mapping of str to ndarray
            Every tensor of `inputs`, of its exact type, with the same number of rows each; the values of one
            of BYTES are `bytes`, a text's in UTF-8. Called one batch at a time, from one thread unless
            ``any_thread`` says otherwise. Where ``predict`` also takes ``parameters``, a dict, it gets those
            of the request.

        Returns
        -------
        Prediction
            Values of an output of BYTES are `bytes` or `str`. Finite for every row that is: where a
            floating-point output is NaN or infinite for a row without missing values, the row is refused as
            too extreme for the model.

        Raises
        ------
        driftlead.errors.InvalidDataError
            To refuse values that are well-formed but that this model cannot take; the client is told why.
            Any other exception counts as a failure of the model, and the client learns nothing of it.
        """
        ...
