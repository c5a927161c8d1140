"""How a monitor watches: its budget, its tests and their windows."""

from __future__ import annotations

import numbers
from dataclasses import dataclass, fields, replace
from types import UnionType
from typing import get_args

from driftlead.calibration.specs import DetectorSpec
from driftlead.detectors import DETECTORS
from driftlead.errors import InvalidParameterError
from driftlead.reference import ReferenceProfile
from driftlead.thresholds import Direction

__all__ = ["MonitorSettings"]

#: Share of the budget that the errors of labelled rows have; there are never more of them than served rows.
LABELS_SHARE = 0.05

#: Name of the test of the share of missing values, which always runs.
MISSING_RATE = "missing_rate"

_LEAST = {
    "window": 2,
    "bins": 2,
    "queue_rows": 1,
    "queue_bytes": 1,
    "recent_alarms": 1,
    "delta": 0,
    "linger_seconds": 0,
    "kept_predictions": 1,
    "label_deadline_seconds": 0,
    "quality_window": 1,
    "save_every_seconds": 0.1,
    "seed": 0,
}
_MOST = {
    "window": 1_000_000,
    "recent_alarms": 100_000,
    "delta": 100,
    "linger_seconds": 10,
    "label_deadline_seconds": 1e9,
    "quality_window": 1_000_000,
    "quiet_rows": 10**12,
    "queue_bytes": 2**63 - 1,
    "queue_rows": 2**63 - 1,
    "kept_predictions": 2**63 - 1,
    "save_every_seconds": 86_400,
    "seed": 2**63 - 1,
}
_KINDS: dict[str, tuple[type | UnionType, str]] = {
    "float": (numbers.Real, "a number"),
    "float | None": (numbers.Real | None, "a number, or None"),
    "int": (numbers.Integral, "an integer"),
    "int | None": (numbers.Integral | None, "an integer, or None"),
}


@dataclass(frozen=True, slots=True)
class MonitorSettings:
    """How a monitor watches.

    Parameters
    ----------
    false_alarm_every : float
        Budget: with nothing changed, one false alarm in this many rows on average, over all signals
        and detectors together. `driftlead.calibration.rows_per_false_alarm` makes rows of ``"30 days"``.
    guarantee : float, optional
        Share of references, such as 0.9, for which the budget shall hold; by default it holds on average
        over them.
    detectors : tuple of str or DetectorSpec
        Names in `driftlead.detectors.DETECTORS`, and specifications of detectors of your own.
    window : int
        Rows in the sliding windows; also the quiet time after which an alarm is over.
    quiet_rows : int, optional
        Rows without any alarm after which an episode is resolved; at least, and by default, the window.
    delta : float
        Change of a signal's mean that Page-Hinkley tolerates, in standard deviations of its normal scores.
    direction : {"both", "up", "down"}
        Which changes Page-Hinkley looks for.
    bins : int
        Most bins per numeric signal in NM-DDM.
    queue_rows, queue_bytes : int
        Most rows waiting between serving and monitoring, and most memory that they and the predictions that
        wait for the store may take, each; those beyond are dropped and counted.
    recent_alarms : int
        How many alarms a snapshot lists.
    linger_seconds : float
        How long rows gather before the detectors take them together: many requests of few rows then cost the
        process that serves them little.
    kept_predictions : int
        Most predictions that wait for the store; those beyond are dropped and counted.
    label_deadline_seconds : float
        Age of a prediction beyond which its label is late: kept, but neither measured nor watched.
    quality_window : int
        Labelled predictions over which quality is measured.
    save_every_seconds : float
        How often the state is saved, where there is a folder for it: what a crash loses at most.
    seed : int
        Seed of the random ranks of tied values.

    Raises
    ------
    InvalidParameterError
        When a value breaks its rule.
    """

    false_alarm_every: float = 1_000_000.0
    guarantee: float | None = None
    detectors: tuple[str | DetectorSpec, ...] = tuple(DETECTORS)
    window: int = 500
    quiet_rows: int | None = None
    delta: float = 0.25
    direction: Direction = "both"
    bins: int = 8
    queue_rows: int = 100_000
    queue_bytes: int = 256 * 1024 * 1024
    recent_alarms: int = 1_000
    linger_seconds: float = 0.3
    kept_predictions: int = 100_000
    label_deadline_seconds: float = 86_400.0
    quality_window: int = 1_000
    save_every_seconds: float = 5.0
    seed: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            if str(field.type) in _KINDS:
                kind, rule = _KINDS[str(field.type)]
                value = getattr(self, field.name)
                if isinstance(value, bool) or not isinstance(value, kind):
                    raise InvalidParameterError(field.name, rule, value)
        if not self.false_alarm_every > 1:
            raise InvalidParameterError(
                "false_alarm_every", "a number of rows above 1", self.false_alarm_every
            )
        if self.guarantee is not None and not 0.5 < self.guarantee < 1.0:
            raise InvalidParameterError("guarantee", "above 0.5 and below 1, or None", self.guarantee)
        if not self.detectors:
            raise InvalidParameterError(
                "detectors", "at least one of " + ", ".join(DETECTORS), self.detectors
            )
        given: tuple[object, ...] = self.detectors  # from whoever does not check types, anything
        for each in given:
            if not (isinstance(each, DetectorSpec) or (isinstance(each, str) and each in DETECTORS)):
                rule = "among " + ", ".join(DETECTORS)
                raise InvalidParameterError(
                    "detectors", rule if isinstance(each, str) else f"{rule}, or each a DetectorSpec", each
                )
        names = self.detector_names
        if len(set(names)) != len(names):
            raise InvalidParameterError("detectors", "without repetition", names)
        for own in self.own_detectors:
            if own.name == MISSING_RATE:
                raise InvalidParameterError("detectors", f"of other names than {MISSING_RATE}", own.name)
            if own.window is not None and own.window > self.window:
                raise InvalidParameterError(
                    "window", f"at least that of {own.name}, {own.window}", self.window
                )
        if self.direction not in get_args(Direction):
            raise InvalidParameterError(
                "direction", "one of " + ", ".join(get_args(Direction)), self.direction
            )
        if self.quiet_rows is not None and self.quiet_rows < self.window:
            raise InvalidParameterError("quiet_rows", f"at least the window, {self.window}", self.quiet_rows)
        for name, least in _LEAST.items():
            # A number that is none is not at least anything.
            if not getattr(self, name) >= least:
                raise InvalidParameterError(name, f"at least {least}", getattr(self, name))
        # Beyond these lie no wishes, only slips: windows and lists would take all memory.
        for name, most in _MOST.items():
            value = getattr(self, name)
            if value is not None and value > most:
                raise InvalidParameterError(name, f"at most {most}", value)

    @property
    def detector_names(self) -> tuple[str, ...]:
        """The name of each detector."""
        return tuple(each if isinstance(each, str) else each.name for each in self.detectors)

    @property
    def own_detectors(self) -> tuple[DetectorSpec, ...]:
        """The detectors that are not the library's, but specified."""
        return tuple(each for each in self.detectors if isinstance(each, DetectorSpec))

    def for_rows(self, profile: ReferenceProfile) -> MonitorSettings:
        """Return the settings of the detectors of served rows: labels, where watched, share the budget."""
        return replace(self, false_alarm_every=self.false_alarm_every / _rows_share(profile))

    def with_rows_budget(self, profile: ReferenceProfile, false_alarm_every: float) -> MonitorSettings:
        """Return settings whose detectors of served rows have this budget: the inverse of `for_rows`."""
        return replace(self, false_alarm_every=false_alarm_every * _rows_share(profile))

    def for_labels(self) -> MonitorSettings:
        """Return the settings of the detectors of labelled rows: errors that become more."""
        return replace(
            self,
            false_alarm_every=self.false_alarm_every / LABELS_SHARE,
            detectors=("page_hinkley",),
            direction="up",
        )


def _rows_share(profile: ReferenceProfile) -> float:
    return 1.0 if profile.quality is None else 1.0 - LABELS_SHARE
