"""The latest rows of a stream in a fixed block of memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from driftlead.errors import InvalidParameterError, StateError

__all__ = ["Ring"]

_LONGEST = 1_000_000  # beyond lie no wishes, only slips: the ring would take all memory


class Ring:
    """The latest rows of a stream; row number c stands at place c mod ``window``.

    Parameters
    ----------
    window : int
        Rows kept, 1 to 1 000 000.
    columns : int
        Numbers in a row.
    dtype : dtype
        Of the numbers.

    Raises
    ------
    InvalidParameterError
        ``window`` breaks its rule.

    Examples
    --------
    >>> ring = Ring(3, columns=1)
    >>> ring.add(np.array([[1.0], [2.0], [3.0], [4.0]]))
    >>> ring.rows().ravel(), ring.seen
    (array([4., 2., 3.]), 4)
    """

    def __init__(self, window: int, columns: int, dtype: DTypeLike = np.float64) -> None:
        if not 1 <= window <= _LONGEST:
            raise InvalidParameterError("window", f"from 1 to {_LONGEST}", window)
        self._rows: NDArray[Any] = np.zeros((window, columns), dtype=dtype)
        self._seen = 0

    def __len__(self) -> int:
        return min(self._seen, self.window)

    @property
    def window(self) -> int:
        """Rows kept at most."""
        return len(self._rows)

    @property
    def seen(self) -> int:
        """Rows ever added."""
        return self._seen

    def add(self, rows: NDArray[Any]) -> None:
        """Add rows, shape (n, columns); in one batch or in many, the ring comes out the same."""
        kept = rows[-self.window :]
        first = self._seen + len(rows) - len(kept)
        self._rows[(first + np.arange(len(kept))) % self.window] = kept
        self._seen += len(rows)

    def rows(self) -> NDArray[Any]:
        """Return a copy of the rows kept, as they stand in memory: not in the order of arrival."""
        return self._rows[: len(self)].copy()

    def state(self) -> dict[str, Any]:
        """Return plain arrays and numbers that `from_state` continues from, bit for bit."""
        return {"rows": self._rows.copy(), "seen": self._seen}

    @classmethod
    def from_state(cls, state: Mapping[str, Any], columns: int, dtype: DTypeLike = np.float64) -> Self:
        """Return a ring that continues where `state` was taken.

        Raises
        ------
        StateError
            The state is incomplete, inconsistent, or of other columns.
        """
        try:
            rows, seen = np.array(state["rows"], dtype=dtype), int(state["seen"])
            if rows.ndim != 2 or rows.shape[1] != columns or seen < 0 or not np.isfinite(rows).all():
                raise ValueError(f"rows of shape {rows.shape}, {seen} seen")
            ring = cls(len(rows), columns, dtype)
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(f"the ring in the state is incomplete or inconsistent ({error})") from error
        ring._rows[:] = rows
        ring._seen = seen
        return ring
