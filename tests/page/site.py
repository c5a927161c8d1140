"""A served, monitored model at an address of its own, which can be stopped and started again there."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import numpy as np
import uvicorn

from driftlead.monitor import Monitor, MonitorSettings, StateFolder
from driftlead.reference import ReferenceProfile
from driftlead.service import Prediction, TensorSpec, create_app
from driftlead.signals import classification_signals, classification_values, feature_signals
from tests.programs import free_port

KEY = "a key that is long enough"
CLASS_NAMES = ("cat", "dog")


class Model:
    """A logistic regression on all of its features; labels follow its probabilities."""

    name, version, platform = "digits", "3f9a2c11d0", "numpy"
    allows_missing = False
    outputs = (TensorSpec("probabilities", "FP32", (-1, 2)),)

    def __init__(self, features: Sequence[str]) -> None:
        self.n_features = len(features)
        self.inputs = (TensorSpec("input", "FP32", (-1, self.n_features)),)
        self.signals = (*feature_signals(features), *classification_signals())

    def predict(self, inputs):
        rows = inputs["input"]
        high = 1.0 / (1.0 + np.exp(-3.0 * rows.sum(axis=1) / np.sqrt(self.n_features)))
        probabilities = np.column_stack([1.0 - high, high])
        return Prediction(
            outputs={"probabilities": probabilities},
            signals=np.hstack([rows, classification_values(probabilities)]),
            scores=probabilities.astype(np.float32),
        )


class Site:
    """The service, the rows that it has seen, and its address."""

    def __init__(self, features: Sequence[str], *, api_key: str | None = None, folder=None) -> None:
        self.model = Model(features)
        self.api_key = api_key
        self.folder = folder
        self.rng = np.random.default_rng(8)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        rows = self.rng.normal(size=(1_000, len(features)))
        prediction = self.model.predict({"input": rows})
        self.profile = ReferenceProfile.from_rows(
            self.model.signals, prediction.signals, model_hash=self.model.version
        ).with_quality(prediction.scores, self._labels(prediction.scores), CLASS_NAMES)
        self.names = 0
        self.start()

    def start(self, *, watched: bool = True) -> None:
        """Start the service; its monitor goes on from the folder, if there is one."""
        folder = None if self.folder is None else StateFolder(self.folder)
        settings = MonitorSettings(window=100, false_alarm_every=1e6, save_every_seconds=1.0)
        self.monitor = Monitor(self.profile, settings, folder=folder)
        self.monitor.start()
        app = create_app(
            self.model,
            self.monitor if watched else None,
            class_names=CLASS_NAMES,
            api_key=self.api_key,
        )
        config = uvicorn.Config(app, port=self.port, log_config=None, timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()
        self.monitor.close()

    def see(
        self, rows: int, *, shift: float = 0.0, of: int = 1, wrong: float = 0.0, seconds_ago: float = 0.0
    ):
        """Have rows predicted, monitored and labelled; every ``of``-th feature is shifted."""
        values = self.rng.normal(size=(rows, self.model.n_features))
        values[:, ::of] += shift
        prediction = self.model.predict({"input": values})
        ids = [f"r{self.names + number}" for number in range(rows)]
        self.names += rows
        self.monitor.process(
            prediction.signals, ids=ids, scores=prediction.scores, observed_at=time.time() - seconds_ago
        )
        labels = self._labels(prediction.scores)
        labels[self.rng.random(rows) < wrong] ^= 1
        self.monitor.feedback(ids, labels)

    def live_through(self, seconds: float, drift_from: float, *, of: int = 7, every: float = 10.0) -> None:
        """See so many seconds of the past until now, the last ``drift_from`` of them drifted."""
        for ago in np.arange(seconds, 0, -every):
            drifted = ago <= drift_from
            self.see(10, shift=1.4 if drifted else 0.0, of=of, wrong=0.2 if drifted else 0.0, seconds_ago=ago)

    def _labels(self, scores):
        return (self.rng.random(len(scores)) < scores[:, 1]).astype(int)
