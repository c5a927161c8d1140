"""The monitor itself: served rows and labels in, verdicts out, never in the way of what serves."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from driftlead.calibration import Calibration
from driftlead.errors import InvalidParameterError, StateError, StorageError
from driftlead.monitor.baseline import Baseline
from driftlead.monitor.callbacks import Callback
from driftlead.monitor.counts import Counts
from driftlead.monitor.episode import Episode, EpisodeEvent
from driftlead.monitor.episode_log import EpisodeLog
from driftlead.monitor.exchange import Exchange, Part
from driftlead.monitor.feedback import Feedback
from driftlead.monitor.feedback_outcome import FeedbackOutcome
from driftlead.monitor.history import MonitorHistory
from driftlead.monitor.keeper import STATE, Keeper
from driftlead.monitor.memory_store import MemoryStore
from driftlead.monitor.open_episodes import OpenEpisodes
from driftlead.monitor.pruner import Pruner
from driftlead.monitor.quality_history import QualityHistory
from driftlead.monitor.recorder import Recorder
from driftlead.monitor.records import Store
from driftlead.monitor.row_queue import RowQueue
from driftlead.monitor.served import checked_rows, checked_scores, checked_times
from driftlead.monitor.served_rows import ServedRows
from driftlead.monitor.settings import MonitorSettings
from driftlead.monitor.snapshot import MonitorSnapshot
from driftlead.monitor.state_folder import StateFolder
from driftlead.monitor.wish import Wish
from driftlead.monitor.worker import Worker
from driftlead.reference import ReferenceProfile
from driftlead.signals import SignalRows, join_rows

__all__ = ["Monitor"]

#: Why rows can be lost.
_REASONS = ("queue_full", "closed", "failed")

#: Where something can fail, besides in the detectors.
_PLACES = (
    "observe", "worker", "bins", "episodes", "history", "quality", "storage", "recorder", "state",
    "rebaseline",
)  # fmt: skip

_RECORD_SECONDS = 1.0


class Monitor:
    """Watch rows of signals against a reference profile, and labels once they come.

    `observe` is for serving: it hands rows to a bounded queue, never blocks and never raises. A worker
    thread, between `start` and `close`, feeds them to the detectors. `process` does the same at once, in
    the calling thread, for recorded data.

    Parameters
    ----------
    profile : ReferenceProfile
        The reference of every signal, and the order of the rows' columns.
    settings : MonitorSettings
        How to watch.
    calibration : Calibration, optional
        Thresholds that were found for this profile and these settings; without them the budget is split
        evenly, as for rows that do not depend on each other.
    model_hash : str, optional
        Hash of the model that is watched; a profile of another one is refused.
    store : Store, optional
        Where predictions wait for labels and episodes are kept; by default in memory. It is closed with the
        monitor.
    folder : StateFolder, optional
        Where the state is saved, so that a new process goes on where this one ended. Closed with the monitor.
    webhooks : sequence of str
        Names of the webhooks that `driftlead.webhooks.Notifier` tells of episodes.
    source : dict of str to str
        What tells this monitor from others in those messages, such as ``{"model": "digits"}``.
    clock : callable
        Returns the seconds since the epoch.

    Raises
    ------
    ReferenceMismatchError
        The profile is of another model, or the calibration for another profile or other settings.

    Examples
    --------
    >>> from driftlead.signals import Signal
    >>> rng = np.random.default_rng(0)
    >>> reference = rng.normal(size=(2000, 3))
    >>> signals = [Signal("feature:a"), Signal("feature:b"), Signal("feature:c")]
    >>> profile = ReferenceProfile.from_rows(signals, reference, model_hash="1f")
    >>> monitor = Monitor(profile, MonitorSettings(window=200))
    >>> monitor.process(rng.normal(size=(1000, 3)))
    >>> monitor.snapshot().drifting
    False
    >>> monitor.process(rng.normal([0.0, 1.0, 0.0], size=(300, 3)))
    >>> sorted({alarm.signal for alarm in monitor.snapshot().recent_alarms})
    ['feature:b']
    >>> monitor.snapshot().open_episodes[0].signals[0].signal
    'feature:b'
    """

    def __init__(
        self,
        profile: ReferenceProfile,
        settings: MonitorSettings | None = None,
        *,
        calibration: Calibration | None = None,
        model_hash: str | None = None,
        store: Store | None = None,
        folder: StateFolder | None = None,
        webhooks: Sequence[str] = (),
        source: dict[str, str] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if model_hash is not None:
            profile.require_model(model_hash)
        self.settings = settings or MonitorSettings()
        self.store: Store = store if store is not None else MemoryStore()
        self._n_signals = profile.n_signals
        self._clock = clock
        self._counts = Counts(_REASONS, (*_PLACES, *self.settings.detector_names))
        self._folder = folder
        saved = (folder.load(STATE) if folder is not None else None) or {}
        baseline = Baseline(profile, self.settings.for_rows(profile), calibration, self._counts.error)
        self._restore_part(saved, "baseline", baseline.restore)
        self._keeper = Keeper(
            self.state, self._tidy, folder, self.settings.save_every_seconds, self._counts.error
        )
        self._recorder = Recorder(
            self.store,
            self.settings.kept_predictions,
            self.settings.queue_bytes,
            _RECORD_SECONDS,
            self._counts.error,
            self._keeper.save,
        )
        replica = folder.replica if folder is not None else None
        self._log = EpisodeLog(self._recorder, webhooks, source or {}, replica, self._counts.error)
        self._rows = ServedRows(baseline, self._clock, self._log.keep, self._renewed)
        self._feedback = Feedback(profile, self.settings, self._recorder, self._counts.error, self._log.keep)
        self._open_episodes = OpenEpisodes((self._rows, self._feedback), self._log, self._clock)
        self._quality_history = QualityHistory(self.settings.save_every_seconds)
        self._restore_part(saved, "detection", self._rows.restore)
        self._restore_part(saved, "feedback", self._feedback.restore)
        self._restore_part(saved, "quality_history", self._quality_history.restore)
        self._restore_part(saved, "unwritten", self._recorder.restore)
        self._exchange = Exchange(
            self.store,
            (
                Part("rows", self._rows.shared, self._rows.adopt),
                Part("quality", self._feedback.shared, self._adopt_quality),
            ),
            self._clock,
            self._counts.error,
        )
        self._queue = RowQueue(self.settings.queue_rows, self.settings.queue_bytes)
        self._pruner = Pruner(self.store, self._clock)
        self._closed = False
        self._worker = Worker(
            self._queue,
            profile.n_signals,
            self.settings.linger_seconds,
            self._advance,
            self._counts.error,
            partial(self._counts.drop, "failed"),
        )

    @classmethod
    def merged(
        cls,
        profile: ReferenceProfile,
        states: Sequence[Mapping[str, Any]],
        settings: MonitorSettings | None = None,
        *,
        calibration: Calibration | None = None,
    ) -> Monitor:
        """Return one monitor that knows what several replicas knew, as of their latest rows.

        - Rows, bins and alarms are counts: they add.
        - The latest window of rows is the latest of all replicas' rows, in the order of time. The statistics
          of incremental KS and NM-DDM are those of one monitor that saw all of them, up to the random order
          of tied values.
        - Page-Hinkley sums over all time in the order of all rows, which no sum of sums gives back. It starts
          anew with at least a window of rows: it knows less than a single monitor would, and errs on the
          quiet side.
        - Labels are measured where they arrive: totals add, windows stand side by side.

        Parameters
        ----------
        profile, settings, calibration
            As all of the replicas have them.
        states : sequence of mapping
            What `state` returned on each; its file is read by
            ``driftlead.state.load(folder / "monitor.state", "monitor")[1]``.

        Returns
        -------
        Monitor
            Not started; it is there to be asked for its `snapshot`.

        Raises
        ------
        InvalidParameterError
            There are no states.
        StateError
            A state belongs to another model, reference or setting, or is damaged.

        Examples
        --------
        >>> from driftlead.signals import Signal
        >>> rng = np.random.default_rng(0)
        >>> profile = ReferenceProfile.from_rows([Signal("a")], rng.normal(size=(1000, 1)), model_hash="1f")
        >>> settings = MonitorSettings(window=100)
        >>> replicas = [Monitor(profile, settings) for _ in range(2)]
        >>> for row in rng.normal(size=(300, 1)):
        ...     replicas[int(row[0] > 0)].process([row])
        >>> merged = Monitor.merged(profile, [replica.state() for replica in replicas], settings)
        >>> merged.snapshot().rows
        300
        """
        if not states:
            raise InvalidParameterError("states", "at least one", list(states))
        monitor = cls(profile, settings, calibration=calibration)
        try:
            rows, labels = [each["detection"] for each in states], [each["feedback"] for each in states]
        except (KeyError, TypeError) as error:
            raise StateError(f"a state is incomplete: {error}") from None
        monitor._rows.merge(states[0].get("baseline"), rows)
        monitor._feedback.merge(labels)
        return monitor

    @property
    def profile(self) -> ReferenceProfile:
        """The reference that rows are compared with now."""
        return self._rows.profile

    # --- rows ----------------------------------------------------------------------------------------

    def observe(
        self,
        rows: ArrayLike | SignalRows,
        ids: Sequence[str] | None = None,
        scores: ArrayLike | None = None,
    ) -> None:
        """Hand served rows to the monitor, and return at once.

        Rows that find the queue full, or the monitor closed, are dropped and counted. Nothing is raised:
        rows that do not fit are counted as an error under ``observe``.

        Parameters
        ----------
        rows : array_like or SignalRows, shape (rows, n_signals)
            One value per row and signal, NaN where missing; an array is copied.
        ids : sequence of str, optional
            Names of the rows' predictions, by which `feedback` finds them.
        scores : ndarray of float32, shape (rows, k), optional
            What was predicted: class probabilities, or a single column of predicted values. Not copied.
        """
        try:
            batch = checked_rows(rows, self._n_signals)
            n = batch.shape[0]
            # Without rows a batch takes no room, so no number of them would ever fill the queue.
            if n == 0:
                return
            now = self._clock()
            if not self._queue.offer(batch, now):
                self._counts.drop("closed" if self._closed else "queue_full", n)
            if ids is not None:
                self._recorder.offer(ids, checked_scores(scores), now)
        except Exception:
            self._counts.error("observe")

    def process(
        self,
        rows: ArrayLike | SignalRows,
        *,
        ids: Sequence[str] | None = None,
        scores: ArrayLike | None = None,
        observed_at: ArrayLike | None = None,
    ) -> None:
        """Feed rows to the detectors in the calling thread.

        Parameters
        ----------
        rows, ids, scores
            As for `observe`.
        observed_at : array_like of float, shape (rows,) or (), optional
            Seconds since the epoch; now, by default.

        Raises
        ------
        InvalidDataError
            When the rows are no numbers or do not have one column per signal, or a time or a score is none.
        """
        batch = join_rows([checked_rows(rows, self._n_signals)])
        times = checked_times(self._clock() if observed_at is None else observed_at, len(batch))
        if ids is not None and len(batch):
            self._recorder.offer(ids, checked_scores(scores), float(times[-1]))
        if len(batch):
            self._advance(batch, times)

    # --- labels --------------------------------------------------------------------------------------

    def feedback(self, ids: Sequence[str], labels: ArrayLike) -> FeedbackOutcome:
        """Take labels of earlier predictions, in any order and at any time; once it returns they are kept.

        Idempotent: the first label of a prediction stands.

        Parameters
        ----------
        ids : sequence of str, length n
            Names of the predictions, as they were given to `observe`.
        labels : array_like, shape (n,)
            Class names or class indices; true values for a regression.

        Returns
        -------
        FeedbackOutcome
            How many were matched, late, duplicates and unmatched.

        Raises
        ------
        InvalidDataError
            An id or a label cannot be one. Nothing has been kept then.
        StorageError
            The store does not take labels now. Nothing has been kept then, unless it is ``uncertain``.

        Examples
        --------
        >>> from driftlead.signals import Signal
        >>> profile = ReferenceProfile.from_rows([Signal("a")], [[0.0], [1.0], [2.0]], model_hash="1f")
        >>> monitor = Monitor(profile)
        >>> monitor.process([[1.0]], ids=["r1"], scores=np.array([[0.2, 0.8]], dtype=np.float32))
        >>> monitor.feedback(["r1", "r2"], [1, 0])
        FeedbackOutcome(matched=1, late=0, duplicate=0, unmatched=1)
        >>> monitor.feedback(["r1"], [1])
        FeedbackOutcome(matched=0, late=0, duplicate=1, unmatched=0)
        """
        outcome = FeedbackOutcome()
        for some, events in self._feedback.add(ids, labels, self._clock()):
            outcome += some
            self._log.call(events)
        return outcome

    # --- episodes ------------------------------------------------------------------------------------

    def on_episode(self, callback: Callback) -> None:
        """Call ``callback(kind, episode)`` whenever an episode is opened, updated, acknowledged or resolved.

        It runs in the thread that noticed, mostly the worker: it should be quick. What it raises is counted.
        """
        self._log.callbacks.add(callback)

    def on_message(self, wake: Callable[[], None]) -> None:
        """Call ``wake()`` whenever a message about an episode has reached the store."""
        self._recorder.after_messages = wake

    def acknowledge(self, episode_id: str, by: str, note: str | None = None) -> Episode:
        """Note that a person knows of an episode; the first one stands.

        Raises
        ------
        InvalidParameterError
            There is no such episode, or nobody is named.
        StorageError
            The episode is no longer open, and the store does not answer.
        """
        return self._open_episodes.acknowledge(episode_id, by, note)

    def resolve(self, episode_id: str, by: str, note: str | None = None) -> Episode:
        """End an episode because a person says so; what goes on alarming opens another one later.

        An end that it had already stands.

        Where another replica holds it, that one hears of it within ``save_every_seconds``, by the store.

        Raises
        ------
        InvalidParameterError
            There is no such episode, or nobody is named.
        StorageError
            The episode is not open here, and the store does not answer.
        """
        return self._open_episodes.resolve(episode_id, by, note)

    def episode(self, episode_id: str) -> Episode | None:
        """Return an episode as it now is; None where there is none.

        Raises
        ------
        StorageError
            The store does not answer.
        """
        for episode in self._open_episodes.current():
            if episode.id == episode_id:
                return episode
        return self._log.get(episode_id)

    def episodes(self, limit: int = 100) -> list[Episode]:
        """Return the latest episodes, newest first, the open ones as they stand.

        Raises
        ------
        StorageError
            The store does not answer.
        """
        return self._log.latest(limit, self._open_episodes.current())

    def rebaseline(self, rows: int | None = None, *, by: str, note: str | None = None) -> int:
        """Make what comes from now on the reference, because a change was found to be here to stay.

        The next rows are collected, and the detectors go on as they are until there are enough. Then bins,
        thresholds and detectors are made anew, the open episode is resolved as ``rebaselined``, and the
        new reference is saved, so that it holds after a restart too, and kept in the store, where the other
        replicas of this version find it within ``save_every_seconds``.

        Errors, losses and the estimated accuracy are judged by the old reference until there are labels of
        enough predictions made since the call: as many as measure quality, or as the old reference has.

        Parameters
        ----------
        rows : int, optional
            Rows to collect; by default as many as the profile was taken from, at most 5 000.
        by : str
            Who says so.
        note : str, optional
            Why.

        Returns
        -------
        int
            Rows that will be collected.

        Raises
        ------
        InvalidParameterError
            There are fewer than two windows of rows, more than 50 million values, or nobody is named.
        """
        return self._rows.collect(rows, by, note)

    # --- the process ---------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the threads. The kernels are compiled before it returns, not under traffic."""
        if self._worker.started:
            return
        self._rows.compile()
        self._recorder.start()
        self._keeper.start()
        self._worker.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self, *, drain: bool = True, timeout: float = 10.0) -> None:
        """Stop the threads, write what waits for the store, and save the state.

        Parameters
        ----------
        drain : bool
            Whether rows still waiting go through the detectors first; otherwise they count as dropped.
        timeout : float
            Longest wait for threads that do not end, in seconds.
        """
        if self._closed:
            return
        self._closed = True
        deadline = time.monotonic() + timeout
        # Where no worker ever ran, nobody would drain the queue.
        discarded = self._queue.close(discard=not drain or not self._worker.started)
        self._counts.drop("closed", discarded)
        self._worker.join(timeout)
        maker = self._rows.cancel()
        # First of all the state: whoever stops this process may not be patient.
        waited = bool(self._recorder.state())
        self._keeper.close(max(0.1, deadline - time.monotonic()))
        self._recorder.close(max(0.1, deadline - time.monotonic()))
        if waited and not self._recorder.state():
            # Or the next process would store, and tell webhooks, once more what this one has just stored.
            self._keeper.save()
        if maker is not None:
            maker.join(max(0.1, deadline - time.monotonic()))
        self.store.close()
        if self._folder is not None:
            self._folder.close()

    def state(self) -> dict[str, Any]:
        """Return all that goes on after a restart, as plain arrays and scalars; fit for `driftlead.state`."""
        return {
            **self._rows.state(),
            "feedback": self._feedback.state(),
            "quality_history": self._quality_history.state(),
            "unwritten": self._recorder.state(),
        }

    def snapshot(self) -> MonitorSnapshot:
        """Return everything the monitor knows, as of one row."""
        with self._rows.detection() as detection:
            rows, rows_since_start = detection.rows, detection.rows_since_start
            detectors = detection.detectors()
            alarms = tuple(detection.recent_alarms)
            bin_counts = tuple(detection.bins.since_start())
            recent_rows, _ = detection.recent()
            window_mean = detection.window_mean()
            episode = detection.tracker.current()
            collecting = self._rows.collecting
        labels = self._feedback.snapshot(recent_rows, detection.profile.signals)
        dropped = self._counts.dropped
        errors = {**self._counts.errors, "callback": self._log.callbacks.errors}
        return MonitorSnapshot(
            profile=detection.profile,
            signals=detection.profile.signals,
            rows=rows,
            rows_since_start=rows_since_start,
            queue_rows=len(self._queue),
            dropped_rows=dropped,
            errors=errors,
            detectors=detectors,
            recent_alarms=alarms,
            window_mean=window_mean,
            reference_mean=detection.profile.means,
            bins=detection.bins.bins,
            bin_counts=bin_counts,
            open_episodes=tuple(each for each in (episode, labels.episode) if each is not None),
            episodes_since_start=self._log.opened,
            labels=labels,
            waiting_predictions=len(self._recorder),
            dropped_predictions=self._recorder.dropped,
            saved_at=self._keeper.saved_at,
            collecting=collecting,
        )

    def history(self) -> MonitorHistory:
        """Return what the monitor saw over time, as copies.

        Examples
        --------
        >>> from driftlead.signals import Signal
        >>> rng = np.random.default_rng(0)
        >>> profile = ReferenceProfile.from_rows([Signal("a")], rng.normal(size=(500, 1)), model_hash="1f")
        >>> monitor = Monitor(profile, MonitorSettings(window=50))
        >>> monitor.process(rng.normal(size=(100, 1)), observed_at=np.linspace(0.0, 10.0, 100))
        >>> history = monitor.history()
        >>> history.row_pairs[0], history.rows.row.tolist()
        (('a', 'page_hinkley'), [50, 100])
        """
        with self._rows.detection() as detection:
            rows, row_pairs = detection.remembered()
        return MonitorHistory(rows, row_pairs, *self._feedback.history(), self._quality_history.samples())

    def recent_values(self, signal: str) -> NDArray[np.float64]:
        """Return the latest values of one served signal, at most a window, oldest first; NaN where missing.

        Raises
        ------
        InvalidParameterError
            There is no such signal.
        """
        with self._rows.detection() as detection:
            names = [each.name for each in detection.profile.signals]
            if signal not in names:
                raise InvalidParameterError("signal", "the name of a served signal", signal)
            return detection.recent()[0][:, names.index(signal)]

    # --- inside --------------------------------------------------------------------------------------

    def _advance(self, rows: NDArray[np.float64], times: NDArray[np.float64]) -> None:
        self._log.call(self._rows.advance(rows, times))

    def _renewed(self, wish: Wish, events: list[EpisodeEvent]) -> None:
        """Have labels renew their reference too, now that rows are compared with a new one."""
        self._feedback.collect(wish)
        self._keeper.save()
        self._log.call(events)

    def _adopt_quality(self, name: str, shared: Mapping[str, Any]) -> None:
        """Judge errors by a reference that another replica made."""
        self._log.call(self._feedback.adopt(name, shared, self._clock()))

    def _restore_part(self, saved: Mapping[str, Any], part: str, restore: Callable[[Any], None]) -> None:
        """Continue one part of a state; what cannot be continued begins anew, and the others go on."""
        if self._folder is None or part not in saved:
            return
        try:
            restore(saved[part])
        except Exception as error:
            # A state may be whole and yet hold anything: nothing in it may keep a service from starting.
            self._folder.copy_aside(STATE, f"{part} begins anew: {error}")

    def _tidy(self) -> None:
        """Hear from other replicas, join labels that came before their predictions, remove what is old."""
        for place, step in (
            ("history", self._extend_quality_history),
            ("episodes", self._open_episodes.close_lost),
            ("episodes", self._open_episodes.hear),
            ("rebaseline", self._exchange.run),
            ("quality", self._join_waiting),
            ("storage", self._pruner.run),
        ):
            try:
                step()
            except StorageError:
                self._counts.error("storage")
                break  # each of the others would wait for the same database
            except Exception:
                # One that fails must not keep the others from their turn: labels would wait for ever.
                self._counts.error(place)

    def _join_waiting(self) -> None:
        self._log.call(self._feedback.join_waiting(self._clock()))

    def _extend_quality_history(self) -> None:
        snapshot = self.snapshot()
        self._quality_history.add(self._clock(), snapshot.rows, snapshot.labels)
