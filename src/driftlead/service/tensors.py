"""Tensors of the Open Inference Protocol V2 in JSON: request bytes → arrays, arrays → response bytes.

Decoding is strict. A number is a JSON number of the declared kind, a shape is the one that the model
declares, and whatever does not fit is refused with the field, the rule and the value. Where a JSON object
names a key twice, the last one counts, as in every common parser.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from math import prod
from typing import Any, NamedTuple

import msgspec
import numpy as np
import orjson
from numpy.typing import NDArray

from driftlead.service.errors import RequestError, broken_rule, quote_value
from driftlead.service.json_errors import explain_decode_error
from driftlead.service.predictor import TensorSpec

__all__ = ["Envelope", "decode_inputs", "decode_request", "encode_response", "select_outputs"]

_LONGEST_ID = 256

# How far the values may outnumber the declared shape before they are refused uncounted: a body of commas
# would otherwise become thirty times its size in Python objects.
_SURPLUS = 4096

_NESTED = re.compile(rb"\s*\[\s*\[")


class _Output(msgspec.Struct):
    """A tensor that the client asks for."""

    name: str
    parameters: dict[str, msgspec.Raw] | None = None


class _Input(msgspec.Struct):
    """A tensor that the client sends; its values stay undecoded until the rest is known to fit."""

    name: str
    shape: list[int]
    datatype: str
    data: msgspec.Raw
    parameters: dict[str, msgspec.Raw] | None = None


class Envelope(msgspec.Struct):
    """An inference request whose tensors are still text.

    Attributes
    ----------
    inputs : list
        Tensors sent.
    id : str or None
        The client's own name for the request.
    outputs : list or None
        Tensors asked for; all of them when empty or absent.
    """

    inputs: list[_Input]
    id: str | None = None
    outputs: list[_Output] | None = None
    parameters: dict[str, msgspec.Raw] | None = None


_ENVELOPE = msgspec.json.Decoder(Envelope)


class Batch(NamedTuple):
    """Decoded inputs of one request."""

    arrays: dict[str, NDArray[Any]]
    rows: int


def decode_request(body: bytes) -> Envelope:
    """Decode everything but the tensors' values.

    Parameters
    ----------
    body : bytes
        JSON text.

    Raises
    ------
    RequestError
        400: not JSON, or a field is missing or of the wrong type.

    Examples
    --------
    >>> body = b'{"id": "42", "inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]}'
    >>> decode_request(body).id
    '42'
    >>> decode_request(b'{"id": 42}')
    Traceback (most recent call last):
    ...
    driftlead.service.errors.RequestError: id must be a string or null, got 42
    """
    try:
        envelope = _ENVELOPE.decode(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, explain_decode_error(error, body)) from None
    if envelope.id is not None and len(envelope.id) > _LONGEST_ID:
        raise broken_rule("id", f"at most {_LONGEST_ID} characters long", envelope.id)
    return envelope


def decode_inputs(
    envelope: Envelope,
    specs: Sequence[TensorSpec],
    *,
    max_rows: int,
    allows_missing: bool = False,
) -> Batch:
    """Decode the tensors of a request.

    Parameters
    ----------
    envelope : Envelope
        From `decode_request`.
    specs : sequence of TensorSpec
        What the model takes.
    max_rows : int
        Most rows in one request.
    allows_missing : bool
        Whether ``null`` stands for a missing floating-point value; it becomes NaN.

    Returns
    -------
    Batch
        ``arrays``, each of its specification's type and of the shape sent, and their ``rows``.

    Raises
    ------
    RequestError
        400, or 413 for too many rows: the field, the rule and the value.

    Examples
    --------
    >>> body = b'{"inputs": [{"name": "x", "shape": [2, 2], "datatype": "FP32", "data": [[1, 2], [3, 4]]}]}'
    >>> decode_inputs(decode_request(body), [TensorSpec("x", "FP32", (-1, 2))], max_rows=64).arrays["x"]
    array([[1., 2.],
           [3., 4.]], dtype=float32)
    """
    found = _match_names(envelope.inputs, specs)
    rows = 1
    counted_by = ""
    for spec in specs:
        position, tensor = found[spec.name]
        field = f"inputs[{position}]"
        _check_header(tensor, spec, field, max_rows)
        if spec.batched:
            if counted_by and tensor.shape[0] != rows:
                raise broken_rule(f"{field}.shape[0]", f"{rows}, as in {counted_by}", tensor.shape[0])
            rows, counted_by = tensor.shape[0], field
    arrays = {
        spec.name: _decode_array(tensor, spec, f"inputs[{position}].data", allows_missing)
        for spec in specs
        for position, tensor in [found[spec.name]]
    }
    return Batch(arrays, rows)


def select_outputs(envelope: Envelope, specs: Sequence[TensorSpec]) -> tuple[TensorSpec, ...]:
    """Find the tensors that a request asks for, in its order; all of them when it names none.

    Raises
    ------
    RequestError
        400: a name is unknown or repeated.
    """
    known = {spec.name: spec for spec in specs}
    chosen: dict[str, TensorSpec] = {}
    for position, output in enumerate(envelope.outputs or ()):
        field = f"outputs[{position}].name"
        if output.name not in known:
            raise broken_rule(field, _one_of(known), output.name)
        if output.name in chosen:
            raise broken_rule(field, "named once", output.name)
        chosen[output.name] = known[output.name]
    return tuple(chosen.values()) or tuple(specs)


def encode_response(
    model: str,
    version: str,
    request_id: str,
    outputs: Mapping[str, NDArray[Any]],
    specs: Sequence[TensorSpec],
) -> bytes:
    """Encode an answer: flat values in row-major order; NaN and infinities become ``null``.

    Parameters
    ----------
    model, version, request_id : str
        Echoed.
    outputs : mapping of str to ndarray
        What the model gave; converted to each specification's type.
    specs : sequence of TensorSpec
        Which tensors to send, in this order.

    Raises
    ------
    KeyError
        When ``outputs`` lacks one of them.

    Examples
    --------
    >>> encode_response("m", "1", "42", {"y": np.array([[0.5]])}, [TensorSpec("y", "FP32", (-1, 1))])
    b'{"model_name":"m","model_version":"1","id":"42","outputs":[{"name":"y","datatype":"FP32","shape":[1,1],"data":[0.5]}]}'
    """
    tensors = []
    for spec in specs:
        array = np.ascontiguousarray(outputs[spec.name], dtype=spec.dtype)
        tensors.append(
            {"name": spec.name, "datatype": spec.datatype, "shape": array.shape, "data": array.reshape(-1)}
        )
    answer = {"model_name": model, "model_version": version, "id": request_id, "outputs": tensors}
    return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)


# --- what is sent against what is declared -----------------------------------------------------------


def _one_of(names: Mapping[str, Any]) -> str:
    quoted = [quote_value(name) for name in names]
    return quoted[0] if len(quoted) == 1 else "one of " + ", ".join(quoted)


def _match_names(inputs: Sequence[_Input], specs: Sequence[TensorSpec]) -> dict[str, tuple[int, _Input]]:
    known = {spec.name: spec for spec in specs}
    found: dict[str, tuple[int, _Input]] = {}
    for position, tensor in enumerate(inputs):
        field = f"inputs[{position}].name"
        if tensor.name not in known:
            raise broken_rule(field, _one_of(known), tensor.name)
        if tensor.name in found:
            raise broken_rule(field, "named once", tensor.name)
        found[tensor.name] = (position, tensor)
    for name in known:
        if name not in found:
            raise RequestError(400, f"inputs must hold {quote_value(name)}, got {quote_value(list(found))}")
    return found


def _check_header(tensor: _Input, spec: TensorSpec, field: str, max_rows: int) -> None:
    if tensor.datatype != spec.datatype:
        raise broken_rule(f"{field}.datatype", f'"{spec.datatype}"', tensor.datatype)
    fixed = slice(1, None) if spec.batched else slice(None)
    if len(tensor.shape) != len(spec.shape) or tuple(tensor.shape[fixed]) != spec.shape[fixed]:
        any_rows = " (-1: any number of rows)" if spec.batched else ""
        raise broken_rule(f"{field}.shape", f"{list(spec.shape)}{any_rows}", tensor.shape)
    if spec.batched and tensor.shape[0] < 1:
        raise broken_rule(f"{field}.shape[0]", "at least 1 row", tensor.shape[0])
    if spec.batched and tensor.shape[0] > max_rows:
        raise broken_rule(f"{field}.shape[0]", f"at most {max_rows} rows", tensor.shape[0], status=413)


# --- values ------------------------------------------------------------------------------------------


@cache
def _decoder(kind: str, missing: bool, depth: int) -> msgspec.json.Decoder[list[Any]]:
    """Build the decoder of lists nested ``depth`` deep; ``kind`` is NumPy's code for the sort of number."""
    annotation: Any = {"b": bool, "i": int, "u": int, "f": float}[kind]
    if missing and kind == "f":
        annotation = annotation | None
    for _ in range(depth):
        annotation = list[annotation]
    return msgspec.json.Decoder(annotation)


def _decode_array(tensor: _Input, spec: TensorSpec, field: str, allows_missing: bool) -> NDArray[Any]:
    shape = tuple(tensor.shape)
    size = prod(shape)
    if bytes(tensor.data).count(b",") > size + _SURPLUS:
        raise RequestError(400, f"{field} must hold {size} values for shape {list(shape)}, got far more")
    # Without axes there is nothing to nest: the one value of a scalar travels in a flat list.
    nested = len(shape) > 1 and _NESTED.match(tensor.data) is not None
    try:
        values = _decoder(spec.dtype.kind, allows_missing, len(shape) if nested else 1).decode(tensor.data)
    except (ValueError, RecursionError) as error:
        missing = "" if allows_missing else ": the model takes no missing values"
        raise RequestError(400, explain_decode_error(error, tensor.data, field, missing)) from None
    if nested:
        _check_nesting(values, shape, field)
    elif len(values) != size:
        raise RequestError(400, f"{field} must hold {size} values for shape {list(shape)}, got {len(values)}")
    return _to_array(values, spec, shape, field, nested)


def _check_nesting(values: list[Any], shape: Sequence[int], field: str) -> None:
    """Refuse ragged lists, naming the first that differs from the shape."""
    if len(values) != shape[0]:
        raise RequestError(400, f"{field} must hold {shape[0]} values for its shape, got {len(values)}")
    if len(shape) > 1:
        for position, part in enumerate(values):
            if len(part) != shape[1] or len(shape) > 2:
                _check_nesting(part, shape[1:], f"{field}[{position}]")


def _to_array(
    values: list[Any], spec: TensorSpec, shape: tuple[int, ...], field: str, nested: bool
) -> NDArray[Any]:
    try:
        with np.errstate(over="ignore"):
            array = np.array(values, dtype=spec.dtype).reshape(shape)
    except OverflowError:
        raise _out_of_range(values, spec, field) from None
    # Decoded numbers are finite, so an infinity is one that the narrower type cannot hold.
    if spec.dtype.kind == "f" and not np.isfinite(array).all() and np.isinf(array).any():
        where = np.argwhere(np.isinf(array if nested else array.reshape(-1)))[0]
        value: Any = values
        for index in where:
            value = value[index]
        place = "".join(f"[{index}]" for index in where)
        raise broken_rule(f"{field}{place}", f"finite as {spec.datatype}", value)
    return array


def _out_of_range(values: list[Any], spec: TensorSpec, field: str) -> RequestError:
    """Name the first whole number that the datatype cannot hold."""
    limits = np.iinfo(spec.dtype)
    lowest, highest = int(limits.min), int(limits.max)
    place, value = next((p, v) for p, v in _walk(values) if not lowest <= v <= highest)
    return broken_rule(f"{field}{place}", f"between {lowest} and {highest} ({spec.datatype})", value)


def _walk(values: list[Any], place: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every number of nested lists with its place, such as ``[0][3]``."""
    for position, value in enumerate(values):
        if isinstance(value, list):
            yield from _walk(value, f"{place}[{position}]")
        else:
            yield f"{place}[{position}]", value
