"""``configs/model.yaml``: everything that decides what ``train_model.py`` makes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from dataloader.config import DataSettings, DigitsSource, SplitFractions

__all__ = ["ModelSettings", "NetworkSettings", "TrainingSettings"]

Width = Annotated[int, Field(ge=1, le=4096)]


class NetworkSettings(BaseModel, extra="forbid", frozen=True):
    """Shape of the network; see `model.network.build`.

    Attributes
    ----------
    channels : tuple of int
        Images: output channels of each convolution, layers ``conv1``, ``conv2``, …; tables ignore them.
    hidden : tuple of int
        Width of each fully connected layer after them, ``hidden1``, ``hidden2``, …
    dropout : float
        Share of the last hidden activations that training sets to zero.
    """

    channels: tuple[Width, ...] = Field(default=(32, 64), min_length=1, max_length=8)
    hidden: tuple[Width, ...] = Field(default=(64,), min_length=1, max_length=16)
    dropout: float = Field(default=0.2, ge=0, lt=1)


class TrainingSettings(BaseModel, extra="forbid", frozen=True):
    """How the weights are fitted: AdamW on cross-entropy, learning rate up and down once over all epochs.

    Attributes
    ----------
    epochs : int
        Passes over the training rows.
    learning_rate : float
        Its peak.
    weight_decay : float
        Of AdamW.
    batch_size : int
        Rows per step.
    max_shift : int
        Images: shift each one at random by up to so many pixels, at every use; 0 turns it off.
    threads : int
        Processor threads. Another number adds in another order and gives weights that differ in their last
        digits, so it is a setting rather than what the machine happens to have.
    """

    epochs: int = Field(default=20, ge=1, le=10_000)
    learning_rate: float = Field(default=0.005, gt=0, le=1)
    weight_decay: float = Field(default=0.01, ge=0, le=1)
    batch_size: int = Field(default=64, ge=2, le=65_536)
    max_shift: int = Field(default=1, ge=0, le=64)
    threads: int = Field(default=1, ge=1, le=256)


class ModelSettings(BaseModel, extra="forbid", frozen=True):
    """The whole file.

    Attributes
    ----------
    monitored_layers : "all" or tuple of str
        Layers whose activations the deployed model's monitor watches.
    output : Path
        Where the model is written.
    """

    data: DataSettings = DigitsSource()
    split: SplitFractions = SplitFractions()
    seed: int = Field(default=0, ge=0, lt=2**32)
    network: NetworkSettings = NetworkSettings()
    training: TrainingSettings = TrainingSettings()
    monitored_layers: Literal["all"] | tuple[str, ...] = "all"
    output: Path = Path("model.pt")
