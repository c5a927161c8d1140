"""One row at a time: memory that stays, and compiled functions bound to it.

A call of a numba function looks at the type of every argument before it starts, which for a row of a few
signals costs more than the work. Where the arguments are the same arrays row after row, that need
happen only once.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numba import typeof
from numpy.typing import ArrayLike

from driftlead.detectors import _arguments
from driftlead.ranks import SortedReference

__all__ = ["Row", "bind"]

_Said = TypeVar("_Said")
_FLOAT64 = np.dtype(np.float64)


def bind(call: functools.partial[_Said], *further: object) -> Callable[..., _Said]:
    """Return the call of a numba function with the types of its arguments settled.

    It runs the very code that the function itself would pick, for batches as well. ``further`` are
    examples of arguments that each call still brings. Arrays are bound, not copied: whoever puts another
    array in the place of one must bind anew. The call of any other function is returned as it came.
    """
    # Not in numba's manual, but public by name, and nothing that is gets past the look at the types.
    # Without it, or with the compiler switched off (NUMBA_DISABLE_JIT), a row is merely slower.
    function: Any = call.func
    if not hasattr(function, "get_overload"):
        return call
    signature = tuple(typeof(argument) for argument in (*call.args, *further))  # type: ignore[no-untyped-call]
    function.compile(signature)
    return functools.partial(function.get_overload(signature), *call.args)


class Row:
    """The row being fed, as columns of one value each, and as slots where there is a reference.

    Parameters
    ----------
    n_signals : int
    reference : SortedReference or None
    """

    def __init__(self, n_signals: int, reference: SortedReference | None) -> None:
        self.reference = reference
        self.values = np.empty(n_signals)
        self._shape = self.values.shape
        self.columns = self.values[:, np.newaxis]
        self.slots = np.empty((n_signals, 1), dtype=np.int32)
        self._locate: Callable[[], None] | None = None

    def take(self, x: ArrayLike) -> None:
        """Copy one row in, if it fits."""
        if type(x) is np.ndarray and x.dtype is _FLOAT64 and x.shape == self._shape:
            self.values[...] = x
        else:
            self.values[...] = _arguments.row(x, len(self.values))

    def locate(self) -> None:
        """Write the slots of the values; there must be a reference."""
        # No cached_property: it writes to __dict__, and every attribute is slower from then on.
        if self._locate is None:
            assert self.reference is not None
            self._locate = bind(self.reference.locating(self.columns, self.slots))
        self._locate()
