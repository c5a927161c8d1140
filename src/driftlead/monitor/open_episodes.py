"""Episodes that are open here, and what people say of them, here or at another replica."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from driftlead.errors import InvalidParameterError
from driftlead.monitor.detection import Detection
from driftlead.monitor.episode import Episode, EpisodeEvent
from driftlead.monitor.episode_log import EpisodeLog

__all__ = ["OpenEpisodes", "Side"]

_SOMEBODY = "another replica"


class Side(Protocol):
    """What can hold an open episode: the side of served rows, or that of labels."""

    def detection(self) -> AbstractContextManager[Detection | None]:
        """Lend the detection, if there is one; what it watches waits meanwhile."""
        ...


class OpenEpisodes:
    """Pass on what people say of an episode: to the side that holds it, else to the store.

    Parameters
    ----------
    sides : sequence of Side
    log : EpisodeLog
    clock : callable
        Returns the seconds since the epoch.
    """

    def __init__(self, sides: Sequence[Side], log: EpisodeLog, clock: Callable[[], float]) -> None:
        self._sides = tuple(sides)
        self._log = log
        self._clock = clock
        self._lost_closed = False

    def current(self) -> list[Episode]:
        """Return the episodes that are open here, as they stand."""
        episodes = []
        for side in self._sides:
            with side.detection() as detection:
                episodes.append(None if detection is None else detection.tracker.current())
        return [episode for episode in episodes if episode is not None]

    def acknowledge(self, episode_id: str, by: str, note: str | None) -> Episode:
        """Note that a person knows of an episode; raises as `EpisodeLog.acknowledge`."""
        now = self._clock()
        event = self._acknowledge(episode_id, now, by, note)
        if event is None:
            return self._log.acknowledge(episode_id, now, by, note)
        # Whoever acknowledges what is acknowledged changes nothing, and nobody is told.
        if event.episode.acknowledged_at == now:
            self._log.call([event])
        return event.episode

    def resolve(self, episode_id: str, by: str, note: str | None) -> Episode:
        """End an episode because a person says so; raises as `EpisodeLog.resolve`, or unnamed."""
        if not by.strip():
            raise InvalidParameterError("by", "a name", by)
        now = self._clock()
        event = self._resolve(episode_id, now, by, note)
        if event is None:
            return self._log.resolve(episode_id, now, by, note)
        self._log.call([event])
        return event.episode

    def hear(self) -> None:
        """Take note of what people told other replicas of the episodes that are open here.

        Raises
        ------
        StorageError
            The store does not answer.
        """
        for held in self.current():
            said = self._log.kept(held.id)
            if said is None:
                continue
            event = None
            if said.acknowledged_at is not None and held.acknowledged_at is None:
                by = said.acknowledged_by or _SOMEBODY
                event = self._acknowledge(held.id, said.acknowledged_at, by, said.note, tell=False)
            if said.resolved_at is not None:
                by = said.resolved_by or _SOMEBODY
                event = self._resolve(held.id, said.resolved_at, by, said.note, tell=False)
            if event is not None:
                self._log.call([event])

    def close_lost(self) -> None:
        """Resolve, once, what an earlier process left open and this one does not hold.

        Raises
        ------
        StorageError
            The store does not answer.
        """
        if not self._lost_closed:
            self._log.close_lost([each.id for each in self.current()], self._clock())
            self._lost_closed = True

    def _acknowledge(
        self, episode_id: str, now: float, by: str, note: str | None, *, tell: bool = True
    ) -> EpisodeEvent | None:
        for side in self._sides:
            with side.detection() as detection:
                event = None if detection is None else detection.acknowledge(episode_id, now, by, note)
                if event is not None and event.episode.acknowledged_at == now:
                    self._log.keep([event], tell=tell)
            if event is not None:
                return event
        return None

    def _resolve(
        self, episode_id: str, now: float, by: str, note: str | None, *, tell: bool = True
    ) -> EpisodeEvent | None:
        for side in self._sides:
            with side.detection() as detection:
                event = None if detection is None else detection.resolve(episode_id, now, by, note)
                if event is not None:
                    self._log.keep([event], tell=tell)
            if event is not None:
                return event
        return None
