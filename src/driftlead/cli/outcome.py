"""The outcome of a replay as text, Markdown or JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from driftlead.cli.recorded import Outcome
from driftlead.monitor import DriftedSignal, Episode
from driftlead.monitor.settings import MISSING_RATE
from driftlead.wording import counted

__all__ = ["write_outcome"]

# Lines in a file may be long; on a terminal cells give way.
_FILE_WIDTH = 200
_SMALLEST_WINDOW = 10  # in which a change could be seen at all
_HEADINGS = ("signal", "before", "after", "evidence", "changed", "alarmed", "strongest, × threshold")


def write_outcome(outcome: Outcome, form: str, shown: int) -> None:
    """Print an outcome.

    Parameters
    ----------
    outcome : Outcome
    form : {"text", "json", "md"}
    shown : int
        Most signals listed of each episode.
    """
    if form == "json":
        print(json.dumps(_document(outcome), indent=2))
    elif form == "md":
        print("\n".join(_markdown(outcome, shown)))
    else:
        _print_text(outcome, shown)


def _document(outcome: Outcome) -> dict[str, Any]:
    episodes = []
    for episode in outcome.episodes:
        document = episode.to_document()
        # Row numbers stand for time here: the clock says when they were replayed.
        episodes.append({key: value for key, value in document.items() if not key.endswith("_at")})
    return {
        "data": str(outcome.data),
        "rows": outcome.rows,
        "reference_rows": outcome.profile.n_rows,
        "false_alarm_every": outcome.settings.false_alarm_every,
        "calibrated": outcome.calibration is not None,
        "drift": bool(episodes),
        "notes": list(_notes(outcome)),
        "episodes": episodes,
    }


def _summary(outcome: Outcome) -> str:
    profile, settings = outcome.profile, outcome.settings
    return (
        f"{outcome.data.name}: {counted(outcome.rows, 'row')}, {counted(profile.n_signals, 'signal')}, "
        f"compared with {counted(profile.n_rows, 'row')} of reference; "
        f"one false alarm in {settings.false_alarm_every:,.0f} rows"
    )


def _verdict(outcome: Outcome) -> str:
    number = len(outcome.episodes)
    if not number:
        few = f", but too few rows to tell: they fill no window of {outcome.settings.window:,}"
        return f"No drift{few if outcome.rows < outcome.settings.window else ''}."
    rows = sum(_last_row(outcome, episode) - episode.change_row + 1 for episode in outcome.episodes)
    return f"Drift: {counted(number, 'episode')}, {counted(rows, 'row')} in all."


def _notes(outcome: Outcome) -> Iterator[str]:
    window, known = outcome.settings.window, outcome.profile.n_rows
    smaller = outcome.rows // 4
    if not outcome.episodes and outcome.rows < window and smaller >= _SMALLEST_WINDOW:
        yield f"--window {smaller} takes smaller windows, which see large changes alone."
    if known < window:
        yield (
            f"The reference has {counted(known, 'row')}, fewer than a window of {window:,}: "
            "what is compared with it says little. It should have 20 windows."
        )
    elif known < 20 * window:
        yield (
            f"The reference has {counted(known, 'row')}; "
            f"with windows of {window:,} it should have {20 * window:,}, "
            "else its own chance is taken for drift."
        )
    if counters := _drifted_counters(outcome):
        yield (
            f"{', '.join(counters)} rose with every row. A column that numbers rows, or tells their time, "
            "always drifts: --columns names those to watch."
        )
    if outcome.calibration is None and outcome.episodes:
        yield "Thresholds hold for rows that do not depend on each other; where they do, use --calibrate."
    if outcome.calibration is not None:
        yield from outcome.calibration.findings


def _drifted_counters(outcome: Outcome) -> list[str]:
    drifted = {signal.signal for episode in outcome.episodes for signal in episode.signals}
    return [name.removeprefix("feature:") for name in outcome.rising if name in drifted]


def _last_row(outcome: Outcome, episode: Episode) -> int:
    return outcome.rows if episode.resolved_row is None else episode.last_alarm_row


def _title(outcome: Outcome, number: int, episode: Episode) -> str:
    end = "the end" if episode.resolved_row is None else f"{episode.last_alarm_row:,}"
    return (
        f"Episode {number}: rows {episode.change_row:,} to {end}, noticed at {episode.opened_row:,} by "
        f"{episode.opened_by[1]} on {episode.opened_by[0]}; {episode.n_signals} of "
        f"{counted(outcome.profile.n_signals, 'signal')}"
    )


def _cells(signal: DriftedSignal, names: Sequence[str]) -> tuple[str, ...]:
    """Cells of one line, as `_HEADINGS` names them."""
    name = _strongest(signal)
    peak = signal.peaks[name]
    return (
        signal.signal,
        *_before_after(signal, names),
        f"{signal.contribution:,.0f}",
        f"{signal.change_row:,}",
        f"{signal.first_alarm_row:,}",
        f"{name} {'∞' if peak is None else f'{peak:.1f}'}",
    )


def _strongest(signal: DriftedSignal) -> str:
    """Return the detector whose statistic went highest, in multiples of its threshold."""
    return max(signal.peaks.items(), key=lambda item: float("inf") if item[1] is None else item[1])[0]


def _before_after(signal: DriftedSignal, names: Sequence[str]) -> tuple[str, str]:
    """Means; of categories the share of the one that changed most; or the share that is missing."""
    if _strongest(signal) == MISSING_RATE:
        return f"missing {signal.missing_before:.1%}", f"missing {signal.missing_after:.1%}"
    if signal.mean_before is not None and signal.mean_after is not None:
        return f"{signal.mean_before:.4g}", f"{signal.mean_after:.4g}"
    total = sum(signal.counts_after) or 1
    after = [count / total for count in signal.counts_after]
    most = max(range(len(after)), key=lambda bin: abs(after[bin] - signal.reference_ratio[bin]))
    label = signal.labels[most]
    if label.isdecimal() and int(label) < len(names):
        label = names[int(label)]
    return f"{label} {signal.reference_ratio[most]:.0%}", f"{label} {after[most]:.0%}"


def _names(outcome: Outcome, signal: DriftedSignal) -> Sequence[str]:
    """Names of the categories of a signal that was text; its other bins have labels of their own."""
    return outcome.profile.categories.get(signal.signal, ())


def _markdown(outcome: Outcome, shown: int) -> Iterator[str]:
    yield f"**{_verdict(outcome)}** {_summary(outcome)}."
    for number, episode in enumerate(outcome.episodes, 1):
        yield f"\n### {_title(outcome, number, episode)}\n"
        yield f"| {' | '.join(_HEADINGS)} |"
        yield "|" + "---|" * len(_HEADINGS)
        for signal in episode.signals[:shown]:
            yield (
                "| "
                + " | ".join(cell.replace("|", "\\|") for cell in _cells(signal, _names(outcome, signal)))
                + " |"
            )
    for note in _notes(outcome):
        yield f"\n> {note}"


def _print_text(outcome: Outcome, shown: int) -> None:
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = _FILE_WIDTH
    # Rich itself ends a process whose output nobody reads, with the exit code of drift.
    with console.capture() as written:
        _render(console, outcome, shown)
    print("\n".join(line.rstrip() for line in written.get().splitlines()))


def _render(console: Console, outcome: Outcome, shown: int) -> None:
    console.print(Text(_summary(outcome)))
    console.print(Text(_verdict(outcome), style="bold red" if outcome.episodes else "bold green"))
    for number, episode in enumerate(outcome.episodes, 1):
        console.print()
        console.print(Text(_title(outcome, number, episode), style="bold"))
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        for heading in _HEADINGS:
            numeric = heading in ("before", "after", "evidence", "changed", "alarmed")
            table.add_column(heading, justify="right" if numeric else "left", no_wrap=True)
        for signal in episode.signals[:shown]:
            table.add_row(*(Text(cell) for cell in _cells(signal, _names(outcome, signal))))
        console.print(table)
        if (more := episode.n_signals - len(episode.signals[:shown])) > 0:
            console.print(Text(f"and {more} more", style="dim"))
    for note in _notes(outcome):
        console.print()
        console.print(Text(f"Note: {note}", style="dim"))
