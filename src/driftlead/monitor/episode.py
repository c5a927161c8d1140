"""One period of drift, as plain data: when it began, which signals drifted and how, what people said."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from driftlead.errors import InvalidDataError, InvalidParameterError
from driftlead.monitor.records import EpisodeRecord

__all__ = [
    "DriftedSignal",
    "Episode",
    "EpisodeEvent",
    "EventKind",
    "Resolution",
    "Status",
    "new_episode_id",
]

Status = Literal["open", "acknowledged", "resolved"]
Resolution = Literal["quiet", "rebaselined", "closed", "lost"]
EventKind = Literal["opened", "updated", "acknowledged", "resolved"]


@dataclass(frozen=True)
class DriftedSignal:
    """One signal of an episode, before and after its change.

    "After" are the rows from the change to the signal's latest alarm, give or take a sixteenth of the
    episode's ``quiet_rows``.

    Attributes
    ----------
    signal : str
        Its name.
    contribution : float
        Evidence that it drifted, in nats: `driftlead.monitor.change_point.log_likelihood_ratio` of its bins
        after the change. Unlike a detector's statistic it compares over signals, numeric or not, and over
        detectors. A signal that changed more, or earlier, contributes more.
    change_row : int
        First row after its estimated change.
    first_alarm_row, last_alarm_row : int
        Rows of its first and latest alarm in this episode.
    peaks : dict of str to (float or None)
        Largest statistic of each detector that alarmed, in multiples of its threshold; None where infinite.
    labels : tuple of str
        The bins of `driftlead.monitor.SignalBins`; the last is ``"missing"``.
    reference_ratio : tuple of float
        Share of the reference in each bin, smoothed.
    counts_after : tuple of int
        Observations per bin after the change.
    mean_before, mean_after : float or None
        Mean of the reference, and over the latest rows at an alarm; None for categories and without values.
    missing_before, missing_after : float
        Share of missing values.
    """

    signal: str
    contribution: float
    change_row: int
    first_alarm_row: int
    last_alarm_row: int
    peaks: dict[str, float | None]
    labels: tuple[str, ...]
    reference_ratio: tuple[float, ...]
    counts_after: tuple[int, ...]
    mean_before: float | None
    mean_after: float | None
    missing_before: float
    missing_after: float


@dataclass(frozen=True)
class Episode:
    """One period of drift over all signals.

    Times are seconds since the epoch, by a clock that may have been set back in between. What happened first
    stands: a second acknowledgement or resolution changes nothing.

    Attributes
    ----------
    id : str
        A UUID of version 7 (RFC 9562): unique over replicas, in the order of opening as text.
    opened_at : float
    opened_row : int
        Row of the first alarm. Rows are monitored rows, from 1.
    opened_by : tuple of str
        Signal and detector of the first alarm.
    quiet_rows : int
        Rows without an alarm after which it is over.
    change_row : int
        First row after the estimated change of the signal that contributed most when the episode opened.
    changed_at : float
        When about that row was monitored.
    last_alarm_row : int
    last_alarm_at : float
    alarms : int
        Excursions of all pairs of signal and detector.
    signals : tuple of DriftedSignal
        The largest contributions, largest first.
    n_signals : int
        How many signals drifted, those not listed included.
    acknowledged_at : float or None
    acknowledged_by : str or None
    resolved_at : float or None
    resolved_row : int or None
    resolution : {"quiet", "rebaselined", "closed", "lost"} or None
        Over by itself, by a new reference, by a person's word, or with the state of the process that saw it.
    resolved_by : str or None
        The person, if one ended it.
    note : str or None
        What a person said last.
    replica : str or None
        Whose it is, where there are several and they keep a state.
    """

    id: str
    opened_at: float
    opened_row: int
    opened_by: tuple[str, str]
    quiet_rows: int
    change_row: int
    changed_at: float
    last_alarm_row: int
    last_alarm_at: float
    alarms: int
    signals: tuple[DriftedSignal, ...] = field(repr=False)
    n_signals: int
    acknowledged_at: float | None = None
    acknowledged_by: str | None = None
    resolved_at: float | None = None
    resolved_row: int | None = None
    resolution: Resolution | None = None
    resolved_by: str | None = None
    note: str | None = None
    replica: str | None = None

    @property
    def status(self) -> Status:
        """Whether it is open, acknowledged, or resolved, which it may be without acknowledgement."""
        if self.resolution is not None:
            return "resolved"
        return "open" if self.acknowledged_at is None else "acknowledged"

    def acknowledge(self, at: float, by: str, note: str | None = None) -> Episode:
        """Return the episode with a person who knows of it; after the first one it stays as it is.

        A resolved episode can be acknowledged too: someone looked at it afterwards.

        Raises
        ------
        InvalidParameterError
            When nobody is named.
        """
        if not by.strip():
            raise InvalidParameterError("by", "a name", by)
        if self.acknowledged_at is not None:
            return self
        return replace(self, acknowledged_at=at, acknowledged_by=by, note=note or self.note)

    def resolve(
        self,
        at: float,
        row: int,
        resolution: Resolution,
        by: str | None = None,
        note: str | None = None,
    ) -> Episode:
        """Return the episode as over; once it is, it stays as it is.

        Raises
        ------
        InvalidParameterError
            When the resolution is unknown.
        """
        if resolution not in get_args(Resolution):
            raise InvalidParameterError("resolution", "one of " + ", ".join(get_args(Resolution)), resolution)
        if self.resolution is not None:
            return self
        return replace(
            self,
            resolved_at=at,
            resolved_row=row,
            resolution=resolution,
            resolved_by=by,
            note=note or self.note,
        )

    def to_document(self) -> dict[str, Any]:
        """Return all of it and its status, ready for JSON."""
        document = _plain(self)
        document["signals"] = [_plain(signal) for signal in self.signals]
        document["status"] = self.status
        return document

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Episode:
        """Restore an episode from `to_document`. What a later version added is passed over.

        Raises
        ------
        InvalidDataError
            When something is missing.
        """
        try:
            known = _known(cls, document)
            signals = tuple(DriftedSignal(**_known(DriftedSignal, signal)) for signal in known["signals"])
            return cls(**{**known, "signals": signals})
        except (KeyError, TypeError, AttributeError) as error:
            raise InvalidDataError(f"not the document of an episode: {error}") from None

    def to_record(self) -> EpisodeRecord:
        """Return what a `driftlead.monitor.records.Store` keeps."""
        return EpisodeRecord(
            id=self.id,
            opened_at=self.opened_at,
            resolved_at=self.resolved_at,
            acknowledged_at=self.acknowledged_at,
            document=self.to_document(),
        )

    @classmethod
    def from_record(cls, record: EpisodeRecord) -> Episode:
        """Restore an episode that a store kept.

        The record's times count: where one replica wrote the document over that of another, a store keeps
        when the other acknowledged or ended it, but not who.

        Raises
        ------
        InvalidDataError
            When the record's document is none of an episode.
        """
        episode = cls.from_document(record.document)
        if episode.acknowledged_at is None:
            episode = replace(episode, acknowledged_at=record.acknowledged_at)
        if record.resolved_at is not None:
            episode = episode.resolve(record.resolved_at, episode.last_alarm_row, "closed")
        return episode


@dataclass(frozen=True)
class EpisodeEvent:
    """Something that happened to an episode.

    Attributes
    ----------
    kind : {"opened", "updated", "acknowledged", "resolved"}
        ``updated`` when further signals joined.
    at : float
        Seconds since the epoch.
    episode : Episode
        As it was then.
    """

    kind: EventKind
    at: float
    episode: Episode

    def to_message(self, **source: str) -> dict[str, Any]:
        """Return the message that webhooks carry, ready for JSON: type, time and data, without distributions.

        Parameters
        ----------
        **source : str
            What tells this monitor from others, such as ``model="digits"``; goes into the data.

        Examples
        --------
        >>> episode = Episode("01", 0.0, 9, ("feature:a", "nmddm"), 500, 3, 0.0, 9, 0.0, 1, (), 1)
        >>> message = EpisodeEvent("opened", 0.0, episode).to_message(model="digits")
        >>> message["type"], message["timestamp"], message["data"]["model"]
        ('episode.opened', '1970-01-01T00:00:00Z', 'digits')
        """
        document = self.episode.to_document()
        for signal in document["signals"]:
            for distribution in ("labels", "reference_ratio", "counts_after"):
                del signal[distribution]
        moment = datetime.fromtimestamp(self.at, UTC).isoformat().removesuffix("+00:00") + "Z"
        return {"type": f"episode.{self.kind}", "timestamp": moment, "data": {**source, **document}}


def new_episode_id(at: float) -> str:
    """Return a UUID of version 7: milliseconds since the epoch, then 74 random bits.

    Examples
    --------
    >>> new_episode_id(1_700_000_000.0)[:15]
    '018bcfe5-6800-7'
    """
    milliseconds = int(at * 1000) & ((1 << 48) - 1)
    random = secrets.randbits(80)
    version, variant = 0x7 << 76, 0b10 << 62
    random = random & ~(0xF << 76) & ~(0b11 << 62)
    return str(uuid.UUID(int=milliseconds << 80 | random | version | variant))


def _plain(value: Any) -> dict[str, Any]:
    return {name: list(each) if isinstance(each, tuple) else each for name, each in vars(value).items()}


def _known(kind: type, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries that a dataclass has fields for, lists as tuples."""
    names = {each.name for each in fields(kind)} & document.keys()
    return {
        name: tuple(document[name]) if isinstance(document[name], list) else document[name] for name in names
    }
