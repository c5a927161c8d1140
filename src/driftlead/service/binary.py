"""The protocol's binary tensor data extension: values as little-endian bytes behind the JSON."""

from __future__ import annotations

import struct
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftlead.service.errors import RequestError, broken_rule
from driftlead.service.predictor import TensorSpec

__all__ = ["decode_binary", "encode_binary"]

_LENGTH = struct.Struct("<I")


def decode_binary(
    values: memoryview, shape: tuple[int, ...], spec: TensorSpec, field: str, allows_missing: bool
) -> NDArray[Any]:
    r"""Decode the values of one tensor.

    Parameters
    ----------
    values : memoryview
        Row-major; each of a tensor of BYTES after its length, a 32-bit number.
    shape : tuple of int
        Shape of the result.
    spec : TensorSpec
        Gives the datatype.
    field : str
        Where the tensor stands in the request.
    allows_missing : bool
        Whether a floating-point value may be NaN.

    Raises
    ------
    RequestError
        400: the bytes do not fit the shape, or a value is not what its datatype allows.

    Examples
    --------
    >>> spec = TensorSpec("x", "BYTES", (-1,))
    >>> decode_binary(memoryview(b"\x02\0\0\0hi\0\0\0\0"), (2,), spec, "x", False)
    array([b'hi', b''], dtype=object)
    """
    if spec.datatype == "BYTES":
        return _texts(values, prod(shape), field).reshape(shape)
    wire = np.dtype(np.uint8) if spec.datatype == "BOOL" else spec.dtype.newbyteorder("<")
    if len(values) != prod(shape) * wire.itemsize:
        rule = f"{prod(shape) * wire.itemsize} bytes for shape {list(shape)} of {spec.datatype}"
        raise RequestError(400, f"{field} must be {rule}, got {len(values)}")
    raw = np.frombuffer(values, dtype=wire)
    if spec.datatype == "BOOL" and (raw > 1).any():
        raise broken_rule(f"{field}[{(raw > 1).argmax()}]", "0 or 1", int(raw.max()))
    if spec.dtype.kind == "f":
        bad = np.isinf(raw) if allows_missing else ~np.isfinite(raw)
        if bad.any():
            raise RequestError(400, f"{field}[{bad.argmax()}] must be finite, got {raw[bad.argmax()]}")
    # A copy: the request's bytes are read-only, and models write into what they are given.
    return raw.astype(spec.dtype, copy=True).reshape(shape)


def encode_binary(array: NDArray[Any], spec: TensorSpec) -> bytes:
    r"""Encode the values of one tensor, as `decode_binary` reads them; NaN and infinities stay.

    Raises
    ------
    TypeError
        A value of a tensor of BYTES is neither bytes nor text.

    Examples
    --------
    >>> encode_binary(np.array([1, 258]), TensorSpec("x", "INT16", (-1,)))
    b'\x01\x00\x02\x01'
    """
    if spec.datatype == "BYTES":
        texts = [value.encode() if isinstance(value, str) else bytes(value) for value in array.reshape(-1)]
        return b"".join([part for text in texts for part in (_LENGTH.pack(len(text)), text)])
    return np.ascontiguousarray(array, dtype=spec.dtype.newbyteorder("<")).tobytes()


def _texts(values: memoryview, size: int, field: str) -> NDArray[np.object_]:
    if size * _LENGTH.size > len(values):
        most = len(values) // _LENGTH.size
        raise RequestError(400, f"{field} must hold {size} values, got at most {most}")
    found = np.empty(size, dtype=np.object_)
    at = 0
    for number in range(size):
        if len(values) - at < _LENGTH.size:
            raise RequestError(400, f"{field} must hold {size} values, got {number}")
        (length,) = _LENGTH.unpack_from(values, at)
        at += _LENGTH.size
        if length > len(values) - at:
            rule = f"at most {len(values) - at}, the bytes that are left"
            raise broken_rule(f"{field}[{number}]'s length", rule, length)
        found[number] = bytes(values[at : at + length])
        at += length
    if at != len(values):
        raise RequestError(
            400, f"{field} must end after its {size} values, got {len(values) - at} bytes more"
        )
    return found
