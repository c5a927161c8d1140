"""The HTTP application: Open Inference Protocol V2 over REST, and the monitor's state as JSON."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote
from uuid import uuid4

import orjson
from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from prometheus_client import CollectorRegistry
from starlette.exceptions import HTTPException

import driftlead
from driftlead.errors import StorageError
from driftlead.service.actions import add_action_routes
from driftlead.service.body import RequestBody
from driftlead.service.errors import RequestError, quote_value
from driftlead.service.inference import Exchange, InferenceWorker
from driftlead.service.limits import ConcurrencyGate, Limits
from driftlead.service.metrics import ServiceMetrics
from driftlead.service.openapi import INFER_OPERATION
from driftlead.service.predictor import Predictor, TensorSpec

if TYPE_CHECKING:
    from driftlead.monitor import Monitor

__all__ = ["create_app"]

_log = logging.getLogger(__name__)

# Without quotation marks and backslashes: not every reader of OpenMetrics gets them right in exemplars.
_PRINTABLE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '%"\\')
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")


def create_app(
    predictor: Predictor,
    monitor: Monitor | None,
    *,
    limits: Limits | None = None,
    registry: CollectorRegistry | None = None,
    class_names: Sequence[str] = (),
    api_key: str | None = None,
) -> FastAPI:
    """Build the application around a predictor and its monitor.

    The caller starts and closes the monitor and exposes the registry; the application owns the inference
    thread, which ends with its lifespan.

    Parameters
    ----------
    predictor : Predictor
        The model.
    monitor : Monitor or None
        Watches ``predictor.signals``; without one there are no routes of its own.
    limits : Limits, optional
        Bounds on requests.
    registry : CollectorRegistry, optional
        Where the service's metrics are registered; a private one by default.
    class_names : sequence of str
        Names of the classes, in the order of `Prediction.scores`, for ``driftlead_predictions_total``.

    Returns
    -------
    FastAPI
        ``app.state.worker`` is the inference thread, ``app.state.gate`` the concurrency limit.
    """
    limits = limits or Limits()
    registry = registry or CollectorRegistry()
    metrics = ServiceMetrics(registry, predictor.name, predictor.version, predictor.platform, class_names)
    worker = InferenceWorker(predictor, monitor, metrics, max_rows=limits.max_rows)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            yield
        finally:
            worker.close()

    app = FastAPI(
        title="driftlead",
        version=driftlead.__version__,
        summary=f"{predictor.name}, served by the Open Inference Protocol V2 and watched for drift",
        lifespan=lifespan,
        # FastAPI's own pages load scripts from elsewhere; the schema itself stays at /openapi.json.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.worker = worker
    app.state.gate = ConcurrencyGate(limits.max_concurrent_requests)
    _add_error_handlers(app)
    _add_index(app, predictor, watched=monitor is not None)
    if monitor is not None:
        _add_state_routes(app, predictor, monitor)
    _add_model_routes(app, predictor, worker)
    _add_infer_route(app, predictor, metrics, limits)
    if monitor is not None:
        add_action_routes(
            app, monitor, limits, registry, labels=(predictor.name, predictor.version), api_key=api_key
        )
    return app


def _json(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    return Response(body, status, media_type="application/json", headers=headers)


# --- errors ------------------------------------------------------------------------------------------


def _add_error_handlers(app: FastAPI) -> None:
    """Give every error one shape, the protocol's: ``{"error": "…"}``."""

    @app.exception_handler(RequestError)
    async def refused(request: Request, error: RequestError) -> Response:
        return _json({"error": error.message}, error.status, error.headers)

    @app.exception_handler(HTTPException)
    async def not_routed(request: Request, error: HTTPException) -> Response:
        where = f"{request.method} {quote_value(request.url.path)}"
        reasons = {404: f"nothing lies at {where}", 405: f"method not allowed: {where}"}
        reason = reasons.get(error.status_code, str(error.detail))
        return _json({"error": reason}, error.status_code, error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        return _json({"error": f"{field}: {first['msg']}, got {quote_value(first.get('input'))}"}, 400)

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        return _json({"error": "the service failed on this request; its log has the reason"}, 500)


# --- reading -----------------------------------------------------------------------------------------


def _add_index(app: FastAPI, predictor: Predictor, *, watched: bool) -> None:
    model_path = f"/v2/models/{quote(predictor.name, safe='')}"

    @app.get("/", summary="What is served here, and where to look")
    async def index() -> Response:
        links = {
            "model": model_path,
            "infer": f"{model_path}/infer",
            "ready": "/v2/health/ready",
            "openapi": "/openapi.json",
        }
        if watched:
            links |= {
                "monitor": "/api/v1/monitor",
                "episodes": "/api/v1/episodes",
                "feedback": "/feedback",
            }
        return _json(
            {
                "service": "driftlead",
                "model": predictor.name,
                "version": predictor.version,
                "links": links,
            }
        )


def _add_state_routes(app: FastAPI, predictor: Predictor, monitor: Monitor) -> None:
    # Not a coroutine: a snapshot waits for the monitor's worker, and must not make requests wait too.
    @app.get("/api/v1/monitor", summary="What the monitor knows: statistics, thresholds, alarms")
    def monitor_state() -> Response:
        return _json({"model": predictor.name, "version": predictor.version, **monitor.snapshot().to_json()})

    @app.get("/api/v1/episodes", summary="The latest episodes of drift, newest first")
    def episodes(limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> Response:
        try:
            found = monitor.episodes(limit)
        except StorageError:
            raise RequestError(
                503, "the store of episodes does not answer now", {"Retry-After": "5"}
            ) from None
        return _json({"episodes": [episode.to_document() for episode in found]})


def _add_model_routes(app: FastAPI, predictor: Predictor, worker: InferenceWorker) -> None:
    def readiness(**content: Any) -> Response:
        if worker.open:
            return _json({**content, "ready": True})
        return _json({**content, "ready": False, "error": "the service is shutting down"}, 503)

    @app.get("/v2", summary="Server metadata")
    async def server_metadata() -> Response:
        return _json({"name": "driftlead", "version": driftlead.__version__, "extensions": []})

    @app.get("/v2/health/live", summary="Whether the server runs")
    async def live() -> Response:
        return _json({"live": True})

    @app.get("/v2/health/ready", summary="Whether the server takes inference requests")
    async def ready() -> Response:
        return readiness()

    @app.get("/v2/models/{model}", summary="Model metadata")
    @app.get("/v2/models/{model}/versions/{version}", summary="Model metadata")
    async def model_metadata(model: str, version: str | None = None) -> Response:
        _require_model(predictor, model, version)
        return _json(
            {
                "name": predictor.name,
                "versions": [predictor.version],
                "platform": predictor.platform,
                "inputs": [_describe(spec) for spec in predictor.inputs],
                "outputs": [_describe(spec) for spec in predictor.outputs],
            }
        )

    @app.get("/v2/models/{model}/ready", summary="Whether the model takes inference requests")
    @app.get(
        "/v2/models/{model}/versions/{version}/ready", summary="Whether the model takes inference requests"
    )
    async def model_ready(model: str, version: str | None = None) -> Response:
        _require_model(predictor, model, version)
        return readiness(name=predictor.name)


def _describe(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "datatype": spec.datatype, "shape": list(spec.shape)}


def _require_model(predictor: Predictor, model: str, version: str | None) -> None:
    if model != predictor.name:
        known = quote_value(predictor.name)
        raise RequestError(404, f"model {quote_value(model)} is not served here, only {known}")
    if version is not None and version != predictor.version:
        asked, known = quote_value(version), quote_value(predictor.version)
        raise RequestError(404, f"version {asked} of this model is not served here, only {known}")


# --- inference ---------------------------------------------------------------------------------------


def _add_infer_route(app: FastAPI, predictor: Predictor, metrics: ServiceMetrics, limits: Limits) -> None:
    worker: InferenceWorker = app.state.worker
    gate: ConcurrencyGate = app.state.gate

    @app.post("/v2/models/{model}/infer", summary="Predict", openapi_extra=INFER_OPERATION)
    @app.post("/v2/models/{model}/versions/{version}/infer", summary="Predict", openapi_extra=INFER_OPERATION)
    async def infer(request: Request, model: str, version: str | None = None) -> Response:
        started = perf_counter()
        exchange = Exchange(_own_id(request))
        body = RequestBody(
            request, max_bytes=limits.max_body_bytes, timeout_seconds=limits.body_timeout_seconds
        )
        metrics.inflight.inc()
        try:
            _require_model(predictor, model, version)
            with gate.enter():
                answer = await worker.infer(await body.read(), exchange)
            response = _json(answer)
        except RequestError as error:
            await body.discard()
            response = _json({"error": error.message}, error.status, error.headers)
        finally:
            metrics.inflight.dec()
        # An id may hold any character, a header and an exemplar may not.
        printable_id = quote(exchange.id, safe=_PRINTABLE)
        response.headers["X-Request-Id"] = printable_id
        seconds = perf_counter() - started
        metrics.count_request(response.status_code, seconds, printable_id)
        _log_answer(exchange, response.status_code, seconds)
        return response


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
