"""Watch the activations inside a PyTorch network, without a change to the network.

Forward hooks reduce the output of each chosen layer to two numbers per row, its mean and its standard
deviation. The reduction runs where the tensor lives, and `ActivationWatch.take` moves the results of all
layers to the host in one copy.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from driftlead.errors import InvalidDataError, InvalidParameterError
from driftlead.signals import Signal, activation_signals

__all__ = ["ActivationWatch", "watch"]


def watch(module: nn.Module, layers: Sequence[str]) -> ActivationWatch:
    """Watch the outputs of some of a network's layers.

    Parameters
    ----------
    module : torch.nn.Module
        The network, in training or evaluation mode, on any device.
    layers : sequence of str
        Names of submodules, as `torch.nn.Module.named_modules` spells them.

    Returns
    -------
    ActivationWatch
        Holds the last forward pass of the calling thread; a context manager that removes its hooks.

    Raises
    ------
    InvalidParameterError
        When a layer does not exist or is named twice.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> network = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
    >>> with watch(network, ["0"]) as watched:
    ...     _ = network(torch.ones(5, 3))
    ...     watched.take().shape
    (5, 2)
    >>> [signal.name for signal in watched.signals]
    ['activation:0.mean', 'activation:0.std']
    """
    return ActivationWatch(module, layers)


class ActivationWatch:
    """The hooks of one network and what they saw last; made by `watch`.

    Attributes
    ----------
    signals : tuple of Signal
        Mean and standard deviation of each layer, in the order of ``layers``.
    """

    def __init__(self, module: nn.Module, layers: Sequence[str]) -> None:
        known = dict(module.named_modules())
        for layer in layers:
            if layer not in known or not layer:
                names = ", ".join(name for name in known if name)
                raise InvalidParameterError("layers", f"among the network's layers ({names})", layer)
        if len(set(layers)) != len(layers):
            raise InvalidParameterError("layers", "without repetition", list(layers))
        self.signals: tuple[Signal, ...] = activation_signals(layers)
        self._layers = tuple(layers)
        # Forward passes may run in several threads at once: each sees its own.
        self._seen = threading.local()
        self._handles = [known[layer].register_forward_hook(partial(self._record, layer)) for layer in layers]

    def take(self) -> NDArray[np.float64]:
        """Return the statistics of this thread's last forward pass, and forget them.

        Returns
        -------
        ndarray, shape (rows, 2 * n_layers)
            Mean and standard deviation per row, in the order of `signals`.

        Raises
        ------
        InvalidDataError
            When no forward pass ran in this thread since the last call, or a layer took no part in it.
        """
        seen: dict[str, torch.Tensor] = self._seen.__dict__
        missing = [layer for layer in self._layers if layer not in seen]
        if missing:
            raise InvalidDataError(f"no forward pass went through layer {missing[0]!r} since the last take()")
        if not self._layers:
            return np.empty((0, 0))
        columns = torch.cat([seen.pop(layer) for layer in self._layers], dim=1)
        return columns.to("cpu", torch.float64).numpy()

    def remove(self) -> None:
        """Remove the hooks; the network is as it was before `watch`."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def __enter__(self) -> ActivationWatch:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def _record(self, layer: str, _module: nn.Module, _inputs: object, output: object) -> None:
        # A layer that answers with a tuple (attention, recurrent cells) carries its output first.
        tensor = output[0] if isinstance(output, tuple) else output
        if not isinstance(tensor, torch.Tensor) or tensor.ndim == 0:
            return
        units = tensor.detach().float()
        rows = units.flatten(1) if units.ndim > 1 else units.unsqueeze(1)
        mean = rows.mean(dim=1)
        # By hand: std_mean warns about the spread of no rows, which is nothing to warn about.
        std = (rows - mean.unsqueeze(1)).square().mean(dim=1).sqrt()
        setattr(self._seen, layer, torch.stack([mean, std], dim=1))
