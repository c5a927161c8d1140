"""Our data: read from a configured source, checked, split, and served in batches."""

from __future__ import annotations

from dataloader.config import DataSettings, DigitsSource, FolderSource, TableSource
from dataloader.dataset import Dataset
from dataloader.images import read_digits, read_folder
from dataloader.schema import check
from dataloader.splits import Splits, split
from dataloader.tables import read_table

__all__ = ["Dataset", "Splits", "load", "split"]


def load(source: DataSettings) -> Dataset:
    """Read the configured data and check them.

    Parameters
    ----------
    source : DigitsSource, FolderSource or TableSource
        The ``data`` section of ``configs/model.yaml``.

    Raises
    ------
    InvalidDataError
        The data cannot be read or break a rule; one line that names file, column, rule and value.

    Examples
    --------
    >>> digits = load(DigitsSource())
    >>> digits.features.shape, digits.feature_names[0], digits.class_names[-1]
    ((1797, 8, 8), 'pixel_0_0', '9')
    """
    match source:
        case DigitsSource():
            dataset = read_digits()
        case FolderSource():
            dataset = read_folder(source)
        case TableSource():
            dataset = read_table(source)
    check(dataset, where=source.where)
    return dataset
