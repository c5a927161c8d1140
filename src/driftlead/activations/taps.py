"""Taps: a function that is called before or after each call of one module."""

from __future__ import annotations

import functools
import threading
import types
from abc import ABCMeta
from collections.abc import Callable
from typing import Any

from torch import fx, nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.utils import parametrize
from torch.utils.hooks import RemovableHandle

__all__ = ["Tap"]

# The attribute by which the class of a tapped module is known, and says whose it is.
_TAP = "_driftlead_tap"

# Several watches may tap one module.
_changing_classes = threading.Lock()


class Tap:
    """Calls a function before or after each call of one module, while it is installed.

    The module is given a class of its own, a subclass of its class, whose calls do both: as
    `torch.nn.utils.parametrize` does, and for a reason. PyTorch calls a module that has any hook by a longer
    way, which costs a small network more than all that is done with its outputs. Modules that would not bear
    it have a hook.

    Copies of the module, pickled ones too, are of the class that it had before, and not tapped.

    Parameters
    ----------
    module : torch.nn.Module
    see : callable
        Takes the output after each call, or nothing before it. It must not raise.
    before : bool
        Whether it is called before each call.
    hook : bool
        Whether the module needs a hook: some classes run their parts past their calls unless one has a hook.
    """

    def __init__(
        self, module: nn.Module, see: Callable[..., object], *, before: bool = False, hook: bool = False
    ) -> None:
        self._module = module
        self._see = see
        self._before = before
        self._hook = hook or not _bears_a_subclass(module)
        self._handle: RemovableHandle | None = None
        # Of the module while the tap is installed: other instances of its class are not tapped.
        self.tapped: int | None = None

    def install(self) -> None:
        """Begin; a call that is under way goes on without."""
        with _changing_classes:
            self.tapped = id(self._module)
            if not self._hook:
                _change_class(self._module, self._subclass())
            elif self._before:
                self._handle = self._module.register_forward_pre_hook(_Hook(self._see))
            else:
                self._handle = self._module.register_forward_hook(_Hook(self._see))

    def remove(self) -> None:
        """End; the module is what it was, unless somebody has subclassed it since: then it is passed by."""
        with _changing_classes:
            self.tapped = None
            if self._handle is not None:
                self._handle.remove()
            while (tap := vars(type(self._module)).get(_TAP)) is not None and tap.tapped is None:
                _change_class(self._module, type(self._module).__bases__[0])

    def _subclass(self) -> type[nn.Module]:
        base = type(self._module)
        method = _method_called_first(self._module) if self._before else "__call__"
        calling = _calling_before if self._before else _calling_after
        attributes = {
            _TAP: self,
            method: calling(self, base, method, self._see),
            "__reduce_ex__": _reducing_to(base),
            "__slots__": (),
            "__module__": base.__module__,
            "__qualname__": base.__qualname__,
            "__doc__": base.__doc__,
        }
        return types.new_class(base.__name__, (base,), {}, lambda namespace: namespace.update(attributes))


def _method_called_first(module: nn.Module) -> str:
    """Return the method that is looked up whenever a network is called.

    What was compiled unwatched keeps the ``__call__`` of that time, but looks up ``forward``; by that of
    PyTorch's own classes its compiler tells whether it may begin with it.
    """
    forward = vars(module).get("forward") or type(module).forward
    owned = (getattr(forward, "__module__", None) or "torch").split(".")[0] != "torch"
    return "forward" if owned and "forward" not in vars(module) else "__call__"


def _calling_before(
    tap: Tap, base: type[nn.Module], method: str, see: Callable[[], object]
) -> Callable[..., Any]:
    @functools.wraps(getattr(base, method), updated=())  # some ask which arguments a network takes
    def call(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        if tap.tapped == id(self):
            see()
        return getattr(base, method)(self, *args, **kwargs)

    return call


def _calling_after(
    tap: Tap, base: type[nn.Module], method: str, see: Callable[[Any], object]
) -> Callable[..., Any]:
    @functools.wraps(getattr(base, method), updated=())
    def call(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        output = getattr(base, method)(self, *args, **kwargs)
        if tap.tapped == id(self):
            see(output)
        return output

    return call


def _reducing_to(base: type[nn.Module]) -> Callable[[nn.Module, Any], Any]:
    def reduce(self: nn.Module, protocol: Any) -> Any:
        reduced: Any = base.__reduce_ex__(self, protocol)
        function, arguments, *rest = reduced
        # Pickle refuses the usual constructor for an object that says to be of another class.
        usual = getattr(function, "__name__", "") == "__newobj__"
        function = base.__new__ if usual else base if function is type(self) else function
        return (function, tuple(base if each is type(self) else each for each in arguments), *rest)

    return reduce


def _bears_a_subclass(module: nn.Module) -> bool:
    """Tell whether a subclass is only that: made known to nobody, neither replaced nor written to."""
    base = type(module)
    changing = isinstance(module, fx.GraphModule | LazyModuleMixin) or parametrize.is_parametrized(module)
    told = type(base) not in (type, ABCMeta) or hasattr(base.__init_subclass__, "__func__")
    return not (changing or told)


def _change_class(module: nn.Module, changed: type[nn.Module]) -> None:
    # Not by the module's own way, which may pass attributes on to another module.
    object.__setattr__(module, "__class__", changed)


class _Hook:
    """A hook of one module. Copied or pickled along with it, it does nothing."""

    def __init__(self, see: Callable[..., object] = lambda *_: None) -> None:
        self._see = see

    def __call__(self, _module: nn.Module, _inputs: object, *output: Any) -> None:
        self._see(*output)

    def __reduce__(self) -> tuple[Any, ...]:
        return _Hook, ()
