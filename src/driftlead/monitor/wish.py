"""A person's wish that what comes from now on be the reference: who said so, when, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from driftlead.errors import StateError
from driftlead.monitor.episode import new_episode_id

__all__ = ["Wish"]


@dataclass(frozen=True)
class Wish:
    """One call of `driftlead.monitor.Monitor.rebaseline`.

    Attributes
    ----------
    name : str
        A UUID of version 7: unique over replicas, and of two wishes the later one comes after the other.
    at : float
        Seconds since the epoch.
    by : str
        Who said so.
    note : str or None
        Why.
    """

    name: str
    at: float
    by: str
    note: str | None

    @classmethod
    def of(cls, at: float, by: str, note: str | None, after: Wish | None = None) -> Self:
        """Return a wish with a name of its own, later than that of another even if the clock was set back.

        Examples
        --------
        >>> first = Wish.of(1_700_000_000.0, "mia", None)
        >>> first.name < Wish.of(1_600_000_000.0, "tom", None, first).name
        True
        """
        before = 0 if after is None else int(after.name.replace("-", "")[:12], 16)
        return cls(new_episode_id(max(at, (before + 1.5) / 1000)), at, by, note)

    def state(self) -> dict[str, Any]:
        """Return plain scalars."""
        return asdict(self)

    @classmethod
    def from_state(cls, state: Mapping[str, Any] | None) -> Self:
        """Restore what `state` returned; an earlier version kept none.

        Raises
        ------
        StateError
            It is damaged.
        """
        if state is None:
            return cls("0", 0.0, "", None)
        try:
            note = state["note"]
            return cls(
                str(state["name"]), float(state["at"]), str(state["by"]), None if note is None else str(note)
            )
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(f"who asked for a reference is unreadable ({error})") from None
