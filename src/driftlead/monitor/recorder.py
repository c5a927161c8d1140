"""Predictions and episodes on their way to the store: a buffer, a thread, and patience with the database."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from driftlead.errors import StorageError
from driftlead.monitor.records import (
    EpisodeRecord,
    KeptPredictions,
    PredictionBatch,
    Store,
    is_id,
    merged,
)

__all__ = ["Recorder"]

_log = logging.getLogger(__name__)

_WRITE_ROWS = 2_000  # in one transaction: others who write wait no longer than for one
_LONGEST_PAUSE = 30.0
_PATIENCE = 5.0  # of those who must have written what waits, while another writes


class _Offered(NamedTuple):
    """The predictions of one request, made at one time."""

    ids: Sequence[str]
    outputs: NDArray[np.float32]
    made_at: float

    @property
    def sound(self) -> bool:
        """Whether a store can keep them."""
        rows = len(self.ids)
        shaped = self.outputs.ndim == 2 and len(self.outputs) == rows and not isinstance(self.ids, str)
        return shaped and all(map(is_id, self.ids))


class Recorder:
    """Keep predictions and episodes in a store without ever making the caller wait.

    What the store does not take waits here and is tried again, ever more slowly up to every 30 s, in the
    order in which it came. When the buffer is full, the predictions that come last are dropped and counted.

    Parameters
    ----------
    store : Store
        Where things are kept.
    capacity : int
        Most predictions that wait.
    max_bytes : int
        Most memory that their outputs may take.
    every_seconds : float
        How long predictions gather before they are written.
    on_error : callable
        Called with the name of the place, inside the ``except`` block of each failure.
    before_episodes : callable
        Called before episodes are written: a process that is killed in between then finds in its state what
        the store does not know yet, never the other way round.

    Attributes
    ----------
    after_messages : callable
        Called when messages about an episode have been written.
    """

    def __init__(
        self,
        store: Store,
        capacity: int,
        max_bytes: int,
        every_seconds: float,
        on_error: Callable[[str], None],
        before_episodes: Callable[[], None] = lambda: None,
    ) -> None:
        self.store = store
        self.capacity = capacity
        self.max_bytes = max_bytes
        self._waiting_bytes = 0
        self._every = every_seconds
        self._on_error = on_error
        self._before_episodes = before_episodes
        self.after_messages: Callable[[], None] = lambda: None
        self._offered: deque[tuple[Sequence[str], NDArray[np.float32], float]] = deque()
        self._waiting: deque[_Offered] = deque()
        self._waiting_rows = 0  # of both
        self._waiting_ids: set[str] = set()
        self._episodes: dict[str, EpisodeRecord] = {}
        self._messages: dict[str, list[tuple[str, dict[str, Any]]]] = {}
        self._dropped: Counter[str] = Counter(
            buffer_full=0, invalid=0, refused=0, closed=0, same_id=0, damaged=0
        )
        self._lock = threading.Lock()
        self._looking = threading.Lock()
        self._writing = threading.RLock()
        self._wake = threading.Event()
        self._closed = False
        self._failing = False
        self._thread: threading.Thread | None = None

    def __len__(self) -> int:
        self._look_at_offered()
        return self._waiting_rows

    @property
    def dropped(self) -> dict[str, int]:
        """Predictions that no label will find, by reason."""
        self._look_at_offered()
        with self._lock:
            return dict(self._dropped)

    def holds(self, ids: Sequence[str]) -> bool:
        """Whether any of these predictions waits here."""
        self._look_at_offered()
        with self._lock:
            return not self._waiting_ids.isdisjoint(ids)

    def count_damaged(self, ids: Sequence[str]) -> None:
        """Count predictions that the store could not read."""
        with self._lock:
            first = bool(ids) and not self._dropped["damaged"]
            self._dropped["damaged"] += len(ids)
        if first:
            _log.error(
                "the prediction %.100s or its label is damaged in the database and left out; "
                "further ones are only counted",
                ids[0],
            )

    def offer(self, ids: Sequence[str], scores: NDArray[np.float32], made_at: float) -> None:
        """Take predictions to be kept, all of one request.

        Parameters
        ----------
        ids : sequence of str, length n
        scores : ndarray of float32, shape (n, k)
            Not copied: the caller lets go of it.
        made_at : float
            Seconds since the epoch.
        """
        n, size = len(ids), scores.nbytes
        with self._lock:
            if self._closed:
                self._dropped["closed"] += n
            elif self._waiting_rows + n > self.capacity or self._waiting_bytes + size > self.max_bytes:
                self._dropped["buffer_full"] += n
            else:
                # Whoever serves waits for this: what they are is looked at later.
                self._offered.append((ids if isinstance(ids, str) else tuple(ids), scores, made_at))
                self._waiting_rows += n
                self._waiting_bytes += size

    def save_episode(self, episode: EpisodeRecord, notify: Sequence[tuple[str, dict[str, Any]]] = ()) -> None:
        """Take an episode to be kept as it now is, and messages about it."""
        with self._lock:
            waiting = self._episodes.get(episode.id)
            self._episodes[episode.id] = episode if waiting is None else merged(waiting, episode)
            self._messages.setdefault(episode.id, []).extend(notify)
        self._wake.set()

    def episode(self, episode_id: str) -> EpisodeRecord | None:
        """Return an episode as it will be kept; raises `StorageError` like the store."""
        with self._lock:
            waiting = self._episodes.get(episode_id)
        return waiting or self.store.episode(episode_id)

    def episodes(self, limit: int, *, unresolved: bool = False) -> list[EpisodeRecord]:
        """Return the latest episodes as they will be kept; raises `StorageError` like the store."""
        kept = {record.id: record for record in self.store.episodes(limit, unresolved=unresolved)}
        with self._lock:
            kept |= self._episodes
        return [record for record in kept.values() if not unresolved or record.resolved_at is None]

    def state(self) -> list[str]:
        """Return the episodes that wait, and messages about them, as JSON: a person may have ended one."""
        with self._lock:
            waiting = [
                {**asdict(record), "messages": self._messages.get(record.id, [])}
                for record in self._episodes.values()
            ]
        return [json.dumps(each) for each in waiting]

    def restore(self, state: Sequence[str]) -> None:
        """Have written what `state` held."""
        for text in state:
            each = json.loads(text)
            messages = [(str(target), dict(body)) for target, body in each.pop("messages")]
            self.save_episode(EpisodeRecord(**each), messages)

    def flush(self) -> None:
        """Write all that waits, now, in the calling thread.

        Raises
        ------
        StorageError
            The store did not take it; it goes on waiting.
        """
        if not self._writing.acquire(timeout=_PATIENCE):
            raise StorageError(f"the store has been busy with what came before for {_PATIENCE} seconds")
        try:
            self._write_episodes()
            # What comes meanwhile waits for the next time: traffic faster than the store must not keep this
            # call from returning.
            rows = len(self)
            while rows > 0 and (batches := self._next_batches()):
                rows -= sum(len(batch.ids) for batch in batches)
                self._write(batches)
        finally:
            self._writing.release()

    def start(self) -> None:
        """Start writing, until `close`."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="driftlead-recorder", daemon=True)
            self._thread.start()

    def close(self, timeout: float = 10.0) -> None:
        """Write what waits, for the last time; what the store does not take then is dropped and counted."""
        with self._lock:
            self._closed = True
        self._wake.set()
        # In its thread: a database that does not answer would keep this one for longer than it may wait.
        self.start()
        if self._thread is not None:
            self._thread.join(timeout)
        self._look_at_offered()
        with self._lock:
            self._dropped["closed"] += self._waiting_rows
            self._waiting.clear()
            self._waiting_ids.clear()
            self._waiting_rows = self._waiting_bytes = 0

    def _work(self) -> None:
        pause = self._every
        while not self._closed:
            self._wake.wait(pause)
            self._wake.clear()
            try:
                self.flush()
            except Exception as error:
                pause = min(max(2 * pause, 0.5), _LONGEST_PAUSE)
                self._on_error("storage")
                if not self._failing:
                    _log.warning("predictions and episodes wait for the database: %s", error)
                self._failing = True
                if not self._closed:
                    # Episodes that come meanwhile must not turn patience into haste.
                    time.sleep(min(pause, 1.0))
            else:
                if self._failing:
                    _log.info("the database takes predictions and episodes again")
                self._failing = False
                pause = self._every
        try:
            self.flush()
        except Exception:
            self._on_error("storage")

    def _look_at_offered(self) -> None:
        """Take over what came since, but for what no store can keep."""
        with self._looking:
            while some := self._next_offered():
                # Without the lock: whoever serves would wait for it.
                sound: list[_Offered] = []
                unsound: list[_Offered] = []
                for batch in some:
                    (sound if batch.sound else unsound).append(batch)
                with self._lock:
                    self._waiting.extend(sound)
                    self._waiting_ids.update(*[batch.ids for batch in sound])
                    rows = sum(len(batch.ids) for batch in unsound)
                    self._dropped["invalid"] += rows
                    self._waiting_rows -= rows
                    self._waiting_bytes -= sum(batch.outputs.nbytes for batch in unsound)

    def _next_offered(self) -> list[_Offered]:
        """Take out a few that were offered."""
        some: list[_Offered] = []
        rows = 0
        with self._lock:
            while self._offered and rows < _WRITE_ROWS:
                some.append(_Offered(*self._offered.popleft()))
                rows += len(some[-1].ids)
        return some

    def _next_batches(self) -> list[_Offered]:
        """Return what to write next, all of one width; it stays in the buffer until it is written."""
        self._look_at_offered()
        with self._lock:
            chosen: list[_Offered] = []
            rows = 0
            for batch in self._waiting:
                if chosen and (
                    rows + len(batch.ids) > _WRITE_ROWS
                    or batch.outputs.shape[1:] != chosen[0].outputs.shape[1:]
                ):
                    break
                chosen.append(batch)
                rows += len(batch.ids)
            return chosen

    def _write(self, batches: list[_Offered]) -> None:
        lengths = [len(batch.ids) for batch in batches]
        whole = PredictionBatch(
            [each for batch in batches for each in batch.ids],
            np.repeat([batch.made_at for batch in batches], lengths),
            np.concatenate([batch.outputs for batch in batches]),
        )
        kept = KeptPredictions()
        try:
            kept = self.store.add_predictions(whole)
        except StorageError:
            raise
        except Exception:
            # Not the database but these predictions are at fault: in the way they would block all others.
            self._on_error("recorder")
            if len(batches) > 1:
                for batch in batches:
                    self._write([batch])
                return
            with self._lock:
                self._dropped["refused"] += len(whole)
        with self._lock:
            self._dropped["same_id"] += kept.same_id
            for _ in range(min(len(batches), len(self._waiting))):
                written = self._waiting.popleft()
                self._waiting_rows -= len(written.ids)
                self._waiting_bytes -= written.outputs.nbytes
                self._waiting_ids.difference_update(written.ids)

    def _write_episodes(self) -> None:
        if self._episodes:
            self._before_episodes()
        while True:
            with self._lock:
                episode = next(iter(self._episodes.values()), None)
                if episode is None:
                    return
                notify = tuple(self._messages.get(episode.id, ()))
            try:
                self.store.save_episode(episode, notify)
            except StorageError:
                raise
            except Exception:
                self._on_error("recorder")
            if notify:
                self.after_messages()
            with self._lock:
                # It may have changed again while it was written.
                if self._episodes[episode.id] is episode:
                    del self._episodes[episode.id]
                rest = self._messages.get(episode.id, [])[len(notify) :]
                if rest:
                    self._messages[episode.id] = rest
                    self._episodes.setdefault(episode.id, episode)
                else:
                    self._messages.pop(episode.id, None)
