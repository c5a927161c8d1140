"""Watch the activations inside a PyTorch network, without a change to the network.

A tap copies the output of each chosen layer, where it lies, and that is all that the serving thread does.
What a monitor watches is computed from the copies of many requests at once, in the thread that asks for it
(`driftlead.signals.join_rows`), which then moves one small matrix to the host. Mean and deviation of a few
rows on a CPU take less time than a copy and are computed at once; outputs too large to keep are reduced at
once too, still without waiting for the device.
"""

from driftlead.activations.activation_watch import ActivationWatch, watch
from driftlead.activations.layers import MOST_COLUMNS, Layer
from driftlead.activations.outputs import LARGEST_KEPT
from driftlead.activations.reference import profile_activations

__all__ = ["LARGEST_KEPT", "MOST_COLUMNS", "ActivationWatch", "Layer", "profile_activations", "watch"]
