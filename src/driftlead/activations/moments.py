"""Mean and standard deviation of each row, in one call that leaves the interpreter to whoever serves."""

from __future__ import annotations

import math

import numpy as np
from numba import carray, njit, types  # type: ignore[attr-defined]
from numba.extending import intrinsic

__all__ = ["compile_moments", "fill_moments", "fill_moments_at"]


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})  # so that sums go side by side
def fill_moments(rows, moments):  # type: ignore[no-untyped-def]
    """Write mean and standard deviation of each of ``rows``, shape (n, k), to ``moments``, shape (n, 2)."""
    n, k = rows.shape
    for i in range(n):
        total = 0.0
        for j in range(k):
            total += rows[i, j]
        mean = total / k
        squares = 0.0
        for j in range(k):
            squares += (rows[i, j] - mean) ** 2
        moments[i, 0] = mean
        moments[i, 1] = math.sqrt(squares / k)


@intrinsic
def _pointer(_typing, address):  # type: ignore[no-untyped-def]
    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return types.CPointer(types.float32)(address), generate  # type: ignore[no-untyped-call]


@njit(cache=True)
def fill_moments_at(rows, n, k, moments, stride):  # type: ignore[no-untyped-def]
    """As `fill_moments`, of values in single precision of which the addresses are known.

    To make an array of a tensor takes several times as long as the moments of a few thousand values. It keeps
    the interpreter, which may be a long way to come back.

    Parameters
    ----------
    rows, moments : int
        Where the values lie, contiguous, and where the first row's mean is written, its deviation after it.
    n, k : int
        How many rows, and how many values in each, at least one.
    stride : int
        How many values lie from one row of ``moments`` to the next.
    """
    table = carray(_pointer(moments), (n, stride))  # type: ignore[call-arg]
    fill_moments(carray(_pointer(rows), (n, k)), table[:, :2])


def compile_moments() -> None:
    """Compile for single and double precision, so that no traffic waits for it."""
    for kind in (np.float32, np.float64):
        fill_moments(np.zeros((1, 1), kind), np.empty((1, 2), kind))
    values = np.zeros(3, np.float32)
    fill_moments_at(values.ctypes.data, 1, 1, values.ctypes.data + values.itemsize, 2)
