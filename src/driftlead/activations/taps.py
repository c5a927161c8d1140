"""Taps: a function that is called before or after each call of one module."""

from __future__ import annotations

import copyreg
import dis
import functools
import inspect
import threading
import types
import weakref
from abc import ABCMeta
from collections.abc import Callable
from typing import Any

from torch import fx, nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.utils import parametrize
from torch.utils.hooks import RemovableHandle

__all__ = ["Tap"]

# The attribute of a class that was made for a tap: the tap.
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
        It is not kept alive.
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
        self._module = weakref.ref(module)
        self._see = see
        self._before = before
        self._hook = hook or not _bears_a_subclass(module)
        self._handle: RemovableHandle | None = None
        # The identity of the module while the tap is installed: other instances of its class are not tapped.
        self.tapped_id: int | None = None

    def install(self) -> None:
        """Begin; a call that is under way goes on without."""
        module = self._module()
        if module is None:
            return
        with _changing_classes:
            self.tapped_id = id(module)
            if not self._hook:
                _change_class(module, self._subclass(type(module)))
            elif self._before:
                self._handle = module.register_forward_pre_hook(_Hook(self._see))
            else:
                self._handle = module.register_forward_hook(_Hook(self._see))

    def remove(self) -> None:
        """End; the module is what it was, unless somebody has subclassed it since: then it is passed by."""
        with _changing_classes:
            self.tapped_id = None
            if self._handle is not None:
                self._handle.remove()
            module = self._module()
            while module is not None and (tap := vars(type(module)).get(_TAP)) and tap.tapped_id is None:
                _change_class(module, type(module).__bases__[0])

    def _subclass(self, base: type[nn.Module]) -> type[nn.Module]:
        attributes = {
            _TAP: self,
            "__call__": (_calling_before if self._before else _calling_after)(self, base, self._see),
            "__reduce_ex__": _reducing_to(base),
            "__slots__": (),
            "__module__": base.__module__,
            "__qualname__": base.__qualname__,
            "__doc__": base.__doc__,
        }
        return types.new_class(base.__name__, (base,), {}, lambda namespace: namespace.update(attributes))


def _calling_before(tap: Tap, base: type[nn.Module], see: Callable[[], object]) -> Callable[..., Any]:
    def call(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        if tap.tapped_id == id(self):
            see()
        return base.__call__(self, *args, **kwargs)

    return call


def _calling_after(tap: Tap, base: type[nn.Module], see: Callable[[Any], object]) -> Callable[..., Any]:
    def call(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        output = base.__call__(self, *args, **kwargs)
        if tap.tapped_id == id(self):
            see(output)
        return output

    return call


def _reducing_to(base: type[nn.Module]) -> Callable[[nn.Module, Any], Any]:
    """Return a ``__reduce_ex__`` that makes instances of ``base``."""

    def reduce(self: nn.Module, protocol: Any) -> Any:
        reduced: Any = base.__reduce_ex__(self, protocol)
        function, arguments, *rest = reduced
        arguments = [base if each is type(self) else each for each in arguments]
        # Pickle refuses the usual constructors for an object that says to be of another class.
        if function is copyreg.__newobj__:  # type: ignore[attr-defined]
            function = base.__new__
        elif function is copyreg.__newobj_ex__:  # type: ignore[attr-defined]
            _, positional, named = arguments
            function, arguments = functools.partial(base.__new__, base, *positional, **named), []
        elif function is type(self):
            function = base
        elif getattr(function, "__self__", None) is type(self):
            function = getattr(base, function.__name__)
        return (function, tuple(arguments), *rest)

    return reduce


def _bears_a_subclass(module: nn.Module) -> bool:
    """Tell whether nobody minds or hears of a subclass."""
    base = type(module)
    # Their own code is written to their class, or gives them another one.
    if isinstance(module, fx.GraphModule | LazyModuleMixin) or parametrize.is_parametrized(module):
        return False
    # Who registers subclasses would hear of it: `object` alone has a method that is not Python's.
    if type(base) not in (type, ABCMeta) or hasattr(base.__init_subclass__, "__func__"):
        return False
    own = [each for each in base.__mro__ if each.__module__.split(".")[0] not in ("torch", "builtins")]
    return not any("__class__" in vars(each) or _asks_for_its_class(each) for each in own)


def _asks_for_its_class(base: type) -> bool:
    """Tell whether a method may say ``type(self) is …`` or ``super(self.__class__, self)``.

    The first takes another way in a subclass, the second calls itself.
    """
    found = [getattr(each, "__func__", getattr(each, "fget", each)) for each in vars(base).values()]
    methods = [inspect.unwrap(each) for each in found if isinstance(each, types.FunctionType)]
    return any(_mentions_class(each.__code__) for each in methods if isinstance(each, types.FunctionType))


def _mentions_class(code: types.CodeType) -> bool:
    # A tensor's method `type` and ``super()`` mention neither in these ways.
    ways = (("LOAD_GLOBAL", "type"), ("LOAD_ATTR", "__class__"), ("LOAD_METHOD", "__class__"))
    inner = [each for each in code.co_consts if isinstance(each, types.CodeType)]
    mentioned = any((each.opname, each.argval) in ways for each in dis.get_instructions(code))
    return mentioned or any(map(_mentions_class, inner))


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
