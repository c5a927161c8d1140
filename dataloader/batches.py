"""Shuffled training batches, with small shifts of images."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

__all__ = ["batches", "shift_images"]


def batches(
    features: Tensor, labels: Tensor, size: int, generator: torch.Generator, max_shift: int = 0
) -> Iterator[tuple[Tensor, Tensor]]:
    """Go through all rows once, in random order.

    Parameters
    ----------
    features : Tensor, shape (n, ...)
        Rows in raw units.
    labels : Tensor of int64, shape (n,)
        Their classes.
    size : int
        Rows per batch, at most; batches are made equally large to within one row, because a last batch of one
        row would upset batch normalisation.
    generator : torch.Generator
        Draws order and shifts.
    max_shift : int
        Pixels, see `shift_images`; 0 for tables.

    Yields
    ------
    tuple of Tensor
        Features and labels of one batch.
    """
    order = torch.randperm(len(features), generator=generator)
    for rows in order.tensor_split(-(-len(order) // size)):
        batch = features[rows]
        yield (shift_images(batch, max_shift, generator) if max_shift else batch), labels[rows]


def shift_images(images: Tensor, max_shift: int, generator: torch.Generator) -> Tensor:
    """Shift each image by a random whole number of pixels; its border pixels fill the gap.

    Parameters
    ----------
    images : Tensor, shape (n, height, width) or (n, height, width, channels)
    max_shift : int
        Largest shift up, down, left and right, in pixels.
    generator : torch.Generator
        Draws the shifts.

    Examples
    --------
    >>> image = torch.tensor([[[1, 2], [3, 4]]])
    >>> shift_images(image, 1, torch.Generator().manual_seed(1)).tolist()
    [[[2, 2], [4, 4]]]
    """
    n, height, width = images.shape[:3]
    shifts = torch.randint(-max_shift, max_shift + 1, (n, 2, 1), generator=generator)
    rows = (torch.arange(height) + shifts[:, 0]).clamp(0, height - 1)
    columns = (torch.arange(width) + shifts[:, 1]).clamp(0, width - 1)
    return images[torch.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]
