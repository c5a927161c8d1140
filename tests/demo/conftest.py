"""A real monitor behind the demo's eyes: two signals, and the progress of a scenario fed from its JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest

from driftlead.monitor import Monitor, MonitorSettings
from driftlead.reference import ReferenceProfile
from driftlead.signals import Signal
from executor.demo.progress import Progress
from executor.demo.scenario import Drift, Scenario, Traffic
from executor.demo.snapshot import parse_snapshot
from executor.demo.traffic import Batch

SIGNALS = (Signal("feature:pixel_0_0"), Signal("prediction:confidence"))


@pytest.fixture(scope="session")
def profile() -> ReferenceProfile:
    rows = np.random.default_rng(5).normal(size=(1_000, len(SIGNALS)))
    return ReferenceProfile.from_rows(SIGNALS, rows, model_hash="5e")


@pytest.fixture
def play(profile):
    """Play a scenario of 50-row requests. `shift` moves the first signal after the change, `early` moves it
    from half-way to the change on."""

    def run(clean: int, drifted: int, shift: float, early: float = 0.0, **settings) -> Progress:
        rng = np.random.default_rng(8)
        monitor = Monitor(profile, MonitorSettings(window=200, **settings))
        scenario = Scenario(
            traffic=Traffic(clean_rows=clean, drifted_rows=drifted, rows_per_second=1e4), drift=Drift()
        )
        progress = Progress(scenario)
        for start in range(0, clean + drifted, 50):
            if start == clean:
                progress.mark_change()
            rows = rng.normal(size=(50, len(SIGNALS)))
            rows[:, 0] += shift if start >= clean else early if start >= clean // 2 else 0.0
            monitor.process(rows)
            labels = np.zeros(50, np.int64)
            predicted = (np.arange(50) < (25 if start >= clean else 2)).astype(np.int64)
            batch = Batch(np.zeros((50, 8, 8), np.float32), labels, drifted=start >= clean)
            progress.answer(batch, predicted, now=start / 200)
            progress.observe(parse_snapshot(json.loads(json.dumps(monitor.snapshot().to_json()))))
        progress.finished = progress.change_row is not None
        progress.seconds = (clean + drifted) / 1e4
        return progress

    return run
