"""Request bodies, read within limits."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.requests import ClientDisconnect, Request

from driftlead.service.errors import RequestError

__all__ = ["RequestBody"]

# A server that hangs up while its client still sends makes the client's side fail before the answer is
# read. So the rest of a refused body is taken and thrown away, within these bounds.
_DISCARD_BYTES = 64 * 1024 * 1024
_DISCARD_SECONDS = 2.0


class RequestBody:
    """The body of one request, read at most once.

    Parameters
    ----------
    request : Request
        Whose body.
    max_bytes : int
        Longest body, counted as it arrives: a header that promises less is not believed.
    timeout_seconds : float
        Longest time for it to arrive.
    """

    def __init__(self, request: Request, *, max_bytes: int, timeout_seconds: float) -> None:
        self._request = request
        self._max_bytes = max_bytes
        self._timeout = timeout_seconds
        self._finished = False

    async def read(self) -> bytes:
        """Read the body.

        Raises
        ------
        RequestError
            408: too slow. 413: too long. 415: compressed or binary tensors. 499: the client left.
        """
        self._check_headers()
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
        return b"".join(chunks)

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

    def _check_headers(self) -> None:
        headers = self._request.headers
        if "inference-header-content-length" in headers:
            raise RequestError(415, "tensors must be JSON: the binary tensor format is not spoken here")
        encoding = headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("", "identity"):
            raise RequestError(415, "Content-Encoding must be identity: compressed bodies are not read here")
        declared = headers.get("content-length", "")
        # Length first: Python refuses to parse very long numbers.
        if declared.isdecimal() and (len(declared) > 18 or int(declared) > self._max_bytes):
            raise self._too_long(declared[:18])

    def _too_long(self, got: str) -> RequestError:
        return RequestError(413, f"body must be at most {self._max_bytes} bytes, got {got}")
