"""A model that another server serves: its events, and the application that watches it."""

from __future__ import annotations

import asyncio
import json

import httpx
import numpy as np
from prometheus_client import CollectorRegistry

from driftlead.monitor import Monitor, MonitorSettings
from driftlead.reference import ReferenceProfile
from driftlead.service import Limits, Translation, create_watch_app
from driftlead.signals import classification_signals, feature_signals

FEATURES = feature_signals(["a", "b", "c"])
ROWS = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
SCORES = np.array([[0.25, 0.75], [0.875, 0.125]])
SIGNALS = (*FEATURES, *classification_signals())
REQUEST = {
    "id": "own",
    "inputs": [{"name": "x", "shape": [2, 3], "datatype": "FP32", "data": ROWS.tolist()}],
    "outputs": [{"name": "p"}],
}
RESPONSE = {
    "id": "own",
    "outputs": [
        {"name": "label", "shape": [2], "datatype": "INT64", "data": [1, 0]},
        {"name": "p", "shape": [2, 2], "datatype": "FP32", "data": SCORES.ravel().tolist()},
    ],
}
EMPTY = {"binary_data_size": 0}
KSERVE = "org.kubeflow.serving.inference."


def profile_of(signals) -> ReferenceProfile:
    rows = np.random.default_rng(0).random((300, len(signals)))
    return ReferenceProfile.from_rows(signals, rows.round(), model_hash="")


class Watching:
    """A watching application, and ways to send it events."""

    def __init__(self, signals=SIGNALS, **options):
        self.registry = CollectorRegistry()
        profile = profile_of(signals)
        self.monitor = Monitor(profile, MonitorSettings(window=50))
        self.observed = []
        self.monitor.observe = lambda rows, ids, scores: self.observed.append((rows, ids, scores))
        self.app = create_watch_app(
            self.monitor,
            Translation(profile),
            model="m",
            version="1",
            registry=self.registry,
            limits=Limits(max_body_bytes=100_000),
            **options,
        )

    def request(self, method, path, **content) -> httpx.Response:
        async def ask():
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://watch") as client:
                return await client.request(method, path, **content)

        return asyncio.run(ask())

    def send(self, side, payload, name="7", **headers) -> httpx.Response:
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        ce = {"ce-id": name, "ce-type": KSERVE + side, "ce-specversion": "1.0", "ce-source": "x", **headers}
        return self.request("POST", "/events", content=body, headers=ce)

    def outcomes(self) -> dict[str, float]:
        found = {}
        for family in self.registry.collect():
            for sample in family.samples:
                if sample.name == "driftlead_events_total" and sample.value:
                    found[sample.labels["outcome"]] = sample.value
        return found
