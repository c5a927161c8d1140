"""The reference of a monitor: the one of the model's training, or a newer one that a person asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from driftlead.calibration import Calibration, calibrate
from driftlead.errors import DriftleadError, InvalidParameterError
from driftlead.monitor.detection import Detection
from driftlead.monitor.settings import MonitorSettings
from driftlead.monitor.state_folder import StateFolder
from driftlead.monitor.watch import detector_specs
from driftlead.reference import ReferenceProfile

__all__ = ["Baseline"]

_BASELINE = "baseline"
_USUAL_ROWS = 5_000
_MOST_ROWS = 1_000_000


@dataclass
class _Collection:
    """Rows on their way to become the reference, and who asked for it."""

    wanted: int
    by: str
    note: str | None
    batches: list[NDArray[np.float64]] = field(default_factory=list)
    rows: int = 0


class Baseline:
    """Which reference rows are compared with, and how a new one comes about.

    Parameters
    ----------
    profile : ReferenceProfile
        Of the model's training.
    settings : MonitorSettings
    calibration : Calibration or None
        Of that profile.
    folder : StateFolder or None
        Where a newer reference is kept.
    on_error : callable
        Called with the name of the place, inside the ``except`` block of each failure.
    """

    def __init__(
        self,
        profile: ReferenceProfile,
        settings: MonitorSettings,
        calibration: Calibration | None,
        folder: StateFolder | None,
        on_error: Callable[[str], None],
    ) -> None:
        self._trained = profile
        self._settings = settings
        self._calibration = calibration
        self._folder = folder
        self._on_error = on_error
        self._collection: _Collection | None = None

    @property
    def progress(self) -> tuple[int, int] | None:
        """Rows collected and rows wanted, while a new reference is being collected."""
        if self._collection is None:
            return None
        return min(self._collection.rows, self._collection.wanted), self._collection.wanted

    def detection(self) -> Detection:
        """Return a detection with the reference that holds now: the saved one, if there is one of this model.

        Raises
        ------
        ReferenceMismatchError
            The calibration is for another profile or other settings.
        """
        profile, calibration = self._trained, self._calibration
        saved = self._folder.load(_BASELINE) if self._folder is not None else None
        if self._folder is not None and saved is not None:
            try:
                newer = ReferenceProfile.from_state(saved["profile"])
                newer.require_model(profile.model_hash)
                found = Calibration.from_state(saved["calibration"])
                return Detection(newer, self._settings, found, self._on_error)
            except (DriftleadError, KeyError) as error:
                self._folder.set_aside(_BASELINE, str(error))
        return Detection(profile, self._settings, calibration, self._on_error)

    def collect(self, rows: int | None, by: str, note: str | None) -> int:
        """Begin to collect a new reference; return how many rows it will have.

        Raises
        ------
        InvalidParameterError
            See `driftlead.monitor.Monitor.rebaseline`.
        """
        least = 2 * self._settings.window
        wanted = max(least, min(self._trained.n_rows, _USUAL_ROWS)) if rows is None else rows
        if not least <= wanted <= _MOST_ROWS:
            raise InvalidParameterError("rows", f"from two windows, {least}, to {_MOST_ROWS}", wanted)
        if not by.strip():
            raise InvalidParameterError("by", "a name", by)
        self._collection = _Collection(wanted, by, note)
        return wanted

    def take(self, rows: NDArray[np.float64], adopt: Callable[[Detection, str, str | None], None]) -> None:
        """Take monitored rows; once there are enough, make a detection of them in a thread, and hand it over.

        Parameters
        ----------
        rows : ndarray, shape (n, n_signals)
        adopt : callable
            Called with the new detection, who asked for it, and why.
        """
        collection = self._collection
        if collection is None or collection.rows >= collection.wanted:
            return
        collection.batches.append(rows[: collection.wanted - collection.rows])
        collection.rows += len(rows)
        if collection.rows >= collection.wanted:
            # Calibration may take seconds, in which rows must not pile up.
            threading.Thread(
                target=self._make, args=(collection, adopt), name="driftlead-rebaseline", daemon=True
            ).start()

    def _make(self, collection: _Collection, adopt: Callable[[Detection, str, str | None], None]) -> None:
        try:
            rows = np.concatenate(collection.batches)
            profile = replace(
                ReferenceProfile.from_rows(self._trained.signals, rows, model_hash=self._trained.model_hash),
                quality=self._trained.quality,
            )
            calibration = calibrate(
                profile,
                rows,
                false_alarm_every=self._settings.false_alarm_every,
                detectors=detector_specs(self._settings),
                joint_budget=False,  # minutes of all processors, beside a process that serves
            )
            detection = Detection(profile, self._settings, calibration, self._on_error)
            if self._folder is not None:
                self._folder.save(
                    _BASELINE, {"profile": profile.to_state(), "calibration": calibration.to_state()}
                )
            if self._collection is collection:
                self._collection = None
                adopt(detection, collection.by, collection.note)
        except Exception:
            self._collection = None
            self._on_error("rebaseline")
