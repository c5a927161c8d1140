"""What has happened so far in a demo: one object, fed by the driver, read by the views and the summary."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from executor.demo.scenario import Scenario
from executor.demo.snapshot import Alarm, Snapshot
from executor.demo.traffic import Batch

__all__ = ["Hits", "Peak", "Progress"]

#: Seconds over which the pace is averaged.
RATE_SECONDS = 3.0


@dataclass
class Hits:
    """Right answers among labelled rows."""

    rows: int = 0
    right: int = 0

    def add(self, predicted: NDArray[np.int64], labels: NDArray[np.int64]) -> None:
        """Count a batch."""
        self.rows += len(labels)
        self.right += int(np.count_nonzero(predicted == labels))

    @property
    def accuracy(self) -> float | None:
        """Share of right answers, None before the first."""
        return self.right / self.rows if self.rows else None


@dataclass(frozen=True)
class Peak:
    """The strongest ratio of every detector when so many rows were answered."""

    answered: int
    ratio: dict[str, float]


@dataclass
class Progress:
    """The state of a demo.

    Attributes
    ----------
    scenario : Scenario
        What is being played.
    answered : int
        Rows answered by the service.
    change_row : int or None
        Number of monitored rows before the first drifted row, once that is known: alarms at rows up to it are
        false, later ones are true.
    finished : bool
        Whether the scenario is over; what comes after it is no longer counted.
    seconds : float
        How long the scenario has taken.
    snapshot : Snapshot or None
        The latest that the monitor said.
    alarms : list of Alarm
        Every alarm of the scenario, oldest first.
    before, after : Hits
        Accuracy on clean and on drifted rows.
    peaks : list of Peak
        The course of the detectors over the scenario.
    strongest : dict of (str, str) to float
        Highest ratio that was seen after the change, by detector and signal.
    """

    scenario: Scenario
    answered: int = 0
    change_row: int | None = None
    finished: bool = False
    seconds: float = 0.0
    snapshot: Snapshot | None = None
    alarms: list[Alarm] = field(default_factory=list)
    before: Hits = field(default_factory=Hits)
    after: Hits = field(default_factory=Hits)
    peaks: list[Peak] = field(default_factory=list)
    strongest: dict[tuple[str, str], float] = field(default_factory=dict)
    _known: set[tuple[int, str, str]] = field(default_factory=set, repr=False)
    _pace: deque[tuple[float, int]] = field(default_factory=deque, repr=False)

    def answer(self, batch: Batch, predicted: NDArray[np.int64], now: float) -> None:
        """Count an answered request; ``now`` in seconds."""
        self.answered += len(batch.labels)
        (self.after if batch.drifted else self.before).add(predicted, batch.labels)
        self._pace.append((now, self.answered))
        while self._pace[0][0] < now - RATE_SECONDS:
            self._pace.popleft()

    def observe(self, snapshot: Snapshot) -> None:
        """Take over what the monitor says; its list of alarms is bounded, this one is not until the end."""
        self.snapshot = snapshot
        if self.finished:
            return
        for alarm in snapshot.alarms:
            key = (alarm.row, alarm.signal, alarm.detector)
            if key not in self._known:
                self._known.add(key)
                self.alarms.append(alarm)
        ratio = {detector.detector: detector.peak for detector in snapshot.detectors}
        self.peaks.append(Peak(self.answered, ratio))
        if self.since_change:
            for state in snapshot.detectors:
                for signal in state.signals:
                    pair = state.detector, signal.signal
                    self.strongest[pair] = max(signal.ratio, self.strongest.get(pair, 0.0))

    def mark_change(self) -> None:
        """Note that the next row is the first drifted one. Dropped rows never got a number."""
        dropped = self.snapshot.dropped_rows if self.snapshot else 0
        self.change_row = self.answered - dropped

    @property
    def is_settled(self) -> bool:
        """Whether the monitor has dealt with every answered row."""
        seen = self.snapshot
        return seen is not None and seen.rows + seen.dropped_rows >= self.answered

    @property
    def rows_per_second(self) -> float:
        """Pace over the last seconds."""
        if len(self._pace) < 2:
            return 0.0
        (start, first), (end, last) = self._pace[0], self._pace[-1]
        return (last - first) / (end - start) if end > start else 0.0

    @property
    def since_change(self) -> int | None:
        """Monitored rows since the change."""
        if self.change_row is None or self.snapshot is None:
            return None
        return max(0, self.snapshot.rows - self.change_row)

    def false_alarms(self, detector: str) -> list[Alarm]:
        """Alarms of a detector before the change: all of them, as long as nothing has changed."""
        last = self.change_row
        return [a for a in self.alarms if a.detector == detector and (last is None or a.row <= last)]

    def true_alarms(self, detector: str) -> list[Alarm]:
        """Alarms of a detector after the change."""
        last = self.change_row
        return [a for a in self.alarms if a.detector == detector and last is not None and a.row > last]
