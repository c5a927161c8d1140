"""Where the demo writes: a live view on a terminal, plain lines anywhere else."""

from __future__ import annotations

import time
from typing import Protocol

from rich.console import Console
from rich.live import Live

from executor.demo.progress import Progress
from executor.demo.snapshot import Alarm
from executor.demo.view import Labels, render

__all__ = ["LiveScreen", "PlainScreen", "Screen", "open_screen"]

#: Seconds between two plain lines of the same phase.
PLAIN_SECONDS = 5.0
#: Once the scenario is over nothing is new: a line a minute shows that it still runs.
LINGER_SECONDS = 60.0


class Screen(Protocol):
    """What the driver tells, whoever shows it."""

    def show(self, progress: Progress, note: str = "") -> None:
        """Show the progress; called several times a second."""

    def close(self) -> None:
        """Give the terminal back."""


def open_screen(console: Console, labels: Labels) -> Screen:
    """Choose the live view when a person can see it."""
    if console.is_terminal and not console.is_dumb_terminal and console.file.isatty():
        return LiveScreen(console, labels)
    return PlainScreen(console)


class LiveScreen:
    """The live view on the terminal's other screen, so that nothing of it is left in the scroll-back."""

    def __init__(self, console: Console, labels: Labels) -> None:
        self._console, self._labels = console, labels
        self._live = Live(console=console, screen=True, auto_refresh=False)
        self._live.start()

    def show(self, progress: Progress, note: str = "") -> None:
        """Draw a frame in the terminal's present size."""
        width, height = self._console.size
        self._live.update(render(progress, self._labels, width, height, note), refresh=True)

    def close(self) -> None:
        """Show what stood on the terminal before."""
        self._live.stop()


class PlainScreen:
    """One line every few seconds, one for the change, one for each detector's first alarm on either side."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next = 0.0
        self._change_told = False
        self._note = ""
        self._told: set[tuple[str, int]] = set()

    def show(self, progress: Progress, note: str = "") -> None:
        """Write what is new."""
        if progress.change_row is not None and not self._change_told:
            self._change_told = True
            self._line(progress.change_row, "change", progress.scenario.drift.title)
        for alarm in self._first_alarms(progress):
            after = progress.change_row is not None and alarm.row > progress.change_row
            when = f", {alarm.row - (progress.change_row or 0)} rows after the change" if after else ""
            self._line(alarm.row, "ALARM", f"{alarm.detector} on {alarm.signal}{when}")
        now = time.monotonic()
        over = note != self._note
        if progress.answered and (now >= self._next or over):
            self._next = now + (LINGER_SECONDS if note else PLAIN_SECONDS)
            self._line(progress.answered, "rows", self._status(progress))
        if over:
            self._note = note
            self._console.print(note, soft_wrap=True, highlight=False, markup=False)

    def close(self) -> None:
        """Nothing to give back."""

    def _first_alarms(self, progress: Progress) -> list[Alarm]:
        """Find each detector's first alarm on either side of the change, if it has not been told yet."""
        found: list[Alarm] = []
        for state in progress.snapshot.detectors if progress.snapshot else ():
            sides = progress.false_alarms(state.detector), progress.true_alarms(state.detector)
            for side, alarms in enumerate(sides):
                if alarms and (state.detector, side) not in self._told:
                    self._told.add((state.detector, side))
                    found.append(min(alarms, key=lambda alarm: alarm.row))
        return sorted(found, key=lambda alarm: alarm.row)

    def _status(self, progress: Progress) -> str:
        hits = progress.after if progress.after.rows else progress.before
        accuracy = f"accuracy {100 * hits.accuracy:.1f} %" if hits.accuracy is not None else ""
        peaks = [
            f"{d.detector} {d.peak:.2f}" for d in (progress.snapshot.detectors if progress.snapshot else ())
        ]
        strongest = f"strongest × threshold: {', '.join(peaks)}" if peaks else ""
        parts = [f"{progress.rows_per_second:.0f} rows/s", accuracy, strongest]
        return "; ".join(part for part in parts if part)

    def _line(self, row: int, kind: str, text: str) -> None:
        self._console.print(f"{row:>7}  {kind:<7} {text}", soft_wrap=True, highlight=False, markup=False)
