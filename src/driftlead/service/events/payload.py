"""Logged payloads of V2 and V1 as arrays by name."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from driftlead.errors import InvalidDataError
from driftlead.service.binary import decode_binary
from driftlead.service.errors import RequestError
from driftlead.service.json_errors import explain_decode_error
from driftlead.service.json_values import decode_values
from driftlead.service.predictor import TensorSpec

__all__ = ["UNNAMED", "read_payload"]

#: The name of V1's rows where they have none of their own.
UNNAMED = ""


class _Tensor(msgspec.Struct):
    name: str
    shape: list[int] = []
    datatype: str = ""
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    parameters: dict[str, msgspec.Raw] | None = None


class _Payload(msgspec.Struct):
    inputs: list[_Tensor] | None = None
    outputs: list[_Tensor] | None = None
    instances: list[Any] | None = None
    predictions: list[Any] | None = None


def read_payload(body: bytes) -> dict[str, NDArray[Any]]:
    """Decode a request's inputs or a response's outputs.

    Parameters
    ----------
    body : bytes
        JSON of either protocol, or of V2 with binary values behind it.

    Returns
    -------
    dict of str to ndarray
        Axis 0 holds the rows. V1's rows are under `UNNAMED` unless they are objects, which are by name.

    Raises
    ------
    InvalidDataError
        It is neither, or its values do not fit their shape.

    Examples
    --------
    >>> read_payload(b'{"instances": [[1, 2], [3, 4]]}')
    {'': array([[1., 2.],
           [3., 4.]])}
    """
    try:
        text, values = _split(body)
        payload = msgspec.json.decode(text, type=_Payload)
        if payload.inputs is not None:
            return _tensors(payload.inputs, values)
        if payload.outputs is not None:
            return _tensors(payload.outputs, values)
    except (ValueError, RecursionError) as error:
        raise InvalidDataError(explain_decode_error(error, body)) from None
    except RequestError as error:
        raise InvalidDataError(error.message) from None
    rows = payload.instances if payload.instances is not None else payload.predictions
    if not rows:
        raise InvalidDataError("a payload must have inputs, outputs, instances or predictions")
    if not isinstance(rows[0], dict):
        return {UNNAMED: _table(rows)}
    try:
        return {name: _table([row[name] for row in rows]) for name in rows[0]}
    except (KeyError, TypeError):
        raise InvalidDataError("rows must all have the names of the first") from None


def _split(body: bytes) -> tuple[bytes, memoryview]:
    """Part JSON from binary values behind it: loggers do not pass the header on that tells its length."""
    end = len(body)
    if b'"binary_data_size"' in body:
        # As Latin-1 a character is a byte, whatever follows.
        _, end = json.JSONDecoder().raw_decode(body.decode("latin-1"))
    return body[:end], memoryview(body)[end:]


def _tensors(tensors: Sequence[_Tensor], values: memoryview) -> dict[str, NDArray[Any]]:
    found = {}
    start = 0
    for tensor in tensors:
        spec = TensorSpec(tensor.name, tensor.datatype, tuple(tensor.shape))
        if tensor.data is not msgspec.UNSET:
            found[tensor.name] = decode_values(
                tensor.data, spec.shape, spec, tensor.name, allows_missing=True
            )
            continue
        size = msgspec.json.decode((tensor.parameters or {}).get("binary_data_size", b"-1"), type=int)
        if not 0 <= size <= len(values) - start:
            raise InvalidDataError(f"{tensor.name} must have data, or binary values behind the JSON")
        found[tensor.name] = decode_binary(
            values[start : start + size], spec.shape, spec, tensor.name, allows_missing=True
        )
        start += size
    return found


def _table(rows: list[Any]) -> NDArray[Any]:
    """Return rows of numbers, or of texts, as an array."""
    try:
        if isinstance(rows[0], str):
            return np.array([str(row).encode() for row in rows], dtype=np.object_)
        return np.array(rows, dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidDataError("rows must be numbers, all of one shape") from None
