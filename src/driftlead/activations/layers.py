"""What is watched of a layer, and how its output becomes columns of signals."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from scipy.special import ndtri

from driftlead.activations.moments import fill_moments
from driftlead.errors import InvalidDataError, InvalidParameterError
from driftlead.signals import Signal

__all__ = ["MOST_COLUMNS", "Layer"]

#: Most units, and most projections, of one layer: each is a signal with detectors of its own.
MOST_COLUMNS = 256


@dataclass(frozen=True, slots=True)
class Layer:
    """What is watched of one layer.

    Parameters
    ----------
    name : str
        As `torch.nn.Module.named_modules` spells it.
    moments : bool
        Mean and standard deviation over all values of a row: ``activation:<name>.mean``, ``.std``.
    units : int
        How many units the layer has, to watch each of them, ``activation:<name>.unit<i>``: its value, or
        its mean over positions where there are several. 0: none; at most `MOST_COLUMNS`.
    projection : int
        How many random projections of the vector of units to watch, ``activation:<name>.projection<i>``:
        for an embedding, whatever its width. 0: none; at most `MOST_COLUMNS`.
    axis : int
        Axis of the units in the layer's output, whose axis 0 holds the rows: 1 for convolutions and fully
        connected layers, -1 for sequences of embeddings.

    Raises
    ------
    InvalidParameterError
        When nothing is watched, or a number breaks its rule.

    Notes
    -----
    Projections are Gaussian, scaled to keep distances on average: two distributions that differ have
    different projections along almost every direction (Cuesta-Albertos, Fraiman and Ransford 2007, "A sharp
    form of the Cramér–Wold theorem", J. Theoret. Probab. 20). The matrix depends on its size alone, and its
    first rows are those of any narrower layer, so that reference and live rows meet the same one.

    Examples
    --------
    >>> [signal.name for signal in Layer("embed", moments=False, projection=2).signals]
    ['activation:embed.projection0', 'activation:embed.projection1']
    """

    name: str
    moments: bool = True
    units: int = 0
    projection: int = 0
    axis: int = 1

    def __post_init__(self) -> None:
        for parameter in ("units", "projection"):
            value = getattr(self, parameter)
            if isinstance(value, bool) or not 0 <= value <= MOST_COLUMNS:
                raise InvalidParameterError(parameter, f"a number from 0 to {MOST_COLUMNS}", value)
        if self.axis == 0:
            raise InvalidParameterError("axis", "another than 0, which holds the rows", self.axis)
        if not (self.moments or self.units or self.projection):
            raise InvalidParameterError("layers", "watched by moments, units or projection", self.name)

    @property
    def signals(self) -> tuple[Signal, ...]:
        """Signals of the layer, in the order of their columns."""
        columns = ["mean", "std"] if self.moments else []
        columns += [f"unit{index}" for index in range(self.units)]
        columns += [f"projection{index}" for index in range(self.projection)]
        return tuple(Signal(f"activation:{self.name}.{column}") for column in columns)

    @property
    def moments_only(self) -> bool:
        """Whether mean and standard deviation are all that is watched."""
        return self.moments and not self.units and not self.projection

    def reduce(self, output: torch.Tensor) -> torch.Tensor:
        """Compute the layer's columns.

        Parameters
        ----------
        output : Tensor, shape (rows, ...)
            Of any real type, on any device.

        Returns
        -------
        Tensor, shape (rows, columns)
            On the same device; in single precision unless the output is in double.

        Raises
        ------
        InvalidDataError
            When the output has another number of units, or none, or holds complex numbers.
        """
        if output.is_complex():
            raise InvalidDataError(f"layer {self.name!r} must put out real numbers, got {output.dtype}")
        values = output if output.dtype is torch.float64 else output.float()
        columns = []
        if self.moments:
            row = values.flatten(1) if values.ndim > 1 else values[:, None]
            if row.shape[1] == 0:
                raise InvalidDataError(f"layer {self.name!r} must have an output, got {tuple(output.shape)}")
            columns.append(_moments(row))
        if self.units or self.projection:
            units = self._units(values)
            if self.units not in (0, units.shape[1]):
                raise InvalidDataError(
                    f"units of layer {self.name!r} must be {units.shape[1]}, got {self.units}"
                )
            columns += [units] if self.units else []
            if self.projection:
                directions = _directions(units.shape[1], self.projection, units.dtype, units.device)
                columns.append(_multiply(units, directions))
        return torch.cat(columns, dim=1)

    def _units(self, values: torch.Tensor) -> torch.Tensor:
        """Return one value per row and unit."""
        if values.ndim == 1:
            return values[:, None]
        first = values.movedim(self.axis, 1)
        return first.flatten(2).mean(dim=2) if first.ndim > 2 else first


def _moments(rows: torch.Tensor) -> torch.Tensor:
    """Return mean and standard deviation of each row, in two passes."""
    plain = type(rows) is torch.Tensor and rows.is_cpu and rows.is_contiguous() and not rows.requires_grad
    if plain and not torch.compiler.is_compiling():
        # One call that needs no interpreter: each of PyTorch's six would take it from the thread that serves.
        moments = rows.new_empty(len(rows), 2)
        fill_moments(rows.numpy(), moments.numpy())
        return moments
    mean = rows.mean(dim=1, keepdim=True)
    # The running update of torch.var_mean is 25 times slower on a CPU.
    spread = torch.linalg.vector_norm(rows - mean, dim=1, keepdim=True)
    return torch.cat([mean, spread / rows.shape[1] ** 0.5], dim=1)


def _multiply(units: torch.Tensor, directions: torch.Tensor) -> torch.Tensor:
    """Multiply in full precision: in a forward pass under autocast, this would be half."""
    if not torch.amp.is_autocast_available(units.device.type):
        return units @ directions
    with torch.autocast(units.device.type, enabled=False):
        return units @ directions


# Drawn by NumPy, which a compiler cannot follow.
@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def _directions(width: int, count: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Return a Gaussian matrix of shape (width, count), the same in every process and on every device."""
    return _drawn(width, count, dtype, device)


@lru_cache(maxsize=64)
def _drawn(width: int, count: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    # From raw bits: NumPy and PyTorch promise no normal stream across versions, but PCG64's bits are fixed.
    bits = np.random.PCG64(0).random_raw(width * count) >> np.uint64(11)
    normal = ndtri((bits + 0.5) * 2.0**-53).reshape(width, count)
    return torch.tensor(normal / count**0.5, dtype=dtype, device=device)
