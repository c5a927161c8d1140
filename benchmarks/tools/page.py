"""What was measured, written into the page between its marks."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from benchmarks.speed.page import machine, table
from benchmarks.tools.streams import CHANGED, REFERENCE, ROWS
from benchmarks.tools.summary import Delay, Result
from driftlead.benchmark import figures
from driftlead.benchmark.tables import fill

__all__ = ["page", "picture", "write"]

IMAGE = "images/tools.svg"

_HOW = """\
Written by `make tools`. The job: {rows} rows of 50 independent features after a reference of {reference}
rows: 20 normal, 10 uniform, 10 log-normal, 5 counts, 5 rare flags. After 40 to 90 % of the rows, at a random
one, three of the normal features change for good, at once: {changes}. Streams: {streams}; tools that take
minutes get the first {fewest}. All get the same files; batch tools get 1 000 rows at once.

- **Rows until noticed** count from the change to the row at which an alarm named the feature: the median over
  streams, and the extremes. A verdict on a batch comes with the batch's last row.
- **False alarms** are rows (or batches) before the change that had an alarm, whatever it named, in 100 000.
- **Time** is processor time, not time on the clock, since other work kept the machine busy; every tool in a
  process of its own with one thread, from the first row to the last. **Times ours** is the ratio to ours in
  blocks in the same run on the same stream. **Memory** is the most that the process had resident, with Python
  and all imports.
- **Lines** are what a user writes, counted by the program in `benchmarks/tools/users`, formatted alike:
  imports, set-up, the loop, and reading the verdict."""


def page(results: Sequence[Result], records: Sequence[Mapping[str, Any]]) -> str:
    """Return what was measured as Markdown."""
    streams = sorted({len(result.first.rows) for result in results})
    return "\n\n".join([
        "## Measured",
        f"![Rows until each change was named, and false alarms, by tool]({IMAGE})",
        table(
            ("tool", "first noticed", *CHANGED.values(), "false alarms in 100 000 rows"),
            (_noticing(result) for result in results),
        ),
        table(
            ("tool", "µs per row", "times ours", "s to set up", "MiB at most", "lines"),
            (_costs(result) for result in results),
        ),
        _HOW.format(
            rows=_count(ROWS), reference=_count(REFERENCE), changes=", ".join(CHANGED.values()),
            streams=streams[-1], fewest=streams[0],
        ),
        f"Machine: {machine()}. {_versions(records)}.",
        "How each was set:",
        "\n".join(f"- **{result.tool.name}**: {result.tool.setting}." for result in results),
    ])  # fmt: skip


def write(folder: Path, results: Sequence[Result], records: Sequence[Mapping[str, Any]]) -> None:
    """Write the figure into ``folder``, and what was measured between the marks of its ``tools.md``."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    figures.write(picture(results), folder / IMAGE)
    fill(folder / "tools.md", "measured", page(results, records))


def picture(results: Sequence[Result]) -> go.Figure:
    """Draw for each tool how many rows passed until it named each change, with its false alarms beside."""
    names = [result.tool.name for result in results]
    figure = go.Figure()
    changes = {**CHANGED, "": "verdict on all features together"}
    for number, (feature, change) in enumerate(changes.items()):
        delays = {
            result.tool.name: result.by_feature.get(feature, result.first).noticed
            for result in results
            if feature in result.by_feature or not (feature or result.by_feature)
        }
        noticed = {name: rows for name, rows in delays.items() if rows}
        middle = [statistics.median(rows) for rows in noticed.values()]
        figure.add_scatter(
            x=middle,
            y=[names.index(name) + 0.2 * (number % len(CHANGED) - 1) for name in noticed],
            error_x={
                "array": [rows[-1] - at for rows, at in zip(noticed.values(), middle, strict=True)],
                "arrayminus": [at - rows[0] for rows, at in zip(noticed.values(), middle, strict=True)],
                "thickness": 1.2,
                "width": 0,
            },
            mode="markers",
            marker={"size": 10, "color": figures.HUES[number]},
            name=change,
        )
    for result in results:
        figure.add_annotation(
            x=1.0, xref="paper", xanchor="left", y=names.index(result.tool.name), showarrow=False,
            text=f"  {_number(result.false_alarms)}", font={"color": figures.INK},
        )  # fmt: skip
    figure.add_annotation(
        x=1.0, xref="paper", xanchor="left", y=1.0, yref="paper", yanchor="bottom", showarrow=False,
        text="  false alarms<br>  in 100 000 rows", align="left", font={"color": figures.PALE},
    )  # fmt: skip
    figure.update_layout(
        title={"text": "Rows until each change was named", "x": 0.0, "xref": "paper", "font": {"size": 17}},
        font={"family": figures.FONT, "size": 13, "color": figures.INK},
        width=900,
        height=34 * len(names) + 170,
        margin={"l": 20, "r": 130, "t": 100, "b": 60},
        paper_bgcolor="white",
        plot_bgcolor="white",
        legend={"orientation": "h", "x": 0.0, "y": 1.0, "yanchor": "bottom"},
    )
    figure.update_xaxes(
        title="rows after the change (median and extremes of the streams)", type="log", dtick=1,
        gridcolor=figures.GRID,
    )  # fmt: skip
    figure.update_yaxes(
        tickvals=list(range(len(names))), ticktext=names, range=[len(names) - 0.5, -0.5], showgrid=False,
    )  # fmt: skip
    return figure


def _noticing(result: Result) -> list[str]:
    delays = [result.by_feature.get(name) for name in CHANGED]
    return [
        result.tool.name,
        _delay(result.first),
        *("–" if each is None else _delay(each) for each in delays),
        f"{_number(result.false_alarms)}" if result.false_alarms else f"none in {_count(result.unchanged)}",
    ]


def _costs(result: Result) -> list[str]:
    return [
        result.tool.name,
        _number(result.microseconds),
        f"{_number(result.times_ours)}×",
        _number(result.setup_seconds),
        _count(result.held / 1024**2),
        str(result.lines),
    ]


def _delay(of: Delay) -> str:
    if not of.noticed:
        return "never"
    low, high = of.noticed[0], of.noticed[-1]
    text = _count(statistics.median(of.noticed)) + f" ({_count(low)} to {_count(high)})" * (low < high)
    return f"{text}, missed in {of.missed} of {len(of.rows)}" if of.missed else text


def _versions(records: Sequence[Mapping[str, Any]]) -> str:
    """Name Python, and of every environment the tool itself; ours stands in the same commit as this page."""
    tools = ("evidently", "nannyml", "whylogs", "deepchecks", "frouros", "alibi-detect", "river")
    found = {"Python": records[0]["versions"]["Python"]}
    for record in records:
        found |= {name: version for name, version in record["versions"].items() if name in tools}
    return ", ".join(f"{name} {version}" for name, version in found.items())


def _number(value: float) -> str:
    """Write a number with two significant digits, or as a whole number if that has more."""
    return f"{value:.2g}" if value < 99.5 else _count(value)


def _count(number: float) -> str:
    return f"{number:,.0f}".replace(",", " ")
