"""The key that clients show to change the monitor."""

from __future__ import annotations

import re

from driftlead.errors import InvalidParameterError

__all__ = ["checked_api_key"]

# A header holds nothing else, and what stands around a value in it is cut off.
_KEY = re.compile(r"[!-~]([ -~]*[!-~])?")


def checked_api_key(api_key: str | None) -> str | None:
    """Return a key that clients can show, or None, where nothing is asked for.

    Raises
    ------
    InvalidParameterError
        No client could show it. The message does not either.

    Examples
    --------
    >>> checked_api_key("correct horse")
    'correct horse'
    """
    if api_key is not None and not _KEY.fullmatch(api_key):
        rule = "plain ASCII without spaces around it (leave it out to ask for none)"
        raise InvalidParameterError("api_key", rule, "<not shown>")
    return api_key
