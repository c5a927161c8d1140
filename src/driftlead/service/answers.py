"""How every answer of JSON leaves: its bytes, and headers that leave a browser nothing to do with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import Response

__all__ = ["SECURITY_HEADERS", "json_answer"]

#: Of every answer but the page's, which allows itself its own scripts.
SECURITY_HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def json_answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with JSON, or with bytes that are JSON already."""
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    every = {**SECURITY_HEADERS, **headers} if headers else SECURITY_HEADERS
    return Response(body, status, media_type="application/json", headers=every)
