"""Alarms of many signals and detectors, gathered into episodes of drift."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from driftlead.errors import InvalidDataError, InvalidParameterError, StateError
from driftlead.monitor.bins import SignalBins
from driftlead.monitor.drifted_signals import Activity, DriftedSignals, RecentRows
from driftlead.monitor.episode import Episode, EpisodeEvent, Resolution, new_episode_id
from driftlead.reference import ReferenceProfile

__all__ = ["EpisodeTracker"]

_KEPT_SIGNALS = 50
_VERSION = 1
_REFRESHES = 16  # times per quiet period that the distributions of a lasting episode are taken anew
_MARKS_PER_QUIET_PERIOD = 64
_MARKS = 512  # rows whose time is known: at least the latest eight quiet periods


class EpisodeTracker:
    """Gathers alarms into episodes: a state machine on row numbers, without clock, thread or storage.

    An episode opens with the first excursion of any pair of signal and detector while none is open, and every
    alarm until its end belongs to it. It ends once ``quiet_rows`` rows went by without an alarming pair, or
    by a person's word; a pair that goes on alarming then opens no other until it has been quiet for its
    window. What `driftlead.calibration` counts against a joint budget are these episodes.

    Within a batch only the first and the last alarm of a pair are told apart, so that batches longer than
    ``quiet_rows`` may join two episodes into one. A tracker is not thread-safe.

    Parameters
    ----------
    profile : ReferenceProfile
        The monitor's.
    bins : sequence of SignalBins
        One per signal.
    quiet_rows : int
        Alarms fewer rows apart belong to one episode. At least the longest window of the detectors, or an
        episode may end while a window still holds its rows, and the excursion that goes on opens no other.

    Raises
    ------
    InvalidParameterError
        When ``quiet_rows`` is below 1.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from driftlead.signals import feature_signals
    >>> rng = np.random.default_rng(0)
    >>> (signal,) = signals = feature_signals(["a"])
    >>> profile = ReferenceProfile.from_rows(signals, rng.normal(size=(1000, 1)), model_hash="1f")
    >>> bins = SignalBins.from_sample(signal, profile.samples[0], missing=0)
    >>> tracker = EpisodeTracker(profile, [bins], quiet_rows=100)
    >>> rows = np.concatenate([rng.integers(1, 11, 460), rng.integers(8, 11, 40)])
    >>> recent = SimpleNamespace(
    ...     bins=lambda signal: rows,
    ...     counts=lambda: np.bincount(rows, minlength=13),
    ...     means=lambda signals: np.array([1.2]),
    ... )
    >>> tracker.advance(900, 0.0, (), recent)
    []
    >>> one = np.array([0])
    >>> activity = Activity("nmddm", one, one + 990, one + 1000, np.array([1.5]), one + 1)
    >>> (opened,) = tracker.advance(1000, 60.0, [activity], recent)
    >>> opened.kind, opened.episode.status, opened.episode.change_row
    ('opened', 'open', 960)
    >>> opened.episode.signals[0].counts_after
    (0, 0, 0, 0, 0, 0, 0, 0, 12, 10, 19, 0, 0)
    >>> (resolved,) = tracker.advance(1100, 120.0, (), recent)
    >>> resolved.kind, resolved.episode.resolution, resolved.episode.resolved_row
    ('resolved', 'quiet', 1100)
    """

    def __init__(self, profile: ReferenceProfile, bins: Sequence[SignalBins], quiet_rows: int) -> None:
        if quiet_rows < 1:
            raise InvalidParameterError("quiet_rows", "at least 1", quiet_rows)
        self.quiet_rows = quiet_rows
        self._profile = profile
        self._bins = tuple(bins)
        self._rows = 0
        self._rows_per_mark = max(1, quiet_rows // _MARKS_PER_QUIET_PERIOD)
        self._marks: deque[tuple[int, float]] = deque(maxlen=_MARKS)
        # The open episode, its signals apart; what it gathers about them; when that is to be looked at next.
        self._episode: Episode | None = None
        self._drifted = self._none_drifted()
        self._refresh_row = 0
        self._joined = False

    @property
    def open_id(self) -> str | None:
        """Id of the open episode, acknowledged or not; None while nothing drifts."""
        return None if self._episode is None else self._episode.id

    def current(self) -> Episode | None:
        """Return the open episode as it stands."""
        return None if self._episode is None else self._filled(self._episode)

    def advance(
        self, rows: int, now: float, activity: Sequence[Activity], recent: RecentRows
    ) -> list[EpisodeEvent]:
        """Take the outcome of one batch; return what happened to episodes.

        While nothing drifts this costs a fraction of a microsecond and asks ``recent`` for nothing.

        Parameters
        ----------
        rows : int
            Rows monitored so far, this batch included.
        now : float
            Seconds since the epoch.
        activity : sequence of Activity
            One for each detector that alarmed within the batch; usually none.
        recent : RecentRows
            Where an episode looks when it opens, is joined, or lasts.

        Returns
        -------
        list of EpisodeEvent
            In order: the end of the episode before, then an opening or an update. Updates tell of further
            signals, at most 16 times per ``quiet_rows``.
        """
        self._rows = rows
        if not self._marks or rows >= self._marks[-1][0] + self._rows_per_mark:
            self._marks.append((rows, now))
        if self._episode is None and not activity:
            return []
        events = []
        if self._episode is not None:
            alarm_free_until = min((int(each.first_row.min()) for each in activity), default=rows)
            quiet_row = self._episode.last_alarm_row + self.quiet_rows
            if alarm_free_until >= quiet_row:
                events.append(self._ended(self._episode, now, quiet_row, "quiet"))
        if self._episode is not None:
            self._go_on(self._episode, now, activity, recent)
            if rows >= self._refresh_row:
                self._refresh_row = rows + max(1, self.quiet_rows // _REFRESHES)
                self._drifted.refresh(recent)
                if self._joined:
                    self._joined = False
                    events.append(EpisodeEvent("updated", now, self._filled(self._episode)))
        elif any(each.openings.any() for each in activity):
            events.append(self._opened(now, activity, recent))
        return events

    def acknowledge(self, now: float, by: str, note: str | None = None) -> EpisodeEvent | None:
        """Say that a person knows of the open episode; None where none is open.

        Raises
        ------
        InvalidParameterError
            As `Episode.acknowledge`.
        """
        if self._episode is None:
            return None
        self._episode = self._episode.acknowledge(now, by, note)
        return EpisodeEvent("acknowledged", now, self._filled(self._episode))

    def resolve(
        self, now: float, resolution: Resolution, by: str | None = None, note: str | None = None
    ) -> EpisodeEvent | None:
        """End the open episode; None where none is open.

        Raises
        ------
        InvalidParameterError
            As `Episode.resolve`.
        """
        if self._episode is None:
            return None
        return self._ended(self._episode, now, self._rows, resolution, by, note)

    def state(self) -> dict[str, Any]:
        """Return plain data for `driftlead.state`; an open episode goes on from it."""
        return {
            "version": _VERSION,
            "rows": self._rows,
            "mark_rows": np.array([row for row, _ in self._marks], dtype=np.int64),
            "mark_times": np.array([at for _, at in self._marks], dtype=np.float64),
            "episode": None if self._episode is None else self._episode.to_document(),
            "drifted": None if self._episode is None else self._drifted.state(),
            "refresh_row": self._refresh_row,
            "joined": self._joined,
        }

    @classmethod
    def from_state(
        cls,
        state: Mapping[str, Any],
        profile: ReferenceProfile,
        bins: Sequence[SignalBins],
        quiet_rows: int,
    ) -> EpisodeTracker:
        """Restore a tracker of the same profile and bins; ``quiet_rows`` may have been another.

        Raises
        ------
        StateError
            When something is missing, of another shape, or from a newer version.
        """
        tracker = cls(profile, bins, quiet_rows)
        try:
            version = int(state["version"])
            if version > _VERSION:
                raise StateError(f"episodes have version {version}; this driftlead reads up to {_VERSION}")
            tracker._rows = int(state["rows"])
            tracker._marks.extend(zip(state["mark_rows"].tolist(), state["mark_times"].tolist(), strict=True))
            if state["episode"] is not None:
                tracker._episode = replace(Episode.from_document(state["episode"]), quiet_rows=quiet_rows)
                tracker._drifted.restore(state["drifted"])
            tracker._refresh_row = int(state["refresh_row"])
            tracker._joined = bool(state["joined"])
        except StateError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, InvalidDataError) as error:
            raise StateError(f"the state of episodes is unreadable: {error}") from error
        return tracker

    def _opened(self, now: float, activity: Sequence[Activity], recent: RecentRows) -> EpisodeEvent:
        row, signal, detector = min(
            (int(row), int(signal), each.detector)
            for each in activity
            for row, signal, openings in zip(each.first_row, each.signals, each.openings, strict=True)
            if openings
        )
        # Whatever fails below, the next batch with an excursion tries again from nothing.
        self._drifted = self._none_drifted()
        self._drifted.add(self._rows, activity, recent)
        change_row = self._drifted.strongest(1)[0].change_row
        self._episode = Episode(
            id=new_episode_id(now),
            opened_at=now,
            opened_row=row,
            opened_by=(self._profile.signals[signal].name, detector),
            quiet_rows=self.quiet_rows,
            change_row=change_row,
            changed_at=next((at for row, at in self._marks if row >= change_row), now),
            last_alarm_row=self._drifted.last_alarm_row,
            last_alarm_at=now,
            alarms=_openings(activity),
            signals=(),
            n_signals=0,
        )
        self._refresh_row = self._rows + max(1, self.quiet_rows // _REFRESHES)
        self._joined = False
        return EpisodeEvent("opened", now, self._filled(self._episode))

    def _go_on(self, episode: Episode, now: float, activity: Sequence[Activity], recent: RecentRows) -> None:
        if not activity:
            return
        self._joined |= self._drifted.add(self._rows, activity, recent)
        self._episode = replace(
            episode,
            last_alarm_row=self._drifted.last_alarm_row,
            last_alarm_at=now,
            alarms=episode.alarms + _openings(activity),
        )

    def _ended(
        self,
        episode: Episode,
        now: float,
        row: int,
        resolution: Resolution,
        by: str | None = None,
        note: str | None = None,
    ) -> EpisodeEvent:
        resolved = self._filled(episode).resolve(now, row, resolution, by, note)
        self._episode = None
        self._drifted = self._none_drifted()
        return EpisodeEvent("resolved", now, resolved)

    def _filled(self, episode: Episode) -> Episode:
        return replace(episode, signals=self._drifted.strongest(_KEPT_SIGNALS), n_signals=len(self._drifted))

    def _none_drifted(self) -> DriftedSignals:
        return DriftedSignals(self._profile, self._bins)


def _openings(activity: Sequence[Activity]) -> int:
    return sum(int(each.openings.sum()) for each in activity)
