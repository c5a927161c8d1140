"""Which signals see it first, and does it matter: one figure and one table."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from evaluation.drift import GROUPS, WAIT, Quiet, Sight

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["band_of", "figure", "first_seen", "measured"]

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
UNSEEN = 1.5 * WAIT  # where the figure shows what was not seen at all
INK, GRID = "#1f2430", "#e5e7eb"

BANDS = (-1.0, 0.01, 0.05, 0.2, 0.5)
"""Where the figure's bands of lost accuracy begin."""

HARM = 0.05
"""Lost accuracy from which on a corruption counts as harmful."""


def figure(sights: Sequence[Sight]) -> go.Figure:
    """Draw delays over lost accuracy: a colour per group of signals, a marker per corruption.

    Lost accuracy is drawn in bands, in which the groups stand side by side: most corruptions cost nothing or
    much, and would lie on each other. A bar is the median of a group in a band.

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
    for number, group in enumerate(GROUPS):
        points = [sight for sight in sights if not math.isnan(sight.delay(group))]
        middle = {sight: band_of(sight) + 0.21 * (number - 1.5) for sight in points}
        # Markers of one column are spread over its width, each corruption at its own place.
        spread = {kind: 0.13 * (at / max(1, len(kinds) - 1) - 0.5) for at, kind in enumerate(kinds)}
        drawn.add_scatter(
            x=[middle[sight] + spread[sight.corruption] for sight in points],
            y=[min(sight.delay(group), UNSEEN) for sight in points],
            mode="markers",
            marker={
                "color": HUES[group],
                "symbol": [SYMBOLS[kinds.index(sight.corruption) % len(SYMBOLS)] for sight in points],
                "size": 8,
                "opacity": 0.7,
            },
            showlegend=False,
        )
        for place in sorted(set(middle.values())):
            column = sorted(min(sight.delay(group), UNSEEN) for sight in points if middle[sight] == place)
            drawn.add_shape(
                type="line", x0=place - 0.095, x1=place + 0.095, y0=column[len(column) // 2],
                y1=column[len(column) // 2], line={"color": HUES[group], "width": 4},
            )  # fmt: skip
        _explain(drawn, LABELS[group], {"color": HUES[group], "size": 11}, "legend")
    for number, kind in enumerate(kinds):
        symbol = SYMBOLS[number % len(SYMBOLS)]
        _explain(drawn, kind.replace("_", " "), {"color": INK, "symbol": symbol, "size": 9}, "legend2")
    drawn.add_hline(y=WAIT, line={"color": INK, "width": 1, "dash": "dot"})
    drawn.add_annotation(
        x=1.0, xref="paper", xanchor="right", y=math.log10(WAIT), yanchor="bottom", showarrow=False,
        text=f"above the line: not seen within {_count(WAIT)} rows", font={"size": 11, "color": INK},
    )  # fmt: skip
    drawn.update_layout(
        title={"text": "Which signals see it first, and does it matter?", "x": 0.0, "xref": "paper",
               "font": {"size": 18}},
        font={"family": "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif", "size": 13,
              "color": INK},
        width=960, height=620, paper_bgcolor="white", plot_bgcolor="white",
        margin={"l": 20, "r": 170, "t": 110, "b": 60},
        legend={"orientation": "h", "x": 0.0, "y": 1.03, "yanchor": "bottom"},
        legend2={"x": 1.02, "y": 1.0, "font": {"size": 12}},
    )  # fmt: skip
    drawn.update_xaxes(
        title="lost accuracy, percentage points", tickvals=list(range(len(BANDS))), ticktext=_bands(),
        range=[-0.5, len(BANDS) - 0.5], showgrid=False, zeroline=False, automargin=True,
    )  # fmt: skip
    for edge in range(1, len(BANDS)):
        drawn.add_vline(x=edge - 0.5, line={"color": GRID, "width": 1})
    drawn.update_yaxes(
        title="rows until the first alarm, median of the streams", type="log", gridcolor=GRID,
        automargin=True, tickvals=[10, 30, 100, 300, 1_000], range=[0.9, math.log10(1.25 * UNSEEN)],
    )  # fmt: skip
    return drawn


def band_of(sight: Sight) -> int:
    """Return the number of the last band that begins at or below the lost accuracy."""
    return max(number for number, start in enumerate(BANDS) if sight.lost >= start or number == 0)


def _bands() -> list[str]:
    points = [f"{100.0 * start:.0f}" for start in BANDS[1:]]
    return [f"below {points[0]}", *map(" to ".join, itertools.pairwise(points)), f"{points[-1]} and more"]


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
