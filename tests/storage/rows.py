"""Predictions to keep."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from driftlead.monitor.records import PredictionBatch


def predicted(ids: Sequence[str], *, made_at: float = 1000.0, columns: int = 3) -> PredictionBatch:
    """Predictions a second apart whose outputs tell them apart."""
    n = len(ids)
    outputs = np.arange(n * columns, dtype=np.float32).reshape(n, columns)
    return PredictionBatch(ids, made_at + np.arange(n, dtype=np.float64), outputs)
