"""What becomes of a live value that equals reference values: it stays so, or chance puts it among them."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from driftlead.detectors import _arguments
from driftlead.detectors._kernels import ties as kernel
from driftlead.errors import InvalidParameterError
from driftlead.ranks import SortedReference

__all__ = ["RandomTies", "Ties", "chosen", "counts_up_to"]

Ties = Literal["exact", "random"]


class RandomTies:
    """What `driftlead.detectors._kernels.ties.untie` needs beside the slots and their count.

    Parameters
    ----------
    reference : SortedReference
    seed : int
    broken : array of bool, shape (d,), optional
        Signals whose ties are broken, by default all; for the others nothing is drawn.
    """

    def __init__(
        self, reference: SortedReference, seed: int, broken: NDArray[np.bool_] | None = None
    ) -> None:
        d = reference.n_signals
        layout = np.empty((d, kernel.LAYOUT), dtype=np.int64)
        layout[:, kernel.CUMULATIVE] = reference.offsets[:-1] + np.arange(d)
        layout[:, kernel.POSITIONS] = np.cumsum(reference.sizes) - reference.sizes
        layout[:, kernel.DISTINCT] = reference.n_distinct
        layout[:, kernel.BROKEN] = True if broken is None else broken
        positions = np.empty(int(reference.sizes.sum()), dtype=np.float32)
        kernel.draw_positions(seed, layout, reference.cumulative, positions)
        self.arguments: tuple[Any, ...] = (seed, layout, reference.cumulative, positions)


def counts_up_to(reference: SortedReference, signal: int, ties: RandomTies | None) -> NDArray[np.int32]:
    """Return `SortedReference.counts_up_to`, of n distinct ranks where ties are broken."""
    if ties is None:
        return reference.counts_up_to(signal)
    return np.arange(reference.sizes[signal] + 1, dtype=np.int32)


def chosen(ties: Ties | None, *, possible: bool, by_budget: bool) -> Ties:
    """Return what a detector does with ties: as asked, or at random where its budget rests on it."""
    if ties is None:
        return "random" if possible and by_budget else "exact"
    _arguments.choice("ties", ties, ("exact", "random"))
    if ties == "random" and not possible:
        raise InvalidParameterError("ties", "exact where no bins or ranks of a reference are used", ties)
    return ties
