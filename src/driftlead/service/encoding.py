"""Arrays → an answer of the Open Inference Protocol V2, its values in JSON or binary."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from driftlead.service.binary import encode_binary
from driftlead.service.errors import RequestError, quote_value
from driftlead.service.predictor import TensorSpec

__all__ = ["Encoded", "encode_response", "plain_values"]


class Encoded(NamedTuple):
    """An answer's body.

    Attributes
    ----------
    body : bytes
    header_length : int or None
        Length of the JSON text, where binary values follow it.
    """

    body: bytes
    header_length: int | None = None


def encode_response(
    model: str,
    version: str,
    request_id: str,
    outputs: Mapping[str, NDArray[Any]],
    specs: Sequence[TensorSpec],
    *,
    binary: Collection[str] = (),
    parameters: Mapping[str, Any] | None = None,
) -> Encoded:
    """Encode an answer: flat values in row-major order.

    Parameters
    ----------
    model, version, request_id : str
        Echoed.
    outputs : mapping of str to ndarray
        What the model gave; converted to each specification's type.
    specs : sequence of TensorSpec
        Which tensors to send, in this order.
    binary : collection of str
        Those of them whose values follow the JSON text; of the others NaN and infinities become ``null``.
    parameters : mapping, optional
        What the model says beside its tensors.

    Raises
    ------
    KeyError
        When ``outputs`` lacks one of them.
    RequestError
        400: a value of BYTES is no text, which JSON cannot carry.

    Examples
    --------
    >>> spec = TensorSpec("y", "FP32", (-1, 1))
    >>> encode_response("m", "1", "42", {"y": np.array([[0.5]])}, [spec]).body
    b'{"model_name":"m","model_version":"1","id":"42","outputs":[{"name":"y","datatype":"FP32","shape":[1,1],"data":[0.5]}]}'
    """
    tensors, values = [], []
    for spec in specs:
        array = outputs[spec.name]
        tensor: dict[str, Any] = {"name": spec.name, "datatype": spec.datatype, "shape": array.shape}
        if spec.name in binary:
            values.append(encode_binary(array, spec))
            tensor["parameters"] = {"binary_data_size": len(values[-1])}
        else:
            tensor["data"] = plain_values(array, spec)
        tensors.append(tensor)
    answer: dict[str, Any] = {
        "model_name": model,
        "model_version": version,
        "id": request_id,
        "outputs": tensors,
    }
    if parameters:
        answer["parameters"] = dict(parameters)
    text = orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
    return Encoded(b"".join([text, *values]), len(text)) if values else Encoded(text)


def plain_values(array: NDArray[Any], spec: TensorSpec) -> NDArray[Any] | list[str]:
    """Return a tensor's values as orjson writes them: flat, of the specification's type.

    Raises
    ------
    RequestError
        400: a value of BYTES is no text.
    """
    if spec.datatype != "BYTES":
        return np.ascontiguousarray(array, dtype=spec.dtype).reshape(-1)
    try:
        return [value if isinstance(value, str) else bytes(value).decode() for value in array.reshape(-1)]
    except UnicodeDecodeError:
        name = quote_value(spec.name)
        raise RequestError(400, f"{name} holds bytes that are no text; ask for it with binary_data") from None
