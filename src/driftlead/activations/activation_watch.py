"""The watched layers of a network, and the columns that are computed of what they put out."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from driftlead.activations.layers import Layer
from driftlead.activations.moments import compile_moments
from driftlead.activations.outputs import Output, Seen, recorder
from driftlead.activations.taps import Tap
from driftlead.errors import InvalidDataError, InvalidParameterError
from driftlead.signals import DeferredColumns, Signal

__all__ = ["ActivationWatch", "watch"]

_log = logging.getLogger(__name__)

# Bytes reduced at once: enough to spread the cost of a call, and few turns of the interpreter are taken from
# whoever serves; few enough that what lies between does not leave a CPU's caches.
_BLOCK_BYTES = 4_194_304


def watch(module: nn.Module, layers: Sequence[str | Layer]) -> ActivationWatch:
    """Watch the outputs of some of a network's layers.

    Parameters
    ----------
    module : torch.nn.Module
        The network, in training or evaluation mode, on any device, compiled or not.
    layers : sequence of str or Layer
        Names of submodules, as `torch.nn.Module.named_modules` spells them, watched by mean and standard
        deviation; a `Layer` chooses otherwise.

    Returns
    -------
    ActivationWatch
        Holds the last forward pass of the calling thread; a context manager that removes itself.

    Raises
    ------
    InvalidParameterError
        When a layer does not exist, is named twice, or is TorchScript, which Python does not run; when
        ``layers`` is a single name.

    Notes
    -----
    Axis 0 of an output holds the rows. Of a tuple, list or mapping the first tensor is watched; of a module
    that runs several times in a pass, the last run. A pass keeps at most `LARGEST_KEPT` elements per layer
    until its columns are computed.

    Until `ActivationWatch.remove` a watched layer is of a subclass of its class, which sees what its callers
    get, after hooks. Quantise a network before: what asks for the exact type of a layer, as
    ``torch.ao.quantization`` does, passes a watched one by. Copies of the network are not watched.

    A network that is watched after `torch.compile` is compiled anew with its next pass, by every watch;
    ``torch._dynamo.config.recompile_limit`` says how often. A captured CUDA graph replays without calling any
    layer. A pass belongs to the thread that runs it: `torch.nn.DataParallel` over
    several GPUs runs copies in threads of its own.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> network = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
    >>> with watch(network, ["0", Layer("1", units=4)]) as watched:
    ...     _ = network(torch.ones(5, 3))
    ...     np.asarray(watched.take()).shape
    (5, 8)
    >>> [signal.name for signal in watched.signals][:3]
    ['activation:0.mean', 'activation:0.std', 'activation:1.mean']
    """
    return ActivationWatch(module, layers)


class _Pass(NamedTuple):
    """One forward pass: what was kept of each layer that took part, and events that say when it is there."""

    rows: int
    outputs: dict[str, Output]
    events: list[Any]
    nbytes: int


class ActivationWatch:
    """The taps of one network and what they saw last; made by `watch`.

    Attributes
    ----------
    signals : tuple of Signal
        Those of each layer, in the order of ``layers``.
    """

    def __init__(self, module: nn.Module, layers: Sequence[str | Layer]) -> None:
        # A compiled network wraps the one that was written, whose names are those that people know.
        module = getattr(module, "_orig_mod", module)
        # One name is a sequence of names too, of a letter each.
        if isinstance(layers, str) or not all(isinstance(layer, str | Layer) for layer in layers):
            raise InvalidParameterError("layers", "a sequence of names or Layers", layers)
        self._layers = tuple(Layer(layer) if isinstance(layer, str) else layer for layer in layers)
        self.signals: tuple[Signal, ...] = tuple(s for layer in self._layers for s in layer.signals)
        modules = _find_modules(module, [layer.name for layer in self._layers])
        if any(layer.moments for layer in self._layers):
            compile_moments()
        self._width = len(self.signals)
        self._place = {layer.name: place for place, layer in enumerate(self._layers)}
        self._seen = Seen(len(self._layers))
        self._errors = Counter({layer.name: 0 for layer in self._layers})
        self._error_lock = threading.Lock()
        fused = _fused_parts(module)
        self._taps = [
            Tap(found, recorder(self._seen, place, layer, self._count_error), hook=id(found) in fused)
            for place, (layer, found) in enumerate(zip(self._layers, modules, strict=True))
        ]
        if modules:
            # What an interrupted pass left behind is not the next one's.
            self._taps.append(Tap(module, self._seen.forget, before=True))
        try:
            for tap in self._taps:
                tap.install()
        except BaseException:
            self.remove()
            raise

    @property
    def errors(self) -> dict[str, int]:
        """Forward passes, by layer, whose output could not be watched; its columns are NaN."""
        with self._error_lock:
            return dict(self._errors)

    def take(self, rows: int | None = None) -> NDArray[np.float32] | DeferredColumns:
        """Return the columns of this thread's last forward pass, and forget the pass.

        Parameters
        ----------
        rows : int, optional
            Rows of the pass, by default those of the first layer that took part in it.

        Returns
        -------
        ndarray or DeferredColumns, shape (rows, n_signals)
            In the order of `signals`; mostly to be computed later, and `numpy.asarray` computes them at once.
            A layer that took no part in the pass, had another number of rows or could not be reduced has NaN.

        Raises
        ------
        InvalidDataError
            When ``rows`` is not given and no watched layer ran in this thread since the last call.
        """
        seen = self._seen
        outputs, seen.outputs = seen.outputs, {}
        counts = [each for each in outputs.values() if isinstance(each, int)]
        if counts and len(counts) == len(self._layers):
            found = counts[0] if rows is None else rows
            if counts.count(found) == len(counts):
                return seen.moments[:found].copy()
        kept = {
            name: self._moments_of(name, each) if isinstance(each, int) else each
            for name, each in outputs.items()
        }
        if rows is None:
            if self._layers and not kept:
                raise InvalidDataError(
                    "no forward pass went through a watched layer in this thread since the last take(); "
                    "a network compiled before watch() may need torch.compiler.reset() after it"
                )
            rows = next(iter(kept.values()))[0].shape[0] if kept else 0
        nbytes = sum([values.nbytes for values, _, _ in kept.values()])
        seen_pass = _Pass(rows, kept, _events(kept), nbytes)
        return DeferredColumns((rows, self._width), seen_pass, self._compute, nbytes)

    def _moments_of(self, name: str, rows: int) -> Output:
        left = 2 * self._place[name]
        return self._seen.moments[:rows, left : left + 2].copy(), True, None

    def remove(self) -> None:
        """Remove the taps; the network is as it was before `watch`. What was taken can still be computed."""
        for tap in self._taps:
            tap.remove()
        self._taps.clear()

    def __enter__(self) -> ActivationWatch:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    @torch.inference_mode()
    def _compute(self, passes: Sequence[_Pass]) -> NDArray[Any]:
        """Compute the columns of several passes, and copy them to the host once."""
        for event in [event for each in passes for event in each.events]:
            torch.cuda.current_stream(event.device).wait_event(event)
        if not self._layers:
            return np.empty((sum([each.rows for each in passes]), 0))
        devices = (kept.device for each in passes for kept, _, _ in each.outputs.values())
        device = torch.device(next(devices, "cpu"))
        table = []
        for block in _blocks(passes):
            columns = [self._columns(layer, block, device) for layer in self._layers]
            table.append(torch.cat(columns, dim=1))
        return torch.cat(table).cpu().numpy()

    def _columns(self, layer: Layer, passes: Sequence[_Pass], device: torch.device) -> Tensor:
        """Compute one layer's columns of several passes: in one go, where their outputs allow it."""
        try:
            return _reduce_together(layer, passes).to(device)
        except Exception:
            if len(passes) > 1:
                return torch.cat([self._columns(layer, [each], device) for each in passes])
            if layer.name in passes[0].outputs:
                self._count_error(layer)
            return torch.full((passes[0].rows, len(layer.signals)), torch.nan, device=device)

    def _count_error(self, layer: Layer) -> None:
        with self._error_lock:
            self._errors[layer.name] += 1
            first = self._errors[layer.name] == 1
        if first:
            # Once per layer: a fault that repeats with every pass must not flood the log.
            _log.exception("layer %r cannot be watched; further failures are only counted", layer.name)


def _events(outputs: Mapping[str, Output]) -> list[Any]:
    """Record events: work on other streams may read what was kept once they have happened."""
    streams = {
        stream or torch.cuda.current_stream(values.device)
        for values, _, stream in outputs.values()
        if isinstance(values, Tensor) and values.is_cuda
    }
    return [stream.record_event() for stream in streams]


def _fused_parts(module: nn.Module) -> set[int]:
    """Find, by identity, the parts of layers that PyTorch runs by one kernel unless a part has a hook."""
    layers = [each for each in module.modules() if isinstance(each, nn.TransformerEncoderLayer)]
    return {id(part) for layer in layers for part in layer.modules()}


def _find_modules(module: nn.Module, names: Sequence[str]) -> list[nn.Module]:
    known = dict(module.named_modules(remove_duplicate=False))
    for name in names:
        if name not in known or not name:
            listed = ", ".join(each for each in known if each)
            raise InvalidParameterError("layers", f"among the network's layers ({listed})", name)
        if isinstance(known[name], torch.jit.ScriptModule):
            rule = "run by Python (TorchScript is not: watch the network that it was made from)"
            raise InvalidParameterError("layers", rule, name)
    if len(set(names)) != len(names):
        raise InvalidParameterError("layers", "without repetition", list(names))
    return [known[name] for name in names]


# --- the joining side ----------------------------------------------------------------------------------


def _blocks(passes: Sequence[_Pass]) -> Iterator[list[_Pass]]:
    block: list[_Pass] = []
    nbytes = 0
    for each in passes:
        if block and nbytes + each.nbytes > _BLOCK_BYTES:
            yield block
            block, nbytes = [], 0
        block.append(each)
        nbytes += each.nbytes
    yield block


def _reduce_together(layer: Layer, passes: Sequence[_Pass]) -> Tensor:
    """Reduce the outputs of several passes at once; raises unless all are there and alike."""
    outputs = [each.outputs[layer.name] for each in passes]
    (reduced,) = {output[1] for output in outputs}
    kept = [output[0] for output in outputs]
    if [each.shape[0] for each in kept] != [each.rows for each in passes]:
        raise InvalidDataError(f"layer {layer.name!r} must have an output for each row of the pass")
    together = _join(kept)
    return together if reduced else layer.reduce(together)


def _join(kept: list[Any]) -> Tensor:
    """Put values under each other; raises unless they are alike."""
    if any(isinstance(each, Tensor) for each in kept):
        return torch.cat(kept)
    ((shape, dtype),) = {(each.shape[1:], each.dtype) for each in kept}
    # NumPy would give the interpreter away once for each of them.
    joined = np.frombuffer(bytearray().join(kept), dtype=dtype)
    return torch.from_numpy(joined.reshape(sum([each.shape[0] for each in kept]), *shape))
