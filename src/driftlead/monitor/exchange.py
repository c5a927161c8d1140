"""References that persons asked for, from the replica that made them to all others on the same store."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from driftlead import state
from driftlead.errors import DriftleadError, StorageError
from driftlead.monitor.records import Store

__all__ = ["Exchange", "Part"]

_log = logging.getLogger(__name__)

_VERSION = 1
_MOST_BYTES = 64 * 1024 * 1024  # a statement that takes more outlasts the patience with a database


class Part(NamedTuple):
    """One kind of reference.

    Attributes
    ----------
    kind : str
    shared : callable
        Returns name and state of the one that holds here, if a person asked for it; later names sort after.
    adopt : callable
        Takes name and state of a later one.
    """

    kind: str
    shared: Callable[[], tuple[str, Mapping[str, Any]] | None]
    adopt: Callable[[str, Mapping[str, Any]], None]


class Exchange:
    """Tell other replicas of references, and take up theirs: the one that was asked for last is everybody's.

    Parameters
    ----------
    store : Store
        Which the replicas share.
    parts : sequence of Part
        In the order in which they are taken up.
    clock : callable
        Returns the seconds since the epoch.
    on_error : callable
        Called with the name of the place, inside the ``except`` block of each failure.
    """

    def __init__(
        self,
        store: Store,
        parts: Sequence[Part],
        clock: Callable[[], float],
        on_error: Callable[[str], None],
    ) -> None:
        self._store = store
        self._parts = tuple(parts)
        self._clock = clock
        self._on_error = on_error
        self._too_large: dict[str, str] = {}
        self._refused: dict[str, str] = {}

    def run(self) -> None:
        """Tell, and ask, once.

        Raises
        ------
        StorageError
            The store does not answer.
        """
        for part in self._parts:
            ours = part.shared()
            name = "" if ours is None else ours[0]
            newest = self._store.reference_name(part.kind)
            if ours is not None and name > newest:
                self._tell(part.kind, *ours)
            elif newest > name and newest != self._refused.get(part.kind):
                self._adopt(part, newest)

    def _tell(self, kind: str, name: str, shared: Mapping[str, Any]) -> None:
        if self._too_large.get(kind) == name:
            return
        content = state.to_bytes(kind, _VERSION, shared)
        if len(content) <= _MOST_BYTES:
            self._store.add_reference(kind, name, content, self._clock())
        else:
            self._too_large[kind] = name
            _log.warning(
                "the new reference, of %d MB, is too large for the database: ask every replica for one",
                len(content) // 1_000_000,
            )

    def _adopt(self, part: Part, name: str) -> None:
        content = self._store.reference(part.kind, name)
        if content is None:  # a newer one has come
            return
        try:
            part.adopt(name, state.from_bytes(content, part.kind)[1])
        except StorageError:
            raise
        except (DriftleadError, ValueError, TypeError):
            # It will not become better; a later one may be.
            self._refused[part.kind] = name
            self._on_error("rebaseline")
