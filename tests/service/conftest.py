"""The application around a real model and a real monitor, called without a network in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from driftlead.monitor import Monitor, MonitorSettings, Store
from driftlead.reference import ReferenceProfile
from driftlead.service import Limits, create_app
from driftlead.signals import join_rows
from tests.service.elsewhere import Watching
from tests.service.linear import CLASS_NAMES, LinearClassifier

INFER = "/v2/models/linear/infer"


class Service:
    """An application, what it was built from, and a way to call it."""

    def __init__(self, app: FastAPI, monitor: Monitor, registry: CollectorRegistry) -> None:
        self.app = app
        self.monitor = monitor
        self.registry = registry

    def request(self, method: str, path: str, **content: Any) -> httpx.Response:
        return asyncio.run(self.request_async(method, path, **content))

    async def request_async(self, method: str, path: str, **content: Any) -> httpx.Response:
        transport = httpx.ASGITransport(app=self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            return await client.request(method, path, **content)

    def get(self, path: str) -> httpx.Response:
        return self.request("GET", path)

    def infer(self, body: Any, path: str = INFER, **content: Any) -> httpx.Response:
        """Post bytes as they are, anything else as JSON."""
        key = "content" if isinstance(body, bytes) else "json"
        return self.request("POST", path, **{key: body}, **content)

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(
            f"driftlead_{name}", {"model": "linear", "version": "1f", **labels}
        )


@pytest.fixture(scope="session")
def linear_profile() -> ReferenceProfile:
    rows = np.random.default_rng(5).normal(size=(500, 3)).astype(np.float32)
    model = LinearClassifier()
    prediction = model.predict({"input": rows})
    profile = ReferenceProfile.from_rows(
        model.signals, join_rows([prediction.signals]), model_hash=model.version
    )
    profile = profile.with_quality(prediction.scores, prediction.outputs["label"], CLASS_NAMES)
    # The kernels are compiled here: in the first test that sends labels they would outlast its patience.
    with Monitor(profile, MonitorSettings(window=100)):
        return profile


@pytest.fixture
def make_service(linear_profile: ReferenceProfile) -> Iterator[Callable[..., Service]]:
    """Build services from a predictor and limits; all are taken down at the end."""
    made: list[Service] = []

    def make(
        predictor: Any = None,
        store: Store | None = None,
        api_key: str | None = None,
        watched: bool = True,
        **limits: Any,
    ) -> Service:
        registry = CollectorRegistry()
        monitor = Monitor(linear_profile, MonitorSettings(window=100), store=store)
        app = create_app(
            predictor or LinearClassifier(),
            monitor if watched else None,
            limits=Limits(**limits),
            registry=registry,
            class_names=CLASS_NAMES,
            api_key=api_key,
        )
        made.append(Service(app, monitor, registry))
        return made[-1]

    yield make
    for service in made:
        service.app.state.worker.close()
        service.monitor.close()


@pytest.fixture
def service(make_service: Callable[..., Service]) -> Service:
    return make_service()


def tensor(data: Any, **changes: Any) -> dict[str, Any]:
    """A request that fits the linear classifier, but for the changes to its one tensor."""
    return {"inputs": [{"name": "input", "shape": [1, 3], "datatype": "FP32", "data": data, **changes}]}


@pytest.fixture
def watching():
    made = []

    def make(*arguments, **options):
        made.append(Watching(*arguments, **options))
        return made[-1]

    yield make
    for each in made:
        each.app.state.thread.shutdown()
        each.monitor.close()
