"""Summaries as Plotly figures (extra ``figures``): static, with everything in the file that they need."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import plotly.graph_objects as go

from driftlead.benchmark.summary import Row
from driftlead.errors import DriftleadError, InvalidParameterError

__all__ = ["delays", "false_alarms", "write"]

INK, PALE, GRID = "#1f2430", "#6b7280", "#e5e7eb"
SCALE = ["#4fb3a2", "#a5d8cf", "#eef3f1", "#fbe3c8", "#ee9d5c"]  # pale enough for dark words
FONT = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"
HUES = (
    "#0f766e",
    "#b45309",
    "#4338ca",
    "#be123c",
    "#0369a1",
    "#4d7c0f",
    "#7e22ce",
    "#a16207",
    "#334155",
    "#be185d",
)


def delays(rows: Sequence[Row], title: str = "") -> go.Figure:
    """Draw mean delays as a table whose colours say how many times the best of its column a delay is.

    Parameters
    ----------
    rows : sequence of Row
        Of one setting for each competitor.
    title : str

    Returns
    -------
    plotly.graph_objects.Figure
    """
    names = list(dict.fromkeys(row.competitor for row in rows))
    changes = list(dict.fromkeys((row.scenario, row.change) for row in rows))
    places = [f"<b>{change}</b><br>{scenario}" for scenario, change in changes]
    by_place = {(row.competitor, (row.scenario, row.change)): row for row in rows}
    ratio = np.full((len(names), len(changes)), np.nan)
    words = np.full(ratio.shape, "", dtype=object)
    for column, change in enumerate(changes):
        found = [row.delay.value for row in rows if (row.scenario, row.change) == change]
        best = np.nanmin(found) if np.isfinite(found).any() else np.nan
        for line, name in enumerate(names):
            row = by_place.get((name, change))
            if row is None:
                continue
            if math.isnan(row.delay.value):
                words[line, column] = "all early"
                continue
            ratio[line, column] = math.log2(row.delay.value / best)
            missed = f"<br><span style='font-size:10px'>{row.missed.value:.0%} missed</span>"
            words[line, column] = f"{row.delay.value:,.0f}".replace(",", " ") + missed * (
                row.missed.value >= 0.05
            )
    figure = go.Figure(
        go.Heatmap(
            z=ratio,
            x=places,
            y=names,
            colorscale=SCALE,
            zmin=0.0,
            zmax=4.0,
            xgap=3,
            ygap=3,
            colorbar={
                "title": {"text": "times the best", "side": "right"},
                "tickvals": [0, 1, 2, 3, 4],
                "ticktext": ["1", "2", "4", "8", "16+"],
                "thickness": 10,
                "outlinewidth": 0,
            },
            hoverinfo="skip",
        )
    )
    _style(figure, title, width=96 * len(changes) + 300, height=40 * len(names) + 170)
    # Not the heat map's own text, which leaves out cells without a number.
    for line, name in enumerate(names):
        for column, place in enumerate(places):
            figure.add_annotation(
                x=place, y=name, text=words[line, column], showarrow=False, font={"size": 12}
            )
    figure.update_xaxes(side="top", showgrid=False, tickfont={"size": 11}, ticks="")
    figure.update_yaxes(autorange="reversed", showgrid=False, ticks="")
    return figure


def false_alarms(rows: Sequence[Row], budget: float, title: str = "") -> go.Figure:
    """Draw rows per false alarm of every competitor, a marker per scenario, beside the budget.

    Parameters
    ----------
    rows : sequence of Row
    budget : float
        Rows per false alarm that were asked for.
    title : str

    Returns
    -------
    plotly.graph_objects.Figure
    """
    names = list(dict.fromkeys(row.competitor for row in rows))
    scenarios = list(dict.fromkeys(row.scenario for row in rows))
    figure = go.Figure()
    for number, scenario in enumerate(scenarios):
        found = {row.competitor: row.false_alarm_every for row in rows if row.scenario == scenario}
        sure = {name: each for name, each in found.items() if math.isfinite(each.value)}
        never = {name: each for name, each in found.items() if math.isinf(each.value)}
        offset = 0.6 * ((number + 0.5) / len(scenarios) - 0.5)
        style = {"color": HUES[number % len(HUES)], "size": 9}
        figure.add_scatter(
            x=[each.value for each in sure.values()],
            y=[names.index(name) + offset for name in sure],
            error_x={
                "array": [each.high - each.value for each in sure.values()],
                "arrayminus": [each.value - each.low for each in sure.values()],
                "thickness": 1.2,
                "width": 0,
            },
            mode="markers",
            marker=style,
            name=scenario,
        )
        figure.add_scatter(
            x=[each.low for each in never.values()],
            y=[names.index(name) + offset for name in never],
            mode="markers",
            marker=style | {"symbol": "triangle-right-open", "size": 11},
            showlegend=False,
        )
    figure.add_vline(x=budget, line={"color": INK, "width": 1.2, "dash": "dot"})
    figure.add_annotation(
        x=math.log10(budget), y=0.0, yref="paper", yanchor="bottom", xanchor="left",
        text=" budget", showarrow=False, font={"color": INK},
    )  # fmt: skip
    _style(figure, title, width=860, height=34 * len(names) + 170)
    figure.update_xaxes(type="log", title="rows per false alarm (further right is quieter)", dtick=1)
    figure.update_yaxes(
        tickvals=list(range(len(names))), ticktext=names, range=[len(names) - 0.5, -0.5], showgrid=False
    )
    figure.update_layout(legend={"orientation": "h", "x": 0.0, "y": 1.0, "yanchor": "bottom"})
    return figure


def write(figure: go.Figure, path: Path) -> None:
    """Write a figure: ``.html`` with its script inside, or ``.svg`` and ``.png``, drawn by Chromium.

    Raises
    ------
    InvalidParameterError
        The file's name ends in something else.
    DriftleadError
        A picture was asked for where there is no kaleido or no Chromium.
    """
    if path.suffix == ".html":
        figure.write_html(path, include_plotlyjs=True)
        return
    if path.suffix not in (".svg", ".png"):
        raise InvalidParameterError("path", "one that ends in .html, .svg or .png", path.name)
    try:
        figure.write_image(path)
    except (ValueError, RuntimeError, OSError) as error:
        first = str(error).strip().splitlines()[0]
        raise DriftleadError(f"{path} needs kaleido and Chromium to be drawn: {first}") from None


def _style(figure: go.Figure, title: str, width: int, height: int) -> None:
    figure.update_layout(
        title={"text": title, "font": {"size": 17}, "x": 0.0, "xref": "paper", "xanchor": "left"},
        font={"family": FONT, "size": 13, "color": INK},
        width=width,
        height=height,
        margin={"l": 20, "r": 20, "t": 90, "b": 60},
        paper_bgcolor="white",
        plot_bgcolor="white",
    )
    figure.update_xaxes(gridcolor=GRID, zeroline=False, automargin=True, linecolor=PALE)
    figure.update_yaxes(gridcolor=GRID, zeroline=False, automargin=True)
