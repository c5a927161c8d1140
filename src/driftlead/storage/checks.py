"""What may be kept: texts that every database takes, finite times and labels, arrays that fit each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from driftlead.errors import InvalidDataError, InvalidParameterError
from driftlead.monitor.records import ID_RULE, PredictionBatch, are_ids, is_id

__all__ = ["MOST_COLUMNS", "check_id", "check_predictions", "first_labels"]

MOST_COLUMNS = 10_000


def check_id(parameter: str, text: str) -> None:
    """Raise InvalidParameterError unless a text can be stored as a name."""
    if not is_id(text):
        raise InvalidParameterError(parameter, ID_RULE, text)


def check_predictions(batch: PredictionBatch) -> None:
    """Raise InvalidDataError unless ids, times and outputs fit each other and can be stored."""
    _check_ids(batch.ids)
    n = len(batch.ids)
    _check_finite("made_at", batch.made_at, n)
    if batch.outputs.ndim != 2 or len(batch.outputs) != n or not 1 <= batch.outputs.shape[1] <= MOST_COLUMNS:
        raise InvalidDataError(
            f"outputs must have shape ({n}, k) with k from 1 to {MOST_COLUMNS}, got {batch.outputs.shape}"
        )


def first_labels(ids: Sequence[str], labels: NDArray[np.float64], received_at: float) -> dict[str, float]:
    """Return the first label of each id in order; raise InvalidDataError for what cannot be stored."""
    _check_ids(ids)
    _check_finite("labels", labels, len(ids))
    if not np.isfinite(received_at):
        raise InvalidParameterError("received_at", "finite", received_at)
    pairs = list(zip(ids, labels.tolist(), strict=True))
    first = dict(pairs)
    if len(first) < len(pairs):
        first.update(reversed(pairs))  # the first label of an id is the last to be set
    return first


def _check_ids(ids: Sequence[str]) -> None:
    if not are_ids(ids):
        wrong = next(id for id in ids if not is_id(id))
        raise InvalidDataError(f"an id must be {ID_RULE}, got {wrong!r}")


def _check_finite(name: str, values: NDArray[np.float64], n: int) -> None:
    if values.shape != (n,):
        raise InvalidDataError(f"{name} must have shape ({n},), one for each id, got {values.shape}")
    finite = np.isfinite(values)
    if not finite.all():
        raise InvalidDataError(f"{name} must be finite, got {values[~finite][0]}")
