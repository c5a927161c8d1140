"""Which signals see it first, and does it matter: one figure and one table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from evaluation.drift import GROUPS, WAIT, Quiet, Sight

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["figure", "first_seen", "measured"]

HUES = {"features": "#0f766e", "activations": "#4338ca", "predictions": "#d97706", "errors": "#6b7280"}
LABELS = {
    "features": "features (pixels)",
    "activations": "activations",
    "predictions": "predictions",
    "errors": "errors, if labels came at once",
}
SYMBOLS = (
    "circle", "square", "diamond", "cross", "x", "triangle-up", "triangle-down", "pentagon", "star",
    "hexagram", "hourglass", "bowtie", "star-diamond",
)  # fmt: skip
_UNSEEN = 1.6 * WAIT  # where the figure shows what was not seen at all
INK, GRID = "#1f2430", "#e5e7eb"

HARM = 0.05
"""Lost accuracy from which on a corruption counts as harmful."""


def figure(sights: Sequence[Sight]) -> go.Figure:
    """Draw lost accuracy against delay: a colour per group of signals, a marker per corruption.

    Parameters
    ----------
    sights : sequence of Sight

    Returns
    -------
    plotly.graph_objects.Figure
    """
    import plotly.graph_objects as go

    drawn = go.Figure()
    kinds = list(dict.fromkeys(sight.corruption for sight in sights))
    for group in reversed(GROUPS):
        points = [sight for sight in sights if not math.isnan(sight.delay(group))]
        drawn.add_scatter(
            x=[100.0 * sight.lost for sight in points],
            y=[min(sight.delay(group), _UNSEEN) for sight in points],
            mode="markers",
            marker={
                "color": HUES[group],
                "symbol": [SYMBOLS[kinds.index(sight.corruption) % len(SYMBOLS)] for sight in points],
                "size": 9,
                "opacity": 0.75,
                "line": {"width": 0.5, "color": "white"},
            },
            showlegend=False,
        )
    for group in GROUPS:
        _explain(drawn, LABELS[group], {"color": HUES[group], "size": 11}, "legend")
    for number, kind in enumerate(kinds):
        symbol = SYMBOLS[number % len(SYMBOLS)]
        _explain(drawn, kind.replace("_", " "), {"color": INK, "symbol": symbol, "size": 9}, "legend2")
    drawn.add_hline(y=WAIT, line={"color": INK, "width": 1, "dash": "dot"})
    drawn.add_annotation(
        x=1.0, xref="paper", xanchor="right", y=math.log10(WAIT), yanchor="bottom", showarrow=False,
        text=f"above: not seen within {_count(WAIT)} rows", font={"size": 11, "color": INK},
    )  # fmt: skip
    drawn.update_layout(
        title={"text": "Which signals see it first, and does it matter?", "x": 0.0, "xref": "paper",
               "font": {"size": 18}},
        font={"family": "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif", "size": 13,
              "color": INK},
        width=940, height=620, paper_bgcolor="white", plot_bgcolor="white",
        margin={"l": 20, "r": 170, "t": 110, "b": 60},
        legend={"orientation": "h", "x": 0.0, "y": 1.03, "yanchor": "bottom"},
        legend2={"x": 1.02, "y": 1.0, "font": {"size": 12}},
    )  # fmt: skip
    drawn.update_xaxes(
        title="lost accuracy, percentage points", gridcolor=GRID, zeroline=False, automargin=True
    )
    drawn.update_yaxes(
        title="rows until the first alarm, median", type="log", gridcolor=GRID, automargin=True,
        tickvals=[1, 3, 10, 30, 100, 300, 1_000], range=[-0.1, math.log10(1.25 * _UNSEEN)],
    )  # fmt: skip
    return drawn


def measured(sights: Sequence[Sight], quiet: Quiet, seeds: int) -> str:
    """Return the figure's table in Markdown, and what was counted along with it."""
    heads = ("corruption", "severity", "lost accuracy", *(LABELS[group] for group in GROUPS))
    lines = [f"| {' | '.join(heads)} |", "|---|--:|--:|" + "--:|" * len(GROUPS)]
    for sight in sights:
        delays = [sight.delay(group) for group in GROUPS]
        best = min((each for each in delays[:-1] if not math.isnan(each)), default=math.inf)
        cells = [_delay(each, best=each == best < math.inf) for each in delays[:-1]] + [_delay(delays[-1])]
        named = (sight.corruption.replace("_", " "), f"{sight.severity:g}", f"{100.0 * sight.lost:.1f}")
        lines.append(f"| {' | '.join((*named, *cells))} |")
    false = ", ".join(f"{group} {count}" for group, count in quiet.alarms.items())
    harmful = sum(sight.lost >= HARM for sight in sights)
    first = ", ".join(f"{group} {count}" for group, count in first_seen(sights, HARM).items())
    return "\n\n".join([
        "![Lost accuracy against rows until the first alarm, by group of signals](images/which-signals.svg)",
        f"Median rows until the first alarm over {seeds} streams; the first group but for the errors is bold."
        f" A dash is what half of the streams did not show within {_count(WAIT)} rows. Of the {harmful} rows"
        f" of the table that cost at least {100 * HARM:.0f} points, this is how often each group was first,"
        f" or as early as the first: {first}. False alarms on {_count(quiet.rows)} clean rows: {false}.",
        "\n".join(lines),
    ])  # fmt: skip


def _explain(drawn: go.Figure, name: str, marker: dict[str, object], legend: str) -> None:
    """Add a line to a legend that no point of the figure is drawn for."""
    drawn.add_scatter(x=[None], y=[None], mode="markers", name=name, marker=marker, legend=legend)


def first_seen(sights: Sequence[Sight], least: float) -> dict[str, int]:
    """Count how often each group saw first what cost at least so much accuracy; in a tie all did."""
    counts = dict.fromkeys(GROUPS, 0)
    for sight in sights:
        delays = {group: sight.delay(group) for group in GROUPS}
        best = min((each for each in delays.values() if not math.isnan(each)), default=math.inf)
        if sight.lost >= least and best < math.inf:
            for group, delay in delays.items():
                counts[group] += delay == best
    return counts


def _delay(delay: float, best: bool = False) -> str:
    if math.isnan(delay) or math.isinf(delay):
        return "–"
    return f"**{_count(delay)}**" if best else _count(delay)


def _count(number: float) -> str:
    return f"{number:,.0f}".replace(",", " ")
