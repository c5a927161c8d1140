"""The reference of a network's activations: what they look like while all is well."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import nn

from driftlead.activations.activation_watch import ActivationWatch
from driftlead.reference import ReferenceProfile

__all__ = ["profile_activations"]


def profile_activations(
    module: nn.Module, watched: ActivationWatch, batches: Iterable[torch.Tensor], *, model_hash: str = ""
) -> ReferenceProfile:
    """Run a network over batches and profile what its watched layers put out.

    Parameters
    ----------
    module : torch.nn.Module
        The network; it runs as it is, in the mode that it is in, without gradients.
    watched : ActivationWatch
        What `driftlead.activations.watch` returned for it.
    batches : iterable of Tensor
        Inputs that it was not trained on; one is taken at a time.
    model_hash : str
        Hash of the model, by which a monitor tells it from others.

    Raises
    ------
    InvalidDataError
        There are no batches, or a layer took no part.

    Examples
    --------
    >>> from driftlead.activations import watch
    >>> _ = torch.manual_seed(0)
    >>> network = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
    >>> watched = watch(network, ["0"])
    >>> profile = profile_activations(network, watched, [torch.randn(50, 3) for _ in range(4)])
    >>> profile.n_rows, [signal.name for signal in profile.signals]
    (200, ['activation:0.mean', 'activation:0.std'])
    """

    def rows() -> Iterable[np.ndarray]:
        for batch in batches:
            with torch.inference_mode():
                module(batch)
            yield np.asarray(watched.take())

    return ReferenceProfile.from_batches(watched.signals, rows(), model_hash=model_hash)
