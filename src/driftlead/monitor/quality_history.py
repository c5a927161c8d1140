"""How good the model was over time."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np

from driftlead.monitor.history import QUALITY_COLUMNS, History, HistorySamples
from driftlead.monitor.snapshot import LabelsSnapshot

__all__ = ["QualityHistory"]


class QualityHistory:
    """The model's quality over time, in columns `QUALITY_COLUMNS`; for several threads.

    Parameters
    ----------
    every_seconds : float
        Time between two samples.
    """

    def __init__(self, every_seconds: float) -> None:
        self._history = History(len(QUALITY_COLUMNS), "latest", every_seconds=every_seconds)
        self._lock = threading.Lock()

    def add(self, now: float, row: int, labels: LabelsSnapshot) -> None:
        """Take a sample: what labels and estimate say now, after so many monitored rows."""
        measured = labels.metrics.get("accuracy", labels.metrics.get("mae", np.nan))
        estimate = labels.estimate
        estimated = (estimate.estimate, estimate.low, estimate.high) if estimate else [np.nan] * 3
        with self._lock:
            self._history.add(now, row, [measured, *estimated])

    def samples(self) -> HistorySamples:
        """Return all samples, as copies."""
        with self._lock:
            return self._history.samples()

    def state(self) -> dict[str, Any]:
        """Return plain arrays that `restore` continues from."""
        with self._lock:
            return self._history.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue where `state` was taken; raises as `History.restore`."""
        self._history.restore(state)
