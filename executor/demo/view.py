"""The live view: one frame of text from the progress, for any size of terminal and without colours too."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from executor.demo.progress import Hits, Progress
from executor.demo.snapshot import DetectorState, SignalState

__all__ = ["Labels", "render"]

#: A bar is full at this multiple of the threshold.
FULL_RATIO = 2.0
#: From here on a statistic that has not alarmed is shown as near its threshold.
NEAR_RATIO = 0.8
#: A terminal from this width on shows the detectors side by side.
WIDE = 140
#: Signals shown for each detector, at most.
MOST_SIGNALS = 12

LEVELS = "▁▂▃▄▅▆▇█"
CALM, NEAR, DRIFT, QUIET = "green", "yellow", "bold red", "dim"


@dataclass(frozen=True)
class Labels:
    """What stays the same on every frame."""

    model: str
    version: str
    service_url: str
    metrics_url: str


def render(progress: Progress, labels: Labels, width: int, height: int, note: str = "") -> RenderableType:
    """Draw one frame.

    Parameters
    ----------
    progress : Progress
        What has happened so far.
    labels : Labels
        Names and addresses.
    width, height : int
        Size of the terminal in cells; the frame is never wider, and never higher from 20 lines on.
    note : str
        A last line, such as the verdict.
    """
    detectors = progress.snapshot.detectors if progress.snapshot else ()
    header = _header(progress, labels, width)
    footer = _wrapped(note, width) if note else []
    side_by_side = width >= WIDE and len(detectors) > 1
    # Each detector takes a title, a timeline and a blank line besides its signals.
    room = height - len(header) - len(footer)
    stacked = 1 if side_by_side else max(1, len(detectors))
    signals = min(MOST_SIGNALS, max(0, (room + 1) // stacked - 3))
    if side_by_side:
        column = (width - 4 * (len(detectors) - 1)) // len(detectors)
        body: list[RenderableType] = [_columns(progress, detectors, column, signals)]
    else:
        body = []
        for state in detectors:
            body += [*_panel(progress, state, width, signals), Text()]
    return Group(*header, *body, *footer)


# --- the top -----------------------------------------------------------------------------------------


def _header(progress: Progress, labels: Labels, width: int) -> list[Text]:
    traffic = progress.scenario.traffic
    title = Text.assemble(("driftlead", "bold"), f"  {labels.model}, version {labels.version}")
    urls = Text.assemble("service ", (labels.service_url, "cyan"), "  metrics ", (labels.metrics_url, "cyan"))
    whole = "" if progress.finished else f"/{traffic.rows}"
    count = f"{progress.answered}{whole} rows"
    return [
        _ends(title, Text("Ctrl-C stops", QUIET), width),
        urls,
        Text(),
        _ends(_phase(progress), Text(count), width),
        _course(progress, width),
        _ends(_accuracy(progress), _health(progress), width),
        Text(),
    ]


def _phase(progress: Progress) -> Text:
    drift = progress.scenario.drift.title
    if progress.change_row is None:
        return Text.assemble(("● clean", CALM), "  held-out rows as they are")
    return Text.assemble((f"● drifted {progress.since_change} rows ago", DRIFT), f"  {drift}")


def _course(progress: Progress, width: int) -> Text:
    """Draw how far the scenario is, with a mark where the change is."""
    traffic = progress.scenario.traffic
    change = _cell(traffic.clean_rows, traffic.rows, width)
    done = width if progress.finished else _cell(progress.answered, traffic.rows, width)
    course = Text()
    for cell in range(width):
        drifted = cell >= change
        style = QUIET if cell >= done else DRIFT if drifted else CALM
        course.append("╋" if cell == change else "━" if cell < done else "─", style)
    return course


def _accuracy(progress: Progress) -> Text:
    line = Text.assemble("accuracy ", _percent(progress.before), " clean")
    if progress.after.rows:
        line.append_text(Text.assemble(", ", _percent(progress.after), " drifted"))
    return line


def _percent(hits: Hits) -> tuple[str, str]:
    return ("–" if hits.accuracy is None else f"{100 * hits.accuracy:.1f} %", "bold")


def _health(progress: Progress) -> Text:
    """Say how fast rows come and what the monitor has lost, which should be nothing."""
    pace = f"{progress.rows_per_second:.0f} rows/s"
    seen = progress.snapshot
    if seen is None:
        return Text(pace)
    lost = seen.dropped_rows + seen.errors
    words = f"monitor: {seen.dropped_rows} dropped, {seen.errors} errors"
    return Text.assemble(f"{pace}; ", (words, DRIFT if lost else QUIET))


# --- the detectors -----------------------------------------------------------------------------------


def _columns(
    progress: Progress, detectors: Iterable[DetectorState], width: int, signals: int
) -> RenderableType:
    grid = Table.grid(padding=(0, 4, 0, 0), pad_edge=False)
    cells = []
    for state in detectors:
        grid.add_column(width=width, no_wrap=True)
        cells.append(Group(*_panel(progress, state, width, signals)))
    grid.add_row(*cells)
    return grid


def _panel(progress: Progress, state: DetectorState, width: int, signals: int) -> list[Text]:
    """Draw a detector: state and alarms, its strongest ratio over the scenario, its strongest signals."""
    mark, style = _state(progress, state)
    title = Text.assemble((f"{mark:<7} ", style), (state.detector, "bold"))
    return [
        _ends(title, _alarms(progress, state, width - title.cell_len - 2), width),
        _timeline(progress, state.detector, width),
        *(_bar(signal, width) for signal in state.signals[:signals]),
    ]


def _state(progress: Progress, state: DetectorState) -> tuple[str, str]:
    if state.drifting:
        return "DRIFT", DRIFT
    if progress.true_alarms(state.detector):
        # A test within its window gets used to the new rows, which does not make them right.
        return "alarmed", NEAR
    if state.peak >= NEAR_RATIO:
        return "near", NEAR
    return "calm", CALM


def _alarms(progress: Progress, state: DetectorState, width: int) -> Text:
    """Say how soon after the change it alarmed and on how many signals, and every false alarm before."""
    false, true = progress.false_alarms(state.detector), progress.true_alarms(state.detector)
    words = Text()
    if false:
        words.append(f"{_count(len(false), 'alarm')} before the change", DRIFT)
    if progress.change_row is None:
        words.append("" if false else "no alarm", QUIET)
        return words
    words.append(", " if false else "")
    if not true:
        words.append(f"no alarm after {progress.since_change} rows", QUIET)
        return words
    words.append(f"alarm after {min(alarm.row for alarm in true) - progress.change_row} rows", "bold")
    signals = f", {_count(len({alarm.signal for alarm in true}), 'signal')}"
    if words.cell_len + len(signals) <= width:
        words.append(signals, QUIET)
    return words


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _timeline(progress: Progress, detector: str, width: int) -> Text:
    """Draw the strongest ratio over the scenario; the axis is that of the course above."""
    rows = progress.scenario.traffic.rows
    highest = [0.0] * width
    seen = 0
    for peak in progress.peaks:
        first, seen = seen, min(width - 1, _cell(peak.answered, rows, width))
        # A poll stands for all rows since the poll before it: no gaps, however wide the terminal.
        for cell in range(min(first + 1, seen), seen + 1):
            highest[cell] = max(highest[cell], peak.ratio.get(detector, 0.0))
    line = Text()
    for cell, ratio in enumerate(highest):
        if cell > seen or not progress.peaks:
            line.append(" ")
            continue
        level = min(len(LEVELS) - 1, int(ratio * len(LEVELS) / FULL_RATIO))
        line.append(LEVELS[level], _style(ratio))
    return line


def _bar(signal: SignalState, width: int) -> Text:
    """Draw one signal: name, statistic as a bar with a mark at the threshold, multiple of the threshold."""
    name_width = min(32, max(12, width * 2 // 5))
    ratio = f" {min(signal.ratio, 9999.0):>5.2f} × threshold"
    length = width - name_width - len(ratio) - 3
    line = Text("  ")
    line.append(_shortened(signal.signal, name_width).ljust(name_width + 1))
    style = DRIFT if signal.drifting else _style(signal.ratio)
    threshold, filled = int(length / FULL_RATIO), round(length * min(signal.ratio, FULL_RATIO) / FULL_RATIO)
    for cell in range(max(0, length)):
        if cell == threshold:
            line.append("┃", "bold")
        else:
            line.append("━" if cell < filled else "─", style if cell < filled else QUIET)
    line.append(ratio, style)
    return line


def _style(ratio: float) -> str:
    return DRIFT if ratio > 1.0 else NEAR if ratio >= NEAR_RATIO else CALM


# --- cells -------------------------------------------------------------------------------------------


def _cell(position: int, total: int, width: int) -> int:
    return min(width, position * width // total)


def _shortened(text: str, width: int) -> str:
    return text if len(text) <= width else "…" + text[len(text) - width + 1 :]


def _ends(left: Text, right: Text, width: int) -> Text:
    """Put one text at each end of a line; the left one gives way."""
    gap = width - left.cell_len - right.cell_len
    if gap < 1:
        left = left.copy()
        left.truncate(max(0, width - right.cell_len - 1), overflow="ellipsis")
        gap = width - left.cell_len - right.cell_len
    line = Text.assemble(left, " " * max(0, gap), right)
    line.truncate(width)
    return line


def _wrapped(note: str, width: int) -> list[Text]:
    words, lines = note.split(), [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return [Text(line, "bold") for line in lines[:3]]
