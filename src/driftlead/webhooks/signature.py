"""Signatures of messages, after the Standard Webhooks specification 1.0.0 (symmetric scheme ``v1``)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping

from driftlead.errors import InvalidDataError, InvalidParameterError

__all__ = ["keys", "new_secret", "signed_headers", "verify"]

_PREFIX = "whsec_"
_LEAST_BYTES, _MOST_BYTES = 24, 64


def new_secret() -> str:
    """Return a random secret of 32 bytes, to be given to both sides.

    Examples
    --------
    >>> new_secret()[:6], len(keys(new_secret())[0])
    ('whsec_', 32)
    """
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def keys(secret: str) -> list[bytes]:
    """Return the signing keys of a secret, or of several with spaces between, while one replaces another.

    Raises
    ------
    InvalidParameterError
        When one is not ``whsec_`` and the base64 of 24 to 64 bytes. The secret is not part of the message.
    """
    decoded = []
    for each in secret.split():
        try:
            key = base64.b64decode(each.removeprefix(_PREFIX), validate=True)
        except binascii.Error:
            key = b""
        if not each.startswith(_PREFIX) or not _LEAST_BYTES <= len(key) <= _MOST_BYTES:
            raise _bad_secret()
        decoded.append(key)
    if not decoded:
        raise _bad_secret()
    return decoded


def signed_headers(message_id: str, timestamp: int, body: bytes, secret: str) -> dict[str, str]:
    """Return the headers that sign a message, once per key.

    Parameters
    ----------
    message_id : str
        The same for every attempt to deliver one message; without a full stop.
    timestamp : int
        Time of the attempt, in seconds since the epoch.
    body : bytes
        As it is sent.
    secret : str
        As for `keys`.

    Examples
    --------
    >>> secret = "whsec_" + "c2VjcmV0" * 4
    >>> signed_headers("msg_1", 1_700_000_000, b"{}", secret)["webhook-signature"]
    'v1,GFU5cFbDcenL8reP2uPNh3psstrqajX4ZskYMcahkEs='
    """
    signatures = " ".join(f"v1,{_signature(key, message_id, str(timestamp), body)}" for key in keys(secret))
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signatures,
    }


def verify(
    body: bytes,
    headers: Mapping[str, str],
    secret: str,
    *,
    tolerance: float = 300.0,
    now: float | None = None,
) -> None:
    """Check, where a message is received, that it comes from whoever knows the secret, and now.

    A message may come twice: whoever must not act twice remembers ``webhook-id`` for as long as the
    tolerance.

    Parameters
    ----------
    body : bytes
        The request's body as it came, not parsed and written again.
    headers : mapping of str to str
        The request's headers, in any case.
    secret : str
        As for `keys`.
    tolerance : float
        How far the message's time may lie from now, in seconds.
    now : float or None
        Seconds since the epoch; the clock's by default.

    Raises
    ------
    InvalidDataError
        When a header is missing, the time is too far off, or no signature is right.
    InvalidParameterError
        When the secret is malformed.

    Examples
    --------
    >>> secret = new_secret()
    >>> headers = signed_headers("msg_1", 1_700_000_000, b"{}", secret)
    >>> verify(b"{}", headers, secret, now=1_700_000_060.0)
    >>> verify(b"[]", headers, secret, now=1_700_000_060.0)
    Traceback (most recent call last):
    ...
    driftlead.errors.InvalidDataError: the message's signature is not right
    """
    given = {name.lower(): value for name, value in headers.items()}
    try:
        message_id, timestamp = given["webhook-id"], given["webhook-timestamp"]
        signatures = given["webhook-signature"].split()
    except KeyError as error:
        raise InvalidDataError(f"the message has no header {error}") from None
    if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 20:
        raise InvalidDataError("webhook-timestamp is not a number of seconds")
    age = (time.time() if now is None else now) - int(timestamp)
    if not abs(age) <= tolerance:
        raise InvalidDataError(f"the message's time is {age:.0f} s away from now, more than {tolerance:g} s")
    expected = [f"v1,{_signature(key, message_id, timestamp, body)}".encode() for key in keys(secret)]
    # Every pair is compared, each in constant time: the time taken says nothing of where they differ.
    matches = [hmac.compare_digest(each.encode(), right) for each in signatures for right in expected]
    if not any(matches):
        raise InvalidDataError("the message's signature is not right")


def _signature(key: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    content = f"{message_id}.{timestamp}.".encode() + body
    return base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()


def _bad_secret() -> InvalidParameterError:
    rule = f"{_PREFIX} and the base64 of {_LEAST_BYTES} to {_MOST_BYTES} random bytes"
    return InvalidParameterError("secret", rule, "<not shown>")
