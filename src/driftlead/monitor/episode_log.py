"""Episodes beyond the tracker: to the store, to callbacks and webhooks, and as they now are."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from weakref import WeakValueDictionary

from driftlead.errors import InvalidDataError, InvalidParameterError, StorageError
from driftlead.monitor.callbacks import Callbacks
from driftlead.monitor.episode import Episode, EpisodeEvent, EventKind
from driftlead.monitor.recorder import Recorder
from driftlead.monitor.records import EpisodeRecord, is_id

__all__ = ["EpisodeLog"]


class EpisodeLog:
    """What becomes of events of episodes, and who is asked about an episode.

    Parameters
    ----------
    recorder : Recorder
        On whose way to the store they are.
    webhooks : sequence of str
        Names of those to be told.
    source : mapping of str to str
        What tells this monitor from others in messages.
    replica : str or None
        Whose episodes these are, over restarts; None where nothing is known of a process before.
    on_error : callable
        Called with the name of the place, inside the ``except`` block of each failure.

    Attributes
    ----------
    callbacks : Callbacks
    opened : int
        Episodes that opened in this process.
    """

    def __init__(
        self,
        recorder: Recorder,
        webhooks: Sequence[str],
        source: Mapping[str, str],
        replica: str | None,
        on_error: Callable[[str], None],
    ) -> None:
        self.callbacks = Callbacks()
        self.opened = 0
        self._recorder = recorder
        self._webhooks = tuple(webhooks)
        self._source = dict(source)
        self._replica = replica
        self._on_error = on_error
        self._lock = threading.Lock()
        self._saying: WeakValueDictionary[str, threading.Lock] = WeakValueDictionary()

    def keep(self, events: Sequence[EpisodeEvent], *, tell: bool = True) -> None:
        """Have events kept; called in the order in which they happened to an episode, under its lock.

        Parameters
        ----------
        events : sequence of EpisodeEvent
        tell : bool
            Whether webhooks hear of them: they do once, from the replica that a person told.
        """
        for event in events:
            if event.kind == "opened":
                with self._lock:
                    self.opened += 1
            owned = replace(event, episode=self._owned(event.episode))
            messages = [(name, owned.to_message(**self._source)) for name in self._webhooks if tell]
            self._recorder.save_episode(owned.episode.to_record(), messages)

    def call(self, events: Sequence[EpisodeEvent]) -> None:
        """Call back; without a lock, for whoever is called may ask for a snapshot."""
        for event in events:
            self.callbacks.call(replace(event, episode=self._owned(event.episode)))

    def acknowledge(self, episode_id: str, now: float, by: str, note: str | None) -> Episode:
        """Acknowledge an episode that no tracker here holds; what was said of it first stands.

        Raises
        ------
        InvalidParameterError
            There is no such episode, or nobody is named.
        StorageError
            The store does not answer.
        """
        return self._say(episode_id, "acknowledged", now, lambda episode: episode.acknowledge(now, by, note))

    def resolve(self, episode_id: str, now: float, by: str, note: str | None) -> Episode:
        """End an episode that no tracker here holds; the replica that holds it hears of it by the store.

        Raises
        ------
        InvalidParameterError
            There is no such episode.
        StorageError
            The store does not answer.
        """
        return self._say(
            episode_id,
            "resolved",
            now,
            lambda episode: episode.resolve(now, episode.last_alarm_row, "closed", by, note),
        )

    def _say(
        self, episode_id: str, kind: EventKind, now: float, said: Callable[[Episode], Episode]
    ) -> Episode:
        with self._alone(episode_id):
            before = self.get(episode_id)
            if before is None:
                raise InvalidParameterError("episode_id", "the id of an episode", episode_id)
            after = said(before)
            if after is before:
                return before
            event = EpisodeEvent(kind, now, after)
            self.keep([event])
        self.call([event])
        return after

    def get(self, episode_id: str) -> Episode | None:
        """Return an episode that no tracker holds, as it will be kept; raises as the store does."""
        record = self._recorder.episode(episode_id) if is_id(episode_id) else None
        return next(self._readable([] if record is None else [record]), None)

    def kept(self, episode_id: str) -> Episode | None:
        """Return an episode as the store has it, other replicas' words included; raises as the store does."""
        record = self._recorder.store.episode(episode_id)
        return next(self._readable([] if record is None else [record]), None)

    def latest(self, limit: int, current: Sequence[Episode]) -> list[Episode]:
        """Return the latest episodes, newest first; ``current`` are the open ones as they stand.

        Raises
        ------
        StorageError
            The store does not answer.
        """
        kept = self._readable(self._recorder.episodes(limit))
        known = {episode.id: episode for episode in [*kept, *map(self._owned, current)]}
        newest_first = sorted(known.values(), key=lambda each: (each.opened_at, each.id), reverse=True)
        return newest_first[:limit]

    def close_lost(self, held: Collection[str], now: float) -> None:
        """Resolve this replica's open episodes that it no longer holds, for a process before lost its state.

        Raises
        ------
        StorageError
            The store does not answer.
        """
        if self._replica is None:
            return
        for episode in self._readable(self._recorder.episodes(_MOST_LOST, unresolved=True)):
            if episode.replica == self._replica and episode.id not in held:
                ended = episode.resolve(now, episode.last_alarm_row, "lost")
                self.keep([EpisodeEvent("resolved", now, ended)])

    @contextmanager
    def _alone(self, episode_id: str) -> Iterator[None]:
        """Of two who say something of an episode at once, let the second know of the first."""
        with self._lock:
            saying = self._saying.setdefault(episode_id, threading.Lock())
        if not saying.acquire(timeout=_PATIENCE):
            raise StorageError(f"the store has not answered for {_PATIENCE:g} seconds")
        try:
            yield
        finally:
            saying.release()

    def _readable(self, records: Sequence[EpisodeRecord]) -> Iterator[Episode]:
        """Restore episodes; one that is damaged in the store takes no other with it."""
        for record in records:
            try:
                yield Episode.from_record(record)
            except InvalidDataError:
                self._on_error("episodes")

    def _owned(self, episode: Episode) -> Episode:
        return episode if episode.replica is not None else replace(episode, replica=self._replica)


_MOST_LOST = 1_000
_PATIENCE = 5.0  # of those who speak of one episode, with a store that does not answer
