"""The HTTP application: a model served by the protocols, and watched."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

from fastapi import FastAPI, Response
from prometheus_client import CollectorRegistry

from driftlead.service.actions import add_action_routes
from driftlead.service.answers import json_answer
from driftlead.service.inference import InferenceWorker
from driftlead.service.limits import ConcurrencyGate, Limits
from driftlead.service.metrics import ServiceMetrics
from driftlead.service.openapi import INDEX
from driftlead.service.page import add_page_routes
from driftlead.service.predictor import Predictor
from driftlead.service.reading import add_reading_routes
from driftlead.service.routing import InferenceRoute
from driftlead.service.shell import new_application
from driftlead.service.v1 import add_v1_routes
from driftlead.service.v2 import add_v2_routes

if TYPE_CHECKING:
    from driftlead.monitor import Monitor

__all__ = ["create_app"]


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

    app = new_application(
        f"{predictor.name}, served by the Open Inference Protocol V2 and watched for drift", lifespan
    )
    app.state.worker = worker
    app.state.gate = ConcurrencyGate(limits.max_concurrent_requests)
    add_page_routes(app, predictor, monitor, needs_key=api_key is not None)
    _add_index(app, predictor, watched=monitor is not None)
    route = InferenceRoute(predictor, worker, metrics, limits, app.state.gate)
    add_v2_routes(app, predictor, worker, route)
    add_v1_routes(app, route)
    if monitor is not None:
        named = {"model": predictor.name, "version": predictor.version}
        add_reading_routes(app, monitor, **named)
        add_action_routes(app, monitor, limits, registry, api_key=api_key, **named)
    return app


def _add_index(app: FastAPI, predictor: Predictor, *, watched: bool) -> None:
    model_path = f"/v2/models/{quote(predictor.name, safe='')}"

    @app.get("/", summary="What is served here, and where to look", **INDEX)
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
        return json_answer(
            {
                "service": "driftlead",
                "model": predictor.name,
                "version": predictor.version,
                "links": links,
            }
        )
