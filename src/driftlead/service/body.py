"""Request bodies, read within limits."""

from __future__ import annotations

import asyncio
import zlib
from contextlib import suppress

from starlette.requests import ClientDisconnect, Request

from driftlead.service.errors import RequestError

__all__ = ["RequestBody", "decompress"]

# A server that hangs up while its client still sends makes the client's side fail before the answer is
# read. So the rest of a refused body is taken and thrown away, within these bounds.
_DISCARD_BYTES = 64 * 1024 * 1024
_DISCARD_SECONDS = 2.0

_GZIP_MAGIC = b"\x1f\x8b"


class RequestBody:
    """The body of one request, read at most once.

    Parameters
    ----------
    request : Request
        Whose body.
    max_bytes : int
        Longest body, as it arrives and decompressed: a header that promises less is not believed.
    timeout_seconds : float
        Longest time for it to arrive.
    guess_gzip : bool
        Whether a body that begins as gzip does is taken for it, whatever its headers say.
    """

    def __init__(
        self, request: Request, *, max_bytes: int, timeout_seconds: float, guess_gzip: bool = False
    ) -> None:
        self._request = request
        self._max_bytes = max_bytes
        self._timeout = timeout_seconds
        self._guess_gzip = guess_gzip
        self._finished = False

    async def read(self) -> bytes:
        """Read the body, decompressed.

        Raises
        ------
        RequestError
            400: it is not the gzip that it claims to be. 408: too slow. 413: too long. 415: compressed
            otherwise. 499: the client left.
        """
        encoding = self._check_headers()
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._timeout):
                async for chunk in self._request.stream():
                    size += len(chunk)
                    if size > self._max_bytes:
                        raise self._too_long(f"more than {self._max_bytes}")
                    chunks.append(chunk)
        except TimeoutError:
            self._finished = True
            message = f"body must arrive within {self._timeout:g} seconds, got {size} bytes of it"
            raise RequestError(408, message, {"Connection": "close"}) from None
        except ClientDisconnect:
            self._finished = True
            raise RequestError(499, "the client closed the connection") from None
        self._finished = True
        body = b"".join(chunks)
        if encoding == "gzip" or (self._guess_gzip and body.startswith(_GZIP_MAGIC)):
            return decompress(body, self._max_bytes)
        return body

    async def discard(self) -> None:
        """Let the rest of a refused body arrive, so that its sender gets to read the answer."""
        if self._finished or "expect" in self._request.headers:
            return
        size = 0
        with suppress(TimeoutError, ClientDisconnect):
            async with asyncio.timeout(_DISCARD_SECONDS):
                async for chunk in self._request.stream():
                    size += len(chunk)
                    if size > _DISCARD_BYTES:
                        break

    def _check_headers(self) -> str:
        headers = self._request.headers
        encoding = headers.get("content-encoding", "").strip().lower()
        if encoding not in ("", "identity", "gzip"):
            raise RequestError(415, "Content-Encoding must be gzip or identity")
        declared = headers.get("content-length", "")
        # Length first: Python refuses to parse very long numbers.
        if declared.isdecimal() and (len(declared) > 18 or int(declared) > self._max_bytes):
            raise self._too_long(declared[:18])
        return encoding

    def _too_long(self, got: str) -> RequestError:
        return RequestError(413, f"body must be at most {self._max_bytes} bytes, got {got}")


def decompress(body: bytes, max_bytes: int) -> bytes:
    """Undo gzip; never makes more than the bytes allowed.

    Raises
    ------
    RequestError
        400: not gzip, or cut off. 413: longer than allowed.

    Examples
    --------
    >>> import gzip
    >>> decompress(gzip.compress(b"abc"), 3)
    b'abc'
    >>> decompress(gzip.compress(bytes(10**6)), 1000)
    Traceback (most recent call last):
    ...
    driftlead.service.errors.RequestError: body must be at most 1000 bytes once decompressed, got more
    """
    reader = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        text = reader.decompress(body, max_bytes + 1)
    except zlib.error:
        raise RequestError(400, "body must be gzip, as Content-Encoding says") from None
    if len(text) > max_bytes:
        raise RequestError(413, f"body must be at most {max_bytes} bytes once decompressed, got more")
    if not reader.eof:
        raise RequestError(400, "body must be whole gzip, got the beginning of it")
    return text
