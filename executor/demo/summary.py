"""The outcome of a scenario: who alarmed before the change, who after it and how soon, and the verdict."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from driftlead import state
from executor.demo.progress import Progress
from executor.demo.snapshot import Alarm

__all__ = ["DetectorOutcome", "Outcome", "outcome_table", "summarise", "write_summary"]

#: Signals named for each detector.
STRONGEST = 3


@dataclass(frozen=True)
class Strongest:
    """A signal that alarmed after the change, and the highest multiple of its threshold seen there."""

    signal: str
    ratio: float


@dataclass(frozen=True)
class DetectorOutcome:
    """How one detector did.

    Attributes
    ----------
    detector : str
        Its name.
    alarms_before, alarms_after : int
        Alarms at rows up to the change and after it.
    first_false_alarm_row : int or None
        Row of the first alarm before the change.
    delay_rows : int or None
        Drifted rows until the first alarm after the change, that row included.
    strongest_signals : tuple of Strongest
        The signals furthest beyond their thresholds after the change.
    """

    detector: str
    alarms_before: int
    alarms_after: int
    first_false_alarm_row: int | None
    delay_rows: int | None
    strongest_signals: tuple[Strongest, ...]


@dataclass(frozen=True)
class Outcome:
    """How the scenario ended: ``complaints`` is empty when it passed."""

    detectors: tuple[DetectorOutcome, ...]
    complaints: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing alarmed before the change and every detector after it."""
        return not self.complaints

    @property
    def sentence(self) -> str:
        """The verdict in one line."""
        if self.complaints:
            return "failed: " + "; ".join(self.complaints)
        delays = ", ".join(f"{d.detector} after {d.delay_rows} rows" for d in self.detectors)
        return f"passed: no alarm before the change, then {delays}"


def summarise(progress: Progress, expected: tuple[str, ...]) -> Outcome:
    """Judge a scenario.

    Parameters
    ----------
    progress : Progress
        A finished demo.
    expected : tuple of str
        Names of the detectors that must alarm after the change; one that the service does not run fails.
    """
    running = [state.detector for state in progress.snapshot.detectors] if progress.snapshot else []
    outcomes = tuple(_outcome(progress, name) for name in dict.fromkeys([*expected, *running]))
    complaints: list[str] = []
    for outcome in outcomes:
        name = outcome.detector
        if outcome.alarms_before:
            times = "once" if outcome.alarms_before == 1 else f"{outcome.alarms_before} times"
            first = outcome.first_false_alarm_row
            complaints.append(f"{name} alarmed {times} before the change, first at row {first}")
        if name not in expected:
            continue
        if name not in running:
            complaints.append(f"{name} is not running")
        elif outcome.delay_rows is None:
            complaints.append(f"{name} did not alarm within {progress.after.rows} drifted rows")
    return Outcome(outcomes, tuple(complaints))


def _outcome(progress: Progress, detector: str) -> DetectorOutcome:
    before, after = progress.false_alarms(detector), progress.true_alarms(detector)
    # An alarm tells the moment of crossing, barely above the threshold; what follows tells how strong it is.
    best: dict[str, float] = {}
    for alarm in after:
        seen = progress.strongest.get((detector, alarm.signal), 0.0)
        best[alarm.signal] = max(alarm.ratio, seen, best.get(alarm.signal, 0.0))
    strongest = sorted(best.items(), key=lambda item: -item[1])[:STRONGEST]
    return DetectorOutcome(
        detector=detector,
        alarms_before=len(before),
        alarms_after=len(after),
        first_false_alarm_row=min((alarm.row for alarm in before), default=None),
        delay_rows=_delay(after, progress.change_row),
        strongest_signals=tuple(Strongest(signal, round(ratio, 3)) for signal, ratio in strongest),
    )


def _delay(after: list[Alarm], change_row: int | None) -> int | None:
    return min(alarm.row for alarm in after) - change_row if after and change_row is not None else None


def write_summary(path: Path, progress: Progress, outcome: Outcome, model: str, version: str) -> None:
    """Write the outcome as JSON, whole or not at all."""
    scenario, seen = progress.scenario, progress.snapshot
    content: dict[str, Any] = {
        "passed": outcome.passed,
        "verdict": outcome.sentence,
        "model": model,
        "version": version,
        "seed": scenario.traffic.seed,
        "drift": scenario.drift.model_dump(),
        "rows": {
            "clean": progress.before.rows,
            "drifted": progress.after.rows,
            "monitored": seen.rows if seen else 0,
            "dropped": seen.dropped_rows if seen else 0,
        },
        "change_row": progress.change_row,
        "seconds": round(progress.seconds, 1),
        "accuracy": {"before": progress.before.accuracy, "after": progress.after.accuracy},
        "detectors": [asdict(detector) for detector in outcome.detectors],
    }
    state.write(path, (json.dumps(content, indent=2) + "\n").encode())


def outcome_table(outcome: Outcome) -> Table:
    """Show the outcome for a terminal, one line for each detector."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("detector", no_wrap=True)
    table.add_column("alarms before\nthe change", justify="right")
    table.add_column("delay\nin rows", justify="right")
    table.add_column("strongest signals, × threshold", overflow="fold")
    for detector in outcome.detectors:
        strongest = [f"{s.signal} {s.ratio:.2f}" for s in detector.strongest_signals]
        table.add_row(
            detector.detector,
            _judged(str(detector.alarms_before), good=detector.alarms_before == 0),
            _judged(
                "none" if detector.delay_rows is None else str(detector.delay_rows), good=bool(strongest)
            ),
            "\n".join(strongest) or "none",
        )
    return table


def _judged(text: str, good: bool) -> Text:
    return Text(text, style="green" if good else "bold red")
