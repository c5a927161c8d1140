"""Requests of the Open Inference Protocol V2: bytes → arrays, against what the model declares.

Decoding is strict. A number is a JSON number of the declared kind, a shape is the one that the model
declares, and whatever does not fit is refused with the field, the rule and the value. Where a JSON object
names a key twice, the last one counts, as in every common parser.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeVar, cast

import msgspec
from numpy.typing import NDArray

from driftlead.service.binary import decode_binary
from driftlead.service.errors import RequestError, broken_rule, quote_value
from driftlead.service.json_errors import explain_decode_error
from driftlead.service.json_values import decode_values
from driftlead.service.predictor import TensorSpec

__all__ = [
    "Batch",
    "Envelope",
    "binary_outputs",
    "decode_inputs",
    "decode_request",
    "select_outputs",
]

_LONGEST_ID = 256

Parameters = dict[str, msgspec.Raw]
T = TypeVar("T")


class _Output(msgspec.Struct):
    """A tensor that the client asks for."""

    name: str
    parameters: Parameters | None = None


class _Input(msgspec.Struct):
    """A tensor that the client sends; its values stay undecoded until the rest is known to fit.

    ``data`` is JSON text, or a view of the binary values behind the JSON.
    """

    name: str
    shape: list[int]
    datatype: str
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    parameters: Parameters | None = None


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
    parameters: Parameters | None = None


_ENVELOPE = msgspec.json.Decoder(Envelope)


class Batch(NamedTuple):
    """Decoded inputs of one request, and its parameters."""

    arrays: dict[str, NDArray[Any]]
    rows: int
    parameters: dict[str, Any]


def decode_request(body: bytes, header_length: int | None = None) -> Envelope:
    """Decode everything but the tensors' values.

    Parameters
    ----------
    body : bytes
        JSON text, then binary values.
    header_length : int, optional
        Length of the JSON text; without it, the body is nothing else.

    Raises
    ------
    RequestError
        400: not JSON, a field is missing or of the wrong type, or the lengths do not add up.

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
    text = body if header_length is None else body[:header_length]
    try:
        envelope = _ENVELOPE.decode(text)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, explain_decode_error(error, text)) from None
    if envelope.id is not None and len(envelope.id) > _LONGEST_ID:
        raise broken_rule("id", f"at most {_LONGEST_ID} characters long", envelope.id)
    if header_length is not None:
        _attach(envelope, memoryview(body)[header_length:])
    return envelope


def _attach(envelope: Envelope, values: memoryview) -> None:
    """Give every tensor that says so its share of the binary values, in their order."""
    start = 0
    for position, tensor in enumerate(envelope.inputs):
        field = f"inputs[{position}]"
        size = _parameter(tensor.parameters, "binary_data_size", int, f"{field}.parameters")
        if size is None:
            continue
        if tensor.data is not msgspec.UNSET:
            raise RequestError(400, f"{field} must have either data or binary_data_size, got both")
        if not 0 <= size <= len(values) - start:
            rule = f"from 0 to {len(values) - start}, the bytes that are left"
            raise broken_rule(f"{field}.parameters.binary_data_size", rule, size)
        tensor.data = cast(msgspec.Raw, values[start : start + size])
        start += size
    if start != len(values):
        raise RequestError(
            400, f"binary values must be as long as binary_data_size says, {start} bytes, got {len(values)}"
        )


def _parameter(parameters: Parameters | None, name: str, kind: type[T], field: str) -> T | None:
    """Return one of a request's parameters; None where it is absent or null.

    Raises
    ------
    RequestError
        400: it is of another type.
    """
    text = (parameters or {}).get(name)
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=kind | None)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, explain_decode_error(error, text, f"{field}.{name}")) from None


def _request_parameters(envelope: Envelope) -> dict[str, Any]:
    """Decode the parameters that a request as a whole has.

    Raises
    ------
    RequestError
        400: one is too deeply nested to be read.
    """
    try:
        return {name: msgspec.json.decode(text) for name, text in (envelope.parameters or {}).items()}
    except (ValueError, RecursionError) as error:
        raise RequestError(400, explain_decode_error(error, b"", "parameters")) from None


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
        spec.name: _values(tensor, spec, f"inputs[{position}].data", allows_missing)
        for spec in specs
        for position, tensor in [found[spec.name]]
    }
    return Batch(arrays, rows, _request_parameters(envelope))


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


def binary_outputs(envelope: Envelope, wanted: Sequence[TensorSpec]) -> frozenset[str]:
    """Names of the wanted tensors whose values the client takes in binary.

    Raises
    ------
    RequestError
        400: a parameter is of another type than it must be.
    """
    by_default = bool(_parameter(envelope.parameters, "binary_data_output", bool, "parameters"))
    chosen = {spec.name: by_default for spec in wanted}
    for position, output in enumerate(envelope.outputs or ()):
        asked = _parameter(output.parameters, "binary_data", bool, f"outputs[{position}].parameters")
        chosen[output.name] = by_default if asked is None else asked
    return frozenset(name for name, binary in chosen.items() if binary)


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


def _values(tensor: _Input, spec: TensorSpec, field: str, allows_missing: bool) -> NDArray[Any]:
    shape = tuple(tensor.shape)
    if tensor.data is msgspec.UNSET:
        raise RequestError(400, f"{field} is missing")
    if isinstance(tensor.data, memoryview):
        return decode_binary(tensor.data, shape, spec, field, allows_missing)
    return decode_values(tensor.data, shape, spec, field, allows_missing)
