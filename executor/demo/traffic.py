"""The rows of a scenario: drawn from the hold-out split, corrupted after the change, cut into requests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataloader.corruptions import NEEDS_IMAGES, corrupt
from executor.demo.scenario import Scenario, severities
from utils.environment import SettingsError

__all__ = ["Batch", "Holdout", "batches"]


@dataclass(frozen=True)
class Holdout:
    """Labelled rows that the model never saw.

    Parameters
    ----------
    rows : ndarray of float32, shape (n, *input shape of the model)
        Raw values.
    labels : ndarray of int64, shape (n,)
        Index of the true class.
    """

    rows: NDArray[np.float32]
    labels: NDArray[np.int64]

    @property
    def is_images(self) -> bool:
        """Whether a row has a height and a width."""
        return self.rows.ndim >= 3

    def valid_range(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lowest and highest raw value: of all pixels together, of each column of a table by itself."""
        axes = None if self.is_images else 0
        values = self.rows.astype(np.float64)
        return np.asarray(np.nanmin(values, axis=axes)), np.asarray(np.nanmax(values, axis=axes))


@dataclass(frozen=True)
class Batch:
    """One request's rows. A batch never holds clean and drifted rows together."""

    rows: NDArray[np.float32]
    labels: NDArray[np.int64]
    drifted: bool


def batches(scenario: Scenario, holdout: Holdout) -> Iterator[Batch]:
    """Yield clean requests, then drifted ones without end.

    Rows come in shuffled passes through the hold-out split: none comes twice before each has come once. Drawn
    with replacement they would look less like the reference than new rows do, since what sets the small
    hold-out split apart from it would add to what sets a window of repetitions apart from the hold-out split.

    Raises
    ------
    utils.environment.SettingsError
        The drift needs images and the model takes a table.
    """
    drift = scenario.drift
    if drift.kind in NEEDS_IMAGES and not holdout.is_images:
        columns = holdout.rows.shape[1]
        raise SettingsError(f"demo.drift.kind: {drift.kind} needs images, this model takes {columns} columns")
    return _endless(scenario, holdout)


def _endless(scenario: Scenario, holdout: Holdout) -> Iterator[Batch]:
    traffic, drift = scenario.traffic, scenario.drift
    low, high = holdout.valid_range()
    rng = np.random.default_rng(traffic.seed)
    waiting = np.empty(0, dtype=np.int64)
    sent = 0
    while True:
        drifted = sent >= traffic.clean_rows
        size = (
            traffic.rows_per_request if drifted else min(traffic.rows_per_request, traffic.clean_rows - sent)
        )
        while len(waiting) < size:
            waiting = np.concatenate([waiting, rng.permutation(len(holdout.labels))])
        drawn, waiting = waiting[:size], waiting[size:]
        rows = holdout.rows[drawn]
        if drifted:
            severity = severities(drift, np.arange(sent + 1, sent + size + 1) - traffic.clean_rows)
            rows = corrupt(drift.kind, rows, severity, low, high, rng).astype(np.float32)
        yield Batch(rows, holdout.labels[drawn], drifted)
        sent += size
