"""The network: raw values in, one logit per class out, every layer with a name of its own."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from model.config import NetworkSettings

__all__ = ["Classifier", "Standardise", "build"]

LARGEST_MAP = 4  # pixels per side of what the convolutions hand to the fully connected layers


class Standardise(nn.Module):
    """First layer: raw units to zero mean and unit variance, as measured on the training rows.

    A missing value (NaN) becomes 0 afterwards: the training mean of its feature.

    Parameters
    ----------
    input_shape : tuple of int
        Shape of one row. A table is standardised column by column; an image by one mean and deviation per
        colour, because a pixel that is always blank in training has none of its own.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, input_shape: tuple[int, ...]) -> None:
        super().__init__()
        statistics = (1, 1, *input_shape[2:]) if len(input_shape) > 1 else input_shape
        self.register_buffer("mean", torch.zeros(statistics))
        self.register_buffer("std", torch.ones(statistics))

    @torch.no_grad()
    def fit(self, features: Tensor) -> None:
        """Measure mean and standard deviation, ignoring NaN; a constant feature keeps deviation 1."""
        # Sums in double precision: a column of large numbers (years, amounts) has a small deviation.
        wide = features.double()
        over = (0, 1, 2) if wide.ndim > 2 else (0,)
        mean = wide.nanmean(dim=over, keepdim=True)
        std = (wide - mean).square().nanmean(dim=over, keepdim=True).sqrt()
        self.mean.copy_(mean[0].nan_to_num(0.0))
        # Below single precision's resolution of the mean, a deviation is rounding.
        constant = ~(std > 1e-6 * mean.abs()) | (std == 0)
        self.std.copy_(torch.where(constant, 1.0, std)[0])

    def forward(self, rows: Tensor) -> Tensor:
        """Standardise rows of any batch size."""
        return ((rows - self.mean) / self.std).nan_to_num(0.0)


class Classifier(nn.Module):
    """Convolutions (images only), fully connected layers, output; made by `build`.

    Attributes
    ----------
    layer_names : tuple of str
        The hidden layers in order, ``conv1`` … ``hidden1`` …; a watch finds them by these names.
    """

    def __init__(self, settings: NetworkSettings, input_shape: tuple[int, ...], n_classes: int) -> None:
        super().__init__()
        self.input_shape = input_shape
        self.preprocessing = Standardise(input_shape)
        names: list[str] = []
        width = input_shape[-1]
        if len(input_shape) > 1:
            before = input_shape[2] if len(input_shape) == 3 else 1
            sides = list(input_shape[:2])
            for number, channels in enumerate(settings.channels, start=1):
                pool = number > 1 and min(sides) >= 4
                names.append(f"conv{number}")
                self.add_module(names[-1], _convolution(before, channels, pool))
                sides = [side // 2 if pool else side for side in sides]
                before = channels
            # What is left of a large image is averaged, so that hidden1 does not grow with it.
            sides = [min(side, LARGEST_MAP) for side in sides]
            self.average = nn.AdaptiveAvgPool2d(tuple(sides))
            width = before * sides[0] * sides[1]
        for number, units in enumerate(settings.hidden, start=1):
            names.append(f"hidden{number}")
            self.add_module(
                names[-1], nn.Sequential(nn.Linear(width, units), nn.BatchNorm1d(units), nn.ReLU())
            )
            width = units
        self.dropout = nn.Dropout(settings.dropout)
        self.output = nn.Linear(width, n_classes)
        self.layer_names = tuple(names)

    def forward(self, rows: Tensor) -> Tensor:
        """Compute logits of shape (n, n_classes) from raw rows of shape (n, *input_shape)."""
        hidden = self.preprocessing(rows)
        if len(self.input_shape) == 2:
            hidden = hidden[:, None]
        elif len(self.input_shape) == 3:
            hidden = hidden.movedim(-1, 1)
        for name in self.layer_names:
            if name == "hidden1" and len(self.input_shape) > 1:
                hidden = self.average(hidden).flatten(1)
            hidden = self.get_submodule(name)(hidden)
        logits: Tensor = self.output(self.dropout(hidden))
        return logits


def build(settings: NetworkSettings, input_shape: tuple[int, ...], n_classes: int) -> Classifier:
    """Build a network for rows of a shape.

    Parameters
    ----------
    settings : NetworkSettings
        Channels and widths.
    input_shape : tuple of int
        Shape of one row: (features,), (height, width) or (height, width, 3).
    n_classes : int
        At least 2.

    Examples
    --------
    >>> build(NetworkSettings(), (8, 8), 10).layer_names
    ('conv1', 'conv2', 'hidden1')
    >>> build(NetworkSettings(hidden=(16, 8)), (5,), 2).layer_names
    ('hidden1', 'hidden2')
    """
    return Classifier(settings, input_shape, n_classes)


def _convolution(before: int, channels: int, pool: bool) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(before, channels, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
    ]
    return nn.Sequential(*layers, nn.MaxPool2d(2)) if pool else nn.Sequential(*layers)
