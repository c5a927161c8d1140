"""The ``data`` and ``split`` sections of ``configs/model.yaml``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator

__all__ = ["DataSettings", "DigitsSource", "FolderSource", "SplitFractions", "TableSource"]


class DigitsSource(BaseModel, extra="forbid", frozen=True):
    """Handwritten digits, 8 × 8 pixels, 1 797 of them, shipped inside scikit-learn."""

    source: Literal["digits"] = "digits"

    @property
    def where(self) -> str:
        """What messages call the data."""
        return "digits"


class _FileSource(BaseModel, extra="forbid", frozen=True):
    path: Path

    @property
    def where(self) -> str:
        """What messages call the data."""
        return str(self.path)


class FolderSource(_FileSource, frozen=True):
    """Images in one folder per class: ``path/<class>/<file>.png``.

    Attributes
    ----------
    path : Path
        The folder of the class folders.
    mode : {"grayscale", "rgb"}
        What every image is converted to.
    size : (int, int)
        Height and width in pixels that every image is resized to. Each pixel (and colour) becomes a watched
        signal.
    """

    source: Literal["folder"]
    mode: Literal["grayscale", "rgb"] = "grayscale"
    size: tuple[Annotated[int, Field(ge=4, le=512)], Annotated[int, Field(ge=4, le=512)]] = (16, 16)


class TableSource(_FileSource, frozen=True):
    """A CSV or Parquet table of numbers with a column that names the class.

    Attributes
    ----------
    path : Path
        ``.csv`` (first line: column names), ``.tsv`` or ``.parquet``.
    target : str
        The column to predict: text, whole numbers or booleans.
    ignore : tuple of str
        Columns that are no features, such as row numbers.
    missing : {"reject", "impute"}
        ``"impute"`` lets the network put the training mean of its column in place of a missing value, in
        training and in service.
    time_ordered : bool
        Whether the rows are in the order of time. Then the split is by time, the oldest rows train, and the
        monitor's thresholds allow for the dependence between successive rows.
    """

    source: Literal["table"]
    target: str
    ignore: tuple[str, ...] = ()
    missing: Literal["reject", "impute"] = "reject"
    time_ordered: bool = False


DataSettings = Annotated[DigitsSource | FolderSource | TableSource, Field(discriminator="source")]


class SplitFractions(BaseModel, extra="forbid", frozen=True):
    """Shares of the data for each use; they add up to 1.

    Attributes
    ----------
    train : float
        Fits the weights.
    reference : float
        Never trained on; the monitor compares live traffic with it.
    holdout : float
        Never trained on; measures quality.
    """

    train: float = Field(default=0.5, gt=0, lt=1)
    reference: float = Field(default=0.25, gt=0, lt=1)
    holdout: float = Field(default=0.25, gt=0, lt=1)

    @model_validator(mode="after")
    def _add_up(self) -> Self:
        total = self.train + self.reference + self.holdout
        if abs(total - 1) > 1e-6:
            raise ValueError(f"train, reference and holdout must add up to 1, got {total:g}")
        return self
