"""The HTTP application: a model served by the protocols, and watched."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

from fastapi import FastAPI, Response
from prometheus_client import CollectorRegistry

from driftlead.errors import InvalidParameterError
from driftlead.service.actions import add_action_routes
from driftlead.service.answers import json_answer
from driftlead.service.api_key import checked_api_key
from driftlead.service.events import EventWatch, Translation, add_event_routes
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
from driftlead.service.v2 import add_health_routes, add_v2_routes

if TYPE_CHECKING:
    from driftlead.monitor import Monitor

__all__ = ["create_app", "create_watch_app"]


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

    The caller starts and closes the monitor and exposes the registry; the application owns the
    thread of inference, which ends with its lifespan.

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
    api_key : str, optional
        What clients must show to change the monitor; without one nothing is asked for.

    Raises
    ------
    InvalidParameterError
        The model's name or version cannot stand in an address, or the key is empty.

    Returns
    -------
    FastAPI
        ``app.state.worker`` answers inference requests, ``app.state.gate`` the concurrency limit.
    """
    checked_api_key(api_key)
    for part in ("name", "version"):
        if not (value := getattr(predictor, part)) or "/" in value:
            raise InvalidParameterError(part, "a part of an address, without a slash", value)
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
    named = {"model": predictor.name, "version": predictor.version}
    route = InferenceRoute(predictor, worker, metrics, limits, app.state.gate)
    add_v2_routes(app, predictor, worker, route, monitor)
    add_v1_routes(app, route)
    add_page_routes(app, monitor, needs_key=api_key is not None, **named)
    watched = _WATCHED_LINKS if monitor is not None else {}
    _add_index(app, {**_model_links(predictor.name), **watched}, **named)
    if monitor is not None:
        add_reading_routes(app, monitor, **named)
        add_action_routes(app, monitor, limits, registry, api_key=api_key, **named)
    return app


def create_watch_app(
    monitor: Monitor,
    translation: Translation,
    *,
    model: str,
    version: str,
    limits: Limits | None = None,
    registry: CollectorRegistry | None = None,
    max_pending_bytes: int = 256 * 1024 * 1024,
    max_pending_seconds: float = 60.0,
    api_key: str | None = None,
) -> FastAPI:
    """Build the application that watches a model which another server serves, by its payload logger's events.

    The caller starts and closes the monitor and exposes the registry.

    Parameters
    ----------
    monitor : Monitor
    translation : Translation
        How payloads become the monitor's signals.
    model, version : str
        The model's names on the wire.
    limits : Limits, optional
        Bounds on requests.
    registry : CollectorRegistry, optional
        Where metrics are registered; a private one by default.
    max_pending_bytes, max_pending_seconds
        Most memory of requests and responses whose other half has not come, and their longest wait.
    api_key : str, optional
        As for `create_app`. Events need none: payload loggers cannot show one.

    Raises
    ------
    InvalidParameterError
        The key is empty.

    Returns
    -------
    FastAPI
        ``app.state.watch`` is the `driftlead.service.events.EventWatch`.
    """
    checked_api_key(api_key)
    limits = limits or Limits()
    registry = registry or CollectorRegistry()
    named = {"model": model, "version": version}
    watch = EventWatch(monitor, translation, max_bytes=max_pending_bytes, max_seconds=max_pending_seconds)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            yield
        finally:
            app.state.open = False
            app.state.thread.shutdown(wait=True)

    app = new_application(f"{model}, served elsewhere and watched for drift", lifespan)
    app.state.open = True
    app.state.watch = watch
    add_page_routes(app, monitor, needs_key=api_key is not None, **named)
    _add_index(app, {"events": "/events", **_WATCHED_LINKS}, **named)
    add_health_routes(app, lambda: bool(app.state.open))
    app.state.thread = add_event_routes(app, watch, limits, registry, **named)
    add_reading_routes(app, monitor, **named)
    add_action_routes(app, monitor, limits, registry, api_key=api_key, **named)
    return app


_WATCHED_LINKS = {"monitor": "/api/v1/monitor", "episodes": "/api/v1/episodes", "feedback": "/feedback"}


def _model_links(name: str) -> dict[str, str]:
    path = f"/v2/models/{quote(name, safe='')}"
    return {"model": path, "infer": f"{path}/infer"}


def _add_index(app: FastAPI, links: Mapping[str, str], *, model: str, version: str) -> None:
    everywhere = {"ready": "/v2/health/ready", "openapi": "/openapi.json"}

    @app.get("/", summary="What is served here, and where to look", **INDEX)
    async def index() -> Response:
        content = {"service": "driftlead", "model": model, "version": version}
        return json_answer({**content, "links": {**links, **everywhere}})
