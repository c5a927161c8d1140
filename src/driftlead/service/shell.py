"""What every application of ours is around its routes: errors of one shape, HEAD, and its own description."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import driftlead
from driftlead.service.answers import json_answer
from driftlead.service.errors import RequestError, quote_value
from driftlead.service.openapi import describe, reading

__all__ = ["new_application"]


def new_application(
    summary: str, lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None = None
) -> FastAPI:
    """Return an application without routes, but for ``/openapi.json``.

    Parameters
    ----------
    summary : str
        What it does, in a line.
    lifespan : callable, optional
        As `fastapi.FastAPI` takes it.
    """
    app = FastAPI(
        title="driftlead",
        version=driftlead.__version__,
        summary=summary,
        lifespan=lifespan,
        # FastAPI's own pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.add_middleware(_Head)
    app.add_middleware(_Unfinished)
    _add_error_handlers(app)
    described = reading("OpenAPI 3.1.", {"openapi": {"type": "string"}, "paths": {"type": "object"}})

    @app.get("/openapi.json", summary="This description", **described)
    async def openapi() -> Response:
        return json_answer(describe(app))

    return app


class _Head:
    """Answers HEAD as GET."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "HEAD":
            # The server keeps its own scope, and by it leaves the body out.
            scope = {**scope, "method": "GET"}
        await self._app(scope, receive, send)


class _Unfinished:
    """Answers what cannot be finished: a request is cancelled where a service that stops has no time left."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answered = False

        async def noting(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except asyncio.CancelledError:
            if scope["type"] != "http" or answered:
                raise
            error = {"error": "the service is shutting down"}
            await json_answer(error, 503, {"Retry-After": "1"})(scope, receive, send)


def _add_error_handlers(app: FastAPI) -> None:
    """Give every error one shape, the protocol's: ``{"error": "…"}``."""

    @app.exception_handler(RequestError)
    async def refused(request: Request, error: RequestError) -> Response:
        return json_answer({"error": error.message}, error.status, error.headers)

    @app.exception_handler(HTTPException)
    async def not_routed(request: Request, error: HTTPException) -> Response:
        where = f"{request.method} {quote_value(request.url.path)}"
        # What Prometheus is most often told wrong.
        elsewhere = "; metrics have a port of their own" if request.url.path == "/metrics" else ""
        reasons = {404: f"nothing lies at {where}{elsewhere}", 405: f"method not allowed: {where}"}
        reason = reasons.get(error.status_code, str(error.detail))
        return json_answer({"error": reason}, error.status_code, error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        return json_answer({"error": f"{field}: {first['msg']}, got {quote_value(first.get('input'))}"}, 400)

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        return json_answer({"error": "the service failed on this request; its log has the reason"}, 500)
