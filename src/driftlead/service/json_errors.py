"""What msgspec says of a body that does not fit, reworded for the one who sent it."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from driftlead.service.errors import quote_value

__all__ = ["explain_decode_error"]

_WRONG_TYPE = re.compile(r"Expected `(?P<expected>.+)`, got `(?P<got>.+?)`(?: - at `\$(?P<path>.*)`)?$")
_MISSING = re.compile(r"Object missing required field `(?P<key>.+?)`(?: - at `\$(?P<path>.*)`)?$")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<key>.+?)`(?: - at `\$(?P<path>.*)`)?$")
_TOO_LARGE = re.compile(r"(?P<what>Number|Integer value) out of range(?: - at `\$(?P<path>.*)`)?$")
_MALFORMED = re.compile(r"JSON is malformed: (?P<what>.+) \(byte (?P<byte>\d+)\)$")
_STEP = re.compile(r"\[(?P<index>\d+)\]|\.?(?P<key>\w+)")
_NOT_JSON = re.compile(rb"[+-]?(?:nan|inf(?:inity)?)\b", re.IGNORECASE)

_NAMES = {
    "array": "an array",
    "bool": "true or false",
    "float": "a number",
    "int": "a whole number",
    "null": "null",
    "object": "an object",
    "str": "a string",
}
_TOO_LONG = re.compile(r"Expected `str` of length <= (?P<most>\d+)(?: - at `\$(?P<path>.*)`)?$")

# Looking a value up again means decoding the text again, loosely; of a long text its type is told instead.
_LONGEST_LOOKUP = 65_536


def explain_decode_error(
    error: Exception, text: bytes | msgspec.Raw, field: str = "", null_rule: str = ""
) -> str:
    """Name the field, the rule and the value behind an exception of a msgspec decoder.

    Parameters
    ----------
    error : Exception
        What the decoder raised.
    text : bytes or msgspec.Raw
        What it was decoding.
    field : str
        Where the text stands in the request; empty for the whole body.
    null_rule : str
        Said of a ``null`` among numbers.

    Returns
    -------
    str
        One line.

    Examples
    --------
    >>> text = b'[2, "two"]'
    >>> try:
    ...     msgspec.json.decode(text, type=list[int])
    ... except ValueError as error:
    ...     print(explain_decode_error(error, text, "inputs[0].shape"))
    inputs[0].shape[1] must be a whole number, got "two"
    """
    message = str(error)
    if isinstance(error, RecursionError):
        return f"{field or 'body'} must be nested less deeply"
    if isinstance(error, UnicodeDecodeError) or message.startswith("Invalid UTF-8"):
        return f"{field or 'body'} must be UTF-8 text{_first_other_byte(bytes(text))}"
    if match := _WRONG_TYPE.match(message):
        rule = " or ".join(_NAMES.get(name, name) for name in match["expected"].split(" | "))
        rule += null_rule if match["got"] == "null" and match["path"] else ""
        return (
            f"{_place(field, match['path'])} must be {rule}, got {_value(text, match['path'], match['got'])}"
        )
    if match := _MISSING.match(message):
        return f"{_place(field, match['path'], match['key'])} is missing"
    if match := _UNKNOWN.match(message):
        return f"{_place(field, match['path'], match['key'])} is no field that is known here"
    if match := _TOO_LARGE.match(message):
        kind = "whole number of at most 64 bits" if match["what"] == "Integer value" else "finite number"
        return f"{_place(field, match['path'])} must be a {kind}, got a larger one"
    if match := _TOO_LONG.match(message):
        return f"{_place(field, match['path'])} must be at most {match['most']} characters long, got more"
    return _explain_malformed(message, bytes(text), field or "body")


def _first_other_byte(text: bytes) -> str:
    try:
        text.decode()
    except UnicodeDecodeError as error:
        return f", got the byte 0x{text[error.start]:02x}"
    return ""


def _explain_malformed(message: str, text: bytes, field: str) -> str:
    if not text.strip():
        return f"{field} must be JSON, got nothing"
    match = _MALFORMED.match(message)
    if match is None:
        return f"{field} must be JSON: {message[:1].lower()}{message[1:]}"
    byte = int(match["byte"])
    # The decoder stops behind a sign, and behind an n, which might have begun a null.
    start = byte - 1 if text[max(byte - 1, 0) : byte] in (b"-", b"n") else byte
    if found := _NOT_JSON.match(text, start):
        return f"{field} must be JSON, which has no NaN or infinity, got {found[0].decode()} at byte {start}"
    return f"{field} must be JSON: {match['what']} at byte {byte}"


def _place(field: str, path: str | None, key: str = "") -> str:
    """Write a path as a client would: ``inputs[0].shape``; the root is the body."""
    full = f"{field}{path or ''}{'.' + key if key else ''}"
    return full.removeprefix(".") or "body"


def _value(text: bytes | msgspec.Raw, path: str | None, got: str) -> str:
    name = {"bool": "a boolean", "int": "a whole number"}.get(got, _NAMES.get(got, got))
    if len(memoryview(text)) > _LONGEST_LOOKUP:
        return name
    try:
        value: Any = msgspec.json.decode(text)
        for step in _STEP.finditer(path or ""):
            value = value[step["key"] if step["key"] else int(step["index"])]
    except (ValueError, RecursionError, LookupError, TypeError):
        return name
    return quote_value(value)
