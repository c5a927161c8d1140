"""Split rows into train, reference and hold-out: class by class, or by time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dataloader.config import SplitFractions
from dataloader.dataset import Dataset
from driftlead.errors import InvalidDataError

__all__ = ["Splits", "split"]


class Splits(NamedTuple):
    """Row indices of each part, ascending and disjoint; together they are all rows."""

    train: NDArray[np.int64]
    reference: NDArray[np.int64]
    holdout: NDArray[np.int64]


def split(dataset: Dataset, fractions: SplitFractions, seed: int) -> Splits:
    """Split a data set: at random, class by class; or, where rows are in the order of time, by time.

    By time, the parts follow each other and nothing is drawn: a model is judged on what came after it, and
    the rows of the reference depend on each other as those in service will.

    Parameters
    ----------
    dataset : Dataset
        Its ``labels``, ``class_names`` and ``time_ordered`` are used.
    fractions : SplitFractions
        Shares of train, reference and hold-out.
    seed : int
        The same seed, data and fractions give the same split.

    Raises
    ------
    InvalidDataError
        A class has too few rows for each part to get one.

    Examples
    --------
    >>> labels = np.repeat([0, 1], [8, 4])
    >>> data = Dataset("d", np.zeros((12, 1), np.float32), labels, ("x",), ("a", "b"))
    >>> parts = split(data, SplitFractions(train=0.5, reference=0.25, holdout=0.25), seed=0)
    >>> [np.bincount(labels[rows]).tolist() for rows in parts]
    [[4, 2], [2, 1], [2, 1]]
    """
    random = np.random.default_rng(seed)
    cuts = np.cumsum([fractions.train, fractions.reference])
    parts: tuple[list[NDArray[np.int64]], ...] = ([], [], [])
    ends = np.rint(cuts * len(dataset.labels)).astype(int)
    for label, name in enumerate(dataset.class_names):
        rows = np.flatnonzero(dataset.labels == label)
        if dataset.time_ordered:
            pieces = np.split(rows, np.searchsorted(rows, ends))
        else:
            pieces = np.split(random.permutation(rows), np.rint(cuts * len(rows)).astype(int))
        if not all(map(len, pieces)):
            sizes = " / ".join(str(len(piece)) for piece in pieces)
            raise InvalidDataError(
                f"class {name!r} has too few rows for this split: {len(rows)} rows give {sizes} for "
                "train / reference / holdout"
            )
        for part, piece in zip(parts, pieces, strict=True):
            part.append(piece)
    return Splits(*(np.sort(np.concatenate(part)) for part in parts))
