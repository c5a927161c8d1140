"""The monitor's state as JSON."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Query, Response

from driftlead.errors import StorageError
from driftlead.monitor import Monitor
from driftlead.service.answers import json_answer
from driftlead.service.errors import RequestError
from driftlead.service.openapi import EPISODES, MONITOR

__all__ = ["add_reading_routes"]


def add_reading_routes(app: FastAPI, monitor: Monitor, *, model: str, version: str) -> None:
    """Add the routes.

    Parameters
    ----------
    app : FastAPI
    monitor : Monitor
    model, version : str
        What it watches.
    """

    # Not a coroutine: a snapshot waits for the monitor's worker, and must not make requests wait too.
    @app.get("/api/v1/monitor", summary="What the monitor knows: statistics, thresholds, alarms", **MONITOR)
    def monitor_state() -> Response:
        return json_answer({"model": model, "version": version, **monitor.snapshot().to_json()})

    @app.get("/api/v1/episodes", summary="The latest episodes of drift, newest first", **EPISODES)
    def episodes(limit: Annotated[int, Query(ge=1, le=200)] = 100) -> Response:
        try:
            found = monitor.episodes(limit)
        except StorageError:
            raise RequestError(
                503, "the store of episodes does not answer now", {"Retry-After": "5"}
            ) from None
        return json_answer({"episodes": [episode.to_document() for episode in found]})
