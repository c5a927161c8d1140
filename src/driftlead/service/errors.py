"""Refusals: what a client is told, and how values of its own making are quoted back to it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from driftlead.errors import DriftleadError

__all__ = ["RequestError", "broken_rule", "quote_value"]

_LONGEST_QUOTE = 40


class RequestError(DriftleadError):
    """A request that is not answered with a prediction.

    Parameters
    ----------
    status : int
        HTTP status code.
    message : str
        One line for the client.
    headers : mapping of str to str, optional
        Headers of the answer.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


def broken_rule(field: str, rule: str, value: Any, *, status: int = 400) -> RequestError:
    """Name a field, the rule that it breaks, and its value.

    Examples
    --------
    >>> print(broken_rule("inputs[0].shape", "[-1, 8, 8]", [3, 7]))
    inputs[0].shape must be [-1, 8, 8], got [3, 7]
    """
    return RequestError(status, f"{field} must be {rule}, got {quote_value(value)}")


def quote_value(value: Any) -> str:
    """Write a decoded JSON value as JSON, shortened to one readable piece.

    Never fails, whatever the value: numbers too long to print and arrays too deep to walk come out as what
    they are.

    Examples
    --------
    >>> quote_value("a" * 100)
    '"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…'
    >>> quote_value({"a": 1})
    'an object'
    """
    match value:
        case dict():
            return "an object"
        case list() if len(value) > _LONGEST_QUOTE or any(isinstance(item, list | dict) for item in value):
            return "an array"
        case str():
            # A lone surrogate cannot be sent back as UTF-8.
            value = value[: _LONGEST_QUOTE + 1].encode("utf-8", "replace").decode()
        case int() if abs(value) >= 10**_LONGEST_QUOTE:
            return "a huge number"
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = f"a {type(value).__name__}"
    return text if len(text) <= _LONGEST_QUOTE else text[: _LONGEST_QUOTE - 1] + "…"
