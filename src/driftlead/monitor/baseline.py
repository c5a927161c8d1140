"""The reference of a monitor: the one of the model's training, or a newer one that a person asked for."""

from __future__ import annotations

import logging
import operator
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftlead.calibration import Calibration, calibrate
from driftlead.errors import InvalidParameterError, ReferenceMismatchError, StateError
from driftlead.monitor.detection import Detection
from driftlead.monitor.settings import MonitorSettings
from driftlead.monitor.watch import detector_specs
from driftlead.monitor.wish import Wish
from driftlead.reference import ReferenceProfile

__all__ = ["Baseline", "Collection"]

_log = logging.getLogger(__name__)

_USUAL_ROWS = 5_000
_MOST_VALUES = 50_000_000  # rows times signals that are collected: 400 MB


@dataclass(eq=False)
class Collection:
    """Rows on their way to become the reference, and who asked for it."""

    wanted: int
    wish: Wish
    batches: list[NDArray[np.float64]] = field(default_factory=list)
    rows: int = 0
    making: bool = False


class Baseline:
    """Which reference rows are compared with, and how a new one comes about.

    It changes under the lock of `driftlead.monitor.served_rows.ServedRows` alone; a new one is made in a
    thread, from rows that were collected.

    Parameters
    ----------
    profile : ReferenceProfile
        Of the model's training.
    settings : MonitorSettings
    calibration : Calibration or None
        Of that profile.
    on_error : callable
        Called with the name of the place, inside the ``except`` block of each failure.
    """

    def __init__(
        self,
        profile: ReferenceProfile,
        settings: MonitorSettings,
        calibration: Calibration | None,
        on_error: Callable[[str], None],
    ) -> None:
        self._trained = profile
        self._settings = settings
        self._calibration = calibration
        self._on_error = on_error
        self._newer: ReferenceProfile | None = None
        self._wish: Wish | None = None  # of the newer one
        self._restored: Detection | None = None
        self._collection: Collection | None = None
        self._maker: threading.Thread | None = None

    @property
    def progress(self) -> tuple[int, int] | None:
        """Rows collected and rows wanted, while a new reference is on its way."""
        if self._collection is None:
            return None
        return min(self._collection.rows, self._collection.wanted), self._collection.wanted

    def detection(self) -> Detection:
        """Return a detection with the reference that holds now.

        Raises
        ------
        ReferenceMismatchError
            The calibration is for another profile or other settings.
        """
        made, self._restored = self._restored, None
        return made or self.watching(self._newer or self._trained, self._calibration)

    def watching(self, profile: ReferenceProfile, calibration: Calibration | None) -> Detection:
        """Return a detection with a reference that may come to hold; raises as `detection`."""
        return Detection(profile, self._settings, calibration, self._on_error)

    def merged(self, states: Sequence[Mapping[str, Any]]) -> Detection:
        """Return the detection of one monitor that saw what several saw; raises as `Detection.merged`."""
        return Detection.merged(self._newer or self._trained, self._settings, states, self._calibration)

    def state(self) -> dict[str, Any] | None:
        """Return the newer reference and its thresholds as plain arrays; None where there is none."""
        if self._newer is None or self._wish is None:
            return None
        return {
            "wish": self._wish.state(),
            "profile": self._newer.to_state(),
            "calibration": None if self._calibration is None else self._calibration.to_state(),
        }

    def restore(self, state: Mapping[str, Any] | None) -> None:
        """Take up the newer reference that `state` held. Thresholds for another budget are found anew.

        Raises
        ------
        DriftleadError
            It is damaged, or of another model. Nothing has changed then.
        """
        if state is None:
            return
        newer, calibration, wish = self.read(state)
        # Only what can be watched by: nothing in a state may keep a service from starting.
        self._restored = self.watching(newer, calibration)
        self._newer, self._calibration, self._wish = newer, calibration, wish

    def shared(self) -> tuple[str, dict[str, Any]] | None:
        """Return the newer reference, by name, for other replicas; None where there is none."""
        state = self.state()
        return None if state is None or self._wish is None else (self._wish.name, state)

    def read(self, state: Mapping[str, Any]) -> tuple[ReferenceProfile, Calibration | None, Wish]:
        """Return the reference that `state` held, thresholds if they can be kept, and whose wish it was.

        Raises
        ------
        StateError, ReferenceMismatchError
            It is damaged, or of another model.
        """
        try:
            wish = Wish.from_state(state.get("wish"))
            newer = ReferenceProfile.from_state(state["profile"])
            kept = state["calibration"]
            calibration = None if kept is None else Calibration.from_state(kept)
        except (KeyError, TypeError, AttributeError) as error:
            raise StateError(f"it is incomplete ({error})") from error
        newer.require_model(self._trained.model_hash)
        if newer.signals != self._trained.signals:
            raise ReferenceMismatchError("it has other signals than the model")
        try:
            if calibration is not None:
                calibration.require(
                    newer,
                    self._settings.false_alarm_every,
                    detector_specs(self._settings),
                    self._settings.guarantee,
                )
        except ReferenceMismatchError as difference:
            _log.info("thresholds of the reference that a person asked for are found anew: %s", difference)
            calibration = None
        # A state keeps no quality of its own: it is renewed apart, once labels have come.
        return replace(newer, quality=self._trained.quality), calibration, wish

    def collect(self, rows: int | None, by: str, note: str | None, now: float) -> int:
        """Begin to collect a new reference, in place of one still being collected; return its rows.

        Raises
        ------
        InvalidParameterError
            See `driftlead.monitor.Monitor.rebaseline`.
        """
        least, most = 2 * self._settings.window, _MOST_VALUES // self._trained.n_signals
        wanted = max(least, min(self._trained.n_rows, _USUAL_ROWS)) if rows is None else rows
        rule = f"from two windows, {least}, to {most}"
        try:
            wanted = operator.index(wanted)
        except TypeError:
            raise InvalidParameterError("rows", rule, wanted) from None
        if not least <= wanted <= most:
            raise InvalidParameterError("rows", rule, wanted)
        if not by.strip():
            raise InvalidParameterError("by", "a name", by)
        self._collection = Collection(wanted, Wish.of(now, by, note, self._wish))
        return wanted

    def take(
        self,
        rows: NDArray[np.float64],
        adopt: Callable[[Collection, ReferenceProfile, Calibration, Detection], None],
    ) -> None:
        """Take monitored rows; once there are enough, make a reference of them in a thread, and hand it over.

        Parameters
        ----------
        rows : ndarray, shape (n, n_signals)
        adopt : callable
            Called, without a lock, with what the reference was made from, and what was made.
        """
        collection = self._collection
        if collection is None or collection.making:
            return
        if collection.rows < collection.wanted:
            collection.batches.append(rows[: collection.wanted - collection.rows].copy())
            collection.rows += len(rows)
        # One at a time: whoever asks again and again must not take all processors.
        busy = self._maker is not None and self._maker.is_alive()
        if collection.rows >= collection.wanted and not busy:
            collection.making = True
            # Calibration may take seconds, in which rows must not pile up.
            self._maker = threading.Thread(
                target=self._make, args=(collection, adopt), name="driftlead-rebaseline", daemon=True
            )
            self._maker.start()

    def adopt(self, collection: Collection, profile: ReferenceProfile, calibration: Calibration) -> bool:
        """Make a reference the one that holds, unless another was asked for, or the monitor closed, since."""
        if self._collection is not collection:
            return False
        self._collection = None
        self._newer, self._calibration, self._wish = profile, calibration, collection.wish
        return True

    def succeed(self, profile: ReferenceProfile, calibration: Calibration | None, wish: Wish) -> bool:
        """Make a reference of another replica the one that holds, unless a later one was asked for here."""
        if self._wish is not None and self._wish.name >= wish.name:
            return False
        if self._collection is not None and self._collection.wish.name < wish.name:
            self._collection = None
        self._newer, self._calibration, self._wish = profile, calibration, wish
        return True

    def cancel(self) -> threading.Thread | None:
        """Give up what is being collected; return the thread that may be making a reference of it."""
        self._collection = None
        return self._maker

    def _make(
        self,
        collection: Collection,
        adopt: Callable[[Collection, ReferenceProfile, Calibration, Detection], None],
    ) -> None:
        try:
            rows = np.concatenate(collection.batches)
            trained = self._trained
            profile = replace(
                ReferenceProfile.from_rows(trained.signals, rows, model_hash=trained.model_hash),
                quality=trained.quality,
                categories=trained.categories,
            )
            calibration = calibrate(
                profile,
                rows,
                false_alarm_every=self._settings.false_alarm_every,
                detectors=detector_specs(self._settings),
                guarantee=self._settings.guarantee,
                joint_budget=False,  # minutes of all processors, beside a process that serves
            )
            adopt(collection, profile, calibration, self.watching(profile, calibration))
        except Exception:
            if self._collection is collection:
                self._collection = None
            self._on_error("rebaseline")
