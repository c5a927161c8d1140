"""The side of a monitor that served rows reach, as `driftlead.monitor.feedback` is that of labels."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftlead.calibration import Calibration
from driftlead.monitor.baseline import Baseline, Collection
from driftlead.monitor.detection import Detection
from driftlead.monitor.episode import EpisodeEvent
from driftlead.monitor.wish import Wish
from driftlead.reference import ReferenceProfile

__all__ = ["ServedRows"]


class ServedRows:
    """The side of a monitor that served rows reach.

    Parameters
    ----------
    baseline : Baseline
        Which reference they are compared with; from now on it changes under this side's lock alone.
    clock : callable
        Returns the seconds since the epoch.
    keep : callable
        `EpisodeLog.keep`: has what happened to episodes kept, in the order in which it happened.
    renewed : callable
        Called, without a lock, once rows are compared with a new reference, with the wish for it and with
        what happened to episodes.
    """

    def __init__(
        self,
        baseline: Baseline,
        clock: Callable[[], float],
        keep: Callable[..., None],
        renewed: Callable[[Wish, list[EpisodeEvent]], None],
    ) -> None:
        self._baseline = baseline
        self._clock = clock
        self._keep = keep
        self._renewed = renewed
        self._lock = threading.Lock()
        self._detection = baseline.detection()

    @property
    def profile(self) -> ReferenceProfile:
        """The reference that rows are compared with now."""
        return self._detection.profile

    @property
    def collecting(self) -> tuple[int, int] | None:
        """Rows collected and rows wanted, while a new reference is on its way."""
        return self._baseline.progress

    @contextmanager
    def detection(self) -> Iterator[Detection]:
        """Lend the detection, to be looked at as of one row; rows wait meanwhile."""
        with self._lock:
            yield self._detection

    def compile(self) -> None:
        """Compile all kernels, so that no traffic ever waits for it."""
        self._detection.compile()

    def advance(self, rows: NDArray[np.float64], times: NDArray[np.float64]) -> list[EpisodeEvent]:
        """Take rows through the detectors, as `Detection.advance`; return what happened to episodes."""
        with self._lock:
            events = self._detection.advance(rows, times)
            self._keep(events)
            self._baseline.take(rows, self._adopt_own)
        return events

    # --- a new reference -----------------------------------------------------------------------------

    def collect(self, rows: int | None, by: str, note: str | None) -> int:
        """Begin to collect a new reference, and return its rows; raises as `Baseline.collect`."""
        with self._lock:
            return self._baseline.collect(rows, by, note, self._clock())

    def cancel(self) -> threading.Thread | None:
        """Give up what is being collected; return the thread that may be making a reference of it."""
        with self._lock:
            return self._baseline.cancel()

    def shared(self) -> tuple[str, dict[str, Any]] | None:
        """Return the reference that a person asked for, by name, for other replicas; None without one."""
        with self._lock:
            return self._baseline.shared()

    def adopt(self, name: str, shared: Mapping[str, Any]) -> None:
        """Go on with a reference that another replica made; raises as `Baseline.read`."""
        profile, calibration, wish = self._baseline.read(shared)
        detection = self._baseline.watching(profile, calibration)
        self._go_on(lambda: self._baseline.succeed(profile, calibration, wish), wish, detection)

    def _adopt_own(
        self,
        collection: Collection,
        profile: ReferenceProfile,
        calibration: Calibration,
        detection: Detection,
    ) -> None:
        self._go_on(
            lambda: self._baseline.adopt(collection, profile, calibration), collection.wish, detection
        )

    def _go_on(self, accepted: Callable[[], bool], wish: Wish, detection: Detection) -> None:
        with self._lock:
            if not accepted():
                return
            before = self._detection
            event = before.tracker.resolve(self._clock(), "rebaselined", wish.by, wish.note)
            detection.succeed(before)
            self._detection = detection
            events = [] if event is None else [event]
            self._keep(events)
        self._renewed(wish, events)

    # --- across restarts and replicas ----------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Return, as of one row, what `Baseline.restore` goes on from, and what `restore` does."""
        with self._lock:
            return {"baseline": self._baseline.state(), "detection": self._detection.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue where the detection's state was taken; raises as `Detection.restore`."""
        self._detection.restore(state)

    def merge(self, baseline: Mapping[str, Any] | None, detections: Sequence[Mapping[str, Any]]) -> None:
        """Take over what several replicas had, all by one reference; raises as what restores the parts."""
        self._baseline.restore(baseline)
        self._detection = self._baseline.merged(detections)
