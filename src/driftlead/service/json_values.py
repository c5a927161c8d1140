"""A tensor's values as JSON text → array, strictly: what does not fit is named with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from math import prod
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from driftlead.service.errors import RequestError, broken_rule
from driftlead.service.json_errors import explain_decode_error
from driftlead.service.predictor import TensorSpec

__all__ = ["decode_rows", "decode_values"]

# How far the values may outnumber the declared shape before they are refused uncounted: a body of commas
# would otherwise become thirty times its size in Python objects.
_SURPLUS = 4096

_NESTED = re.compile(rb"\s*\[\s*\[")
_KINDS: dict[str, Any] = {"b": bool, "i": int, "u": int, "f": float, "O": str}


def decode_values(
    text: msgspec.Raw, shape: tuple[int, ...], spec: TensorSpec, field: str, allows_missing: bool
) -> NDArray[Any]:
    """Decode the values of one tensor, flat or nested.

    Parameters
    ----------
    text : msgspec.Raw
        A JSON array.
    shape : tuple of int
        Shape of the result.
    spec : TensorSpec
        Gives the datatype.
    field : str
        Where the text stands in the request.
    allows_missing : bool
        Whether ``null`` stands for a missing floating-point value; it becomes NaN.

    Raises
    ------
    RequestError
        400: the field, the rule and the value.
    """
    size = prod(shape)
    if _surplus(bytes(text), spec, size):
        raise RequestError(400, f"{field} must hold {size} values for shape {list(shape)}, got far more")
    # Without axes there is nothing to nest: the one value of a scalar travels in a flat list.
    nested = len(shape) > 1 and _NESTED.match(text) is not None
    values = _decode(text, spec, len(shape) if nested else 1, field, allows_missing)
    if nested:
        _check_nesting(values, shape, field)
    elif len(values) != size:
        raise RequestError(400, f"{field} must hold {size} values for shape {list(shape)}, got {len(values)}")
    return _to_array(values, spec, shape, field, nested)


def decode_rows(
    text: msgspec.Raw, spec: TensorSpec, field: str, max_rows: int, allows_missing: bool
) -> NDArray[Any]:
    """Decode the nested values of a tensor whose number of rows only they tell.

    Raises
    ------
    RequestError
        400, or 413 for too many rows.
    """
    if _surplus(bytes(text), spec, max_rows * prod(spec.shape[1:])):
        raise RequestError(413, f"{field} must be at most {max_rows} rows, got far more")
    values = _decode(text, spec, len(spec.shape), field, allows_missing)
    if not 0 < len(values) <= max_rows:
        rule = f"at most {max_rows} rows" if values else "at least 1 row"
        raise RequestError(413 if values else 400, f"{field} must be {rule}, got {len(values)}")
    shape = (len(values), *spec.shape[1:])
    _check_nesting(values, shape, field)
    return _to_array(values, spec, shape, field, nested=True)


def _surplus(text: bytes, spec: TensorSpec, size: int) -> bool:
    """Whether a text holds far more values than it may."""
    if spec.datatype == "BYTES":
        # Texts have commas of their own; two quotation marks delimit each.
        return text.count(b'"') - text.count(b'\\"') > 2 * (size + _SURPLUS)
    return text.count(b",") > size + _SURPLUS


@cache
def _decoder(kind: str, missing: bool, depth: int) -> msgspec.json.Decoder[list[Any]]:
    """Build the decoder of lists nested ``depth`` deep; ``kind`` is NumPy's code for the sort of value."""
    annotation: Any = _KINDS[kind]
    if missing and kind == "f":
        annotation = annotation | None
    for _ in range(depth):
        annotation = list[annotation]
    return msgspec.json.Decoder(annotation)


def _decode(text: msgspec.Raw, spec: TensorSpec, depth: int, field: str, allows_missing: bool) -> list[Any]:
    try:
        return _decoder(spec.dtype.kind, allows_missing, depth).decode(text)
    except (ValueError, RecursionError) as error:
        missing = "" if allows_missing else ": the model takes no missing values"
        raise RequestError(400, explain_decode_error(error, text, field, missing)) from None


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
    if spec.datatype == "BYTES":
        texts = np.array(values, dtype=np.object_).reshape(-1)
        return np.array([text.encode() for text in texts], dtype=np.object_).reshape(shape)
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
