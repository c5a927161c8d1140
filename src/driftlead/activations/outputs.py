"""What a watched layer puts out in one pass: kept, or reduced at once, in the thread that serves."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, float32, fx
from torch.compiler import is_dynamo_compiling

from driftlead.activations.layers import Layer
from driftlead.activations.moments import fill_moments_at
from driftlead.errors import InvalidDataError

__all__ = ["LARGEST_KEPT", "Output", "Seen", "recorder"]

#: Elements of a layer's output in one forward pass that are kept; a larger output is reduced at once.
LARGEST_KEPT = 131_072

# Rows of a pass whose moments are computed at once; more of them wait for their neighbours.
_ROWS_AT_ONCE = 64

# What was kept of one layer's output: the values, whether they are reduced already, and their CUDA stream.
Output = tuple[Tensor | NDArray[Any], bool, Any]


class Seen(threading.local):
    """What each thread's current pass put out: forward passes may run in several threads at once.

    Attributes
    ----------
    outputs : dict
        What was kept, by layer in the order of their first runs; of one whose moments were computed at once,
        how many rows it had.
    moments : ndarray of float32, shape (most rows, 2 × layers)
        Means and standard deviations that were computed at once.
    address : int
        Where ``moments`` lies.
    """

    def __init__(self, layers: int) -> None:
        self.outputs: dict[str, Output | int] = {}
        self.moments = np.empty((_ROWS_AT_ONCE, 2 * layers), np.float32)
        self.address = self.moments.ctypes.data

    def forget(self) -> None:
        """Forget this thread's pass."""
        self.outputs.clear()


def recorder(
    seen: Seen, place: int, layer: Layer, count_error: Callable[[Layer], None]
) -> Callable[[Any], None]:
    """Return what keeps a layer's output, or its moments. Whatever goes wrong there, the pass goes on."""
    name = layer.name
    moments_only = layer.moments_only
    offset = seen.moments[0, 2 * place :].ctypes.data - seen.address
    stride, size = seen.moments.shape[1], seen.moments.itemsize

    # One function for the commonest kind of output: each layer of each pass pays for every call.
    def record(output: Any) -> None:
        try:
            if moments_only and not is_dynamo_compiling():
                try:
                    if (
                        type(output) is Tensor
                        and output.dtype is float32
                        and output.is_cpu
                        and output.is_contiguous()
                        and not output.is_neg()
                        and type(values := output.numel()) is int  # no tensor, as where a pass is traced
                        and 0 < values <= LARGEST_KEPT
                        and (rows := output.shape[0]) <= _ROWS_AT_ONCE
                        and (address := output.data_ptr()) != size * output.storage_offset()  # has memory
                    ):
                        fill_moments_at(address, rows, values // rows, seen.address + offset, stride)
                        seen.outputs[name] = rows
                        return
                except RuntimeError:
                    pass  # it stands for others, as in torch.vmap: `_kept` knows what to do
            if not isinstance(output, fx.Proxy):
                seen.outputs[name] = _kept(layer, output)
        except Exception:
            count_error(layer)  # which logs it

    return record


def _kept(layer: Layer, output: Any) -> Output:
    plain = _plain_values(output)
    if plain is not None and plain.size <= LARGEST_KEPT:
        # A copy, because what follows may work in place; it takes a fraction of a reduction's time.
        return plain.copy(), False, None
    tensor = _first_tensor(output)
    if tensor.requires_grad:
        tensor = tensor.detach()
    reduced = tensor.numel() > LARGEST_KEPT
    kept = layer.reduce(tensor) if reduced else tensor.clone()
    return kept, reduced, _current_stream(tensor) if tensor.is_cuda else None


def _plain_values(output: Any) -> NDArray[np.float32] | None:
    """Look at the commonest kind of output as NumPy does.

    PyTorch gives the interpreter away whenever it copies a tensor or forgets one; NumPy seldom does, and who
    serves need not wait to have it back.
    """
    if type(output) is not Tensor or not output.is_cpu or output.dtype is not torch.float32:
        return None
    if output.requires_grad or torch.compiler.is_compiling():
        return None
    try:
        if output.numel() and output.data_ptr() == output.element_size() * output.storage_offset():
            return None  # it has no memory
        values: NDArray[np.float32] = output.numpy()
    except (RuntimeError, TypeError):
        return None  # sparse, or standing for others as in torch.vmap
    return values


def _first_tensor(output: Any) -> Tensor:
    """Find the output proper: attention and recurrent layers carry it first, other models by name."""
    while not isinstance(output, Tensor):
        if isinstance(output, Mapping):
            output = next(iter(output.values()))
        elif isinstance(output, tuple | list):
            output = output[0]
        else:
            raise InvalidDataError(f"a layer's output must hold tensors, got {type(output).__name__}")
    if output.layout is not torch.strided:
        raise InvalidDataError(f"a layer's output must be dense, got {output.layout}")
    return output


def _current_stream(tensor: Tensor) -> Any:
    # A compiler would take the stream of its own run for that of every later one.
    return None if torch.compiler.is_compiling() else torch.cuda.current_stream(tensor.device)
