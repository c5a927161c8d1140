"""Rules that every data set keeps, whatever its source."""

from __future__ import annotations

import numpy as np

from dataloader.dataset import Dataset
from driftlead.errors import InvalidDataError

__all__ = ["check"]


def check(dataset: Dataset, where: str) -> None:
    """Check shapes, names, labels and values.

    Parameters
    ----------
    dataset : Dataset
        What a source read.
    where : str
        What the message calls it, such as its path.

    Raises
    ------
    InvalidDataError
        A rule is broken; one line with the rule and the value.

    Examples
    --------
    >>> lonely = Dataset("d", np.ones((2, 1), np.float32), np.zeros(2, np.int64), ("x",), ("only",))
    >>> check(lonely, where="table.csv")
    Traceback (most recent call last):
    driftlead.errors.InvalidDataError: table.csv must have at least 2 classes, got 1
    """
    rows = len(dataset.features)
    width = int(np.prod(dataset.features.shape[1:]))
    if len(dataset.class_names) < 2:
        raise InvalidDataError(f"{where} must have at least 2 classes, got {len(dataset.class_names)}")
    if dataset.labels.shape != (rows,):
        raise InvalidDataError(
            f"{where} must have one label per row, got {dataset.labels.shape} for {rows} rows"
        )
    if len(dataset.feature_names) != width:
        names = len(dataset.feature_names)
        raise InvalidDataError(f"{where} must have one name per feature, got {names} for {width} features")
    if len(set(dataset.feature_names)) != width:
        raise InvalidDataError(f"{where} must have feature names that differ")
    counts = np.bincount(dataset.labels, minlength=len(dataset.class_names))
    if len(counts) > len(dataset.class_names) or counts.min() == 0:
        raise InvalidDataError(f"{where} must have rows of every class and of no other, got counts {counts}")
    flat = dataset.features.reshape(rows, width)
    usual = ~np.isinf(flat) if dataset.allows_missing else np.isfinite(flat)
    if not usual.all():
        row, column = np.argwhere(~usual)[0]
        name, value = dataset.feature_names[column], flat[row, column]
        raise InvalidDataError(f"{where}: feature {name!r} must be finite, got {value:g} in row {row + 1}")
