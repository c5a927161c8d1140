"""The way of an inference request through the service, whatever its protocol."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from time import perf_counter
from urllib.parse import quote
from uuid import uuid4

from fastapi import Request, Response

from driftlead.service.answers import json_answer
from driftlead.service.body import RequestBody
from driftlead.service.encoding import Encoded
from driftlead.service.errors import RequestError, quote_value
from driftlead.service.inference import Call, Exchange, InferenceWorker
from driftlead.service.limits import ConcurrencyGate, Limits
from driftlead.service.metrics import ServiceMetrics
from driftlead.service.predictor import Predictor

__all__ = ["InferenceRoute", "require_model"]

_log = logging.getLogger(__name__)

# Without quotation marks and backslashes: not every reader of OpenMetrics gets them right in exemplars.
_PRINTABLE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '%"\\')
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")


class InferenceRoute:
    """Reads within limits, has the worker answer, counts and logs.

    Parameters
    ----------
    predictor : Predictor
    worker : InferenceWorker
    metrics : ServiceMetrics
    limits : Limits
    gate : ConcurrencyGate
    """

    def __init__(
        self,
        predictor: Predictor,
        worker: InferenceWorker,
        metrics: ServiceMetrics,
        limits: Limits,
        gate: ConcurrencyGate,
    ) -> None:
        self._predictor = predictor
        self._worker = worker
        self._metrics = metrics
        self._limits = limits
        self._gate = gate

    async def answer(
        self,
        request: Request,
        model: str,
        version: str | None,
        call: Callable[[bytes, Request], Call],
        respond: Callable[[Encoded], Response],
    ) -> Response:
        """Answer one request.

        Parameters
        ----------
        request : Request
        model, version : str or None
            What is asked, by its address.
        call : callable
            From the body, and the request for its headers, to what the worker reads; may raise
            `RequestError`.
        respond : callable
            From the encoded answer to the response.
        """
        started = perf_counter()
        exchange = Exchange(_own_id(request))
        body = RequestBody(
            request,
            max_bytes=self._limits.max_body_bytes,
            timeout_seconds=self._limits.body_timeout_seconds,
        )
        self._metrics.inflight.inc()
        try:
            require_model(self._predictor, model, version)
            with self._gate.enter():
                content = await body.read()
                answer = await self._worker.infer(call(content, request), exchange, len(content))
            response = respond(answer)
        except RequestError as error:
            await body.discard()
            response = json_answer({"error": error.message}, error.status, error.headers)
        finally:
            self._metrics.inflight.dec()
        # An id may hold any character, a header and an exemplar may not.
        printable_id = quote(exchange.id, safe=_PRINTABLE)
        response.headers["X-Request-Id"] = printable_id
        seconds = perf_counter() - started
        self._metrics.count_request(response.status_code, seconds, printable_id)
        _log_answer(exchange, response.status_code, seconds)
        return response


def require_model(predictor: Predictor, model: str, version: str | None) -> None:
    """Refuse another model or version than the one that is served.

    Raises
    ------
    RequestError
        404.
    """
    if model != predictor.name:
        known = quote_value(predictor.name)
        raise RequestError(404, f"model {quote_value(model)} is not served here, only {known}")
    if version is not None and version != predictor.version:
        asked, known = quote_value(version), quote_value(predictor.version)
        raise RequestError(404, f"version {asked} of this model is not served here, only {known}")


def _own_id(request: Request) -> str:
    """Take over the id that a proxy gave the request, if it is a plain one, or make one."""
    given = request.headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else str(uuid4())


def _log_answer(exchange: Exchange, status: int, seconds: float) -> None:
    level = logging.DEBUG if status == 200 else logging.WARNING if status >= 500 else logging.INFO
    fields = {
        "request_id": exchange.id,
        "code": status,
        "rows": exchange.rows,
        "duration_seconds": round(seconds, 6),
    }
    _log.log(level, "inference request %s answered with %d", exchange.id, status, extra=fields)
