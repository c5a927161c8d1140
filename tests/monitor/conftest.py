"""A small profile to watch: two numeric signals and a categorical one."""

from __future__ import annotations

import numpy as np
import pytest

from driftlead.monitor import MonitorSettings
from driftlead.reference import ReferenceProfile
from driftlead.signals import Signal

SIGNALS = (Signal("feature:a"), Signal("feature:b"), Signal("prediction:class", "categorical"))


def draw(rng: np.random.Generator, rows: int, shift: float = 0.0) -> np.ndarray:
    """Rows of the three signals; `shift` moves the first alone."""
    return np.column_stack(
        [rng.normal(shift, 1.0, rows), rng.exponential(1.0, rows), rng.integers(0, 3, rows)]
    )


@pytest.fixture
def rng():
    return np.random.default_rng(11)


@pytest.fixture
def profile(rng):
    return ReferenceProfile.from_rows(SIGNALS, draw(rng, 2_000), model_hash="1f")


@pytest.fixture
def settings():
    return MonitorSettings(window=100, false_alarm_every=100_000)
