"""One data set in memory, and its fingerprint."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["Dataset", "served_name"]


@dataclass(frozen=True)
class Dataset:
    """Labelled rows in raw units, as a client of the deployed model would send them.

    Attributes
    ----------
    name : str
        What the served model is called; `served_name` makes one of a path.
    features : ndarray of float32, shape (n, n_features), (n, height, width) or (n, height, width, 3)
        Table rows or images. NaN is a missing value.
    labels : ndarray of int64, shape (n,)
        Index into ``class_names``.
    feature_names : tuple of str
        One per scalar of a row, in the order of its flattened features.
    class_names : tuple of str
        In the order of the network's outputs.
    allows_missing : bool
        Whether NaN is legal, here and in service.
    time_ordered : bool
        Whether rows are in the order of time; otherwise their order says nothing.
    """

    name: str
    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...]
    allows_missing: bool = False
    time_ordered: bool = False

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over features, labels and names, in hexadecimal: equal only for equal data."""
        digest = hashlib.sha256()
        for names in (self.feature_names, self.class_names):
            digest.update(repr(names).encode())
        for array, dtype in ((self.features, "<f4"), (self.labels, "<i8")):
            digest.update(repr(array.shape).encode())
            digest.update(np.ascontiguousarray(array, dtype=dtype).tobytes())
        return digest.hexdigest()


def served_name(path: Path) -> str:
    """Name a model after its data, in characters that a URL takes as they are.

    Examples
    --------
    >>> served_name(Path("data/My flowers.csv"))
    'My-flowers'
    """
    return re.sub(r"[^A-Za-z0-9._-]+", "-", path.resolve().stem).strip("-.") or "model"
