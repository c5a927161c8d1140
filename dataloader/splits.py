"""Split rows into train, reference and hold-out, each with the classes in the same proportions."""

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
    """Split a data set at random, class by class.

    Parameters
    ----------
    dataset : Dataset
        Its ``labels`` and ``class_names`` are used.
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
    for label, name in enumerate(dataset.class_names):
        rows = random.permutation(np.flatnonzero(dataset.labels == label))
        pieces = np.split(rows, np.rint(cuts * len(rows)).astype(int))
        if not all(map(len, pieces)):
            sizes = " / ".join(str(len(piece)) for piece in pieces)
            raise InvalidDataError(
                f"class {name!r} has too few rows for this split: {len(rows)} rows give {sizes} for "
                "train / reference / holdout"
            )
        for part, piece in zip(parts, pieces, strict=True):
            part.append(piece)
    return Splits(*(np.sort(np.concatenate(part)) for part in parts))
