"""What a figure is, and what all of them have in common: colours, type, and names that are only text."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from driftlead.errors import InvalidParameterError

__all__ = [
    "PALETTES",
    "Figure",
    "Palette",
    "Theme",
    "change_line",
    "colour_of_detector",
    "moment",
    "palette_of",
    "plain",
    "styled",
    "threshold_line",
]

Theme = Literal["light", "dark"]

_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif"
_LONGEST_NAME = 60


class Figure(dict[str, Any]):
    """A Plotly figure as plain data: ``data`` and ``layout``, ready for JSON.

    It shows itself in a notebook, without Plotly being imported; ``plotly.graph_objects.Figure(figure)`` is
    one that can be changed.
    """

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        return {"application/vnd.plotly.v1+json": dict(self)}


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours of one theme; told apart by people who see no difference between red and green, too.

    Attributes
    ----------
    text, muted, line, surface : str
        Of type, axes, grid and background.
    reference, live, change : str
        Of what was, what is, and the moment in between.
    detectors : dict of str to str
        Of each detector's line.
    scale : sequence of (float, str)
        Colour by statistic over threshold: calm below 1, a jump at 1.
    """

    text: str
    muted: str
    line: str
    surface: str
    reference: str
    live: str
    change: str
    detectors: Mapping[str, str]
    scale: Sequence[tuple[float, str]]


PALETTES: dict[str, Palette] = {
    "light": Palette(
        text="#161b22",
        muted="#5a6472",
        line="#e4e7ec",
        surface="#ffffff",
        reference="#8b95a5",
        live="#1f6feb",
        change="#c2410c",
        detectors={"page_hinkley": "#1f6feb", "incremental_ks": "#0b8a6a", "nmddm": "#a2408f"},
        scale=[
            (0.0, "#f1f3f6"), (0.5, "#d5e1f2"), (0.995, "#8db2e6"),
            (1.0, "#f6a15b"), (2.0, "#e2590f"), (4.0, "#96200a"),
        ],
    ),
    "dark": Palette(
        text="#e6e9ee",
        muted="#9aa5b4",
        line="#2a323d",
        surface="#161b22",
        reference="#7d8898",
        live="#6cb0ff",
        change="#ff8f4d",
        detectors={"page_hinkley": "#6cb0ff", "incremental_ks": "#41c9a0", "nmddm": "#e08fd0"},
        scale=[
            (0.0, "#1d242d"), (0.5, "#22384f"), (0.995, "#35679c"),
            (1.0, "#c2571a"), (2.0, "#ff7f3f"), (4.0, "#ffd2b3"),
        ],
    ),
}  # fmt: skip


def palette_of(theme: Theme) -> Palette:
    """Return the colours of a theme.

    Raises
    ------
    InvalidParameterError
        The theme is unknown.
    """
    if theme not in PALETTES:
        raise InvalidParameterError("theme", "one of " + ", ".join(PALETTES), theme)
    return PALETTES[theme]


def styled(palette: Palette, data: list[dict[str, Any]], title: str, **layout: Any) -> Figure:
    """Return a figure in the house's style, for one that is not drawn here yet.

    Parameters
    ----------
    palette : Palette
        Of `PALETTES`.
    data : list of dict
        Plotly's traces.
    title : str
    **layout
        More of Plotly's layout.

    Examples
    --------
    >>> bars = {"type": "bar", "x": ["a", "b"], "y": [3, 1]}
    >>> figure = styled(PALETTES["light"], [bars], "Alarms", yaxis={"title": {"text": "rows"}})
    >>> figure["layout"]["title"]["text"], figure["layout"]["yaxis"]["title"]
    ('Alarms', {'text': 'rows'})
    """
    axis = {
        "gridcolor": palette.line,
        "linecolor": palette.line,
        "zerolinecolor": palette.line,
        "tickcolor": palette.line,
        "tickfont": {"color": palette.muted},
        "automargin": True,
    }
    for name in ("xaxis", "yaxis"):
        layout[name] = {**axis, **layout.get(name, {})}
    return Figure(
        data=data,
        layout={
            "title": {
                "text": title,
                "font": {"size": 14, "color": palette.text},
                "x": 0,
                "xref": "paper",
                "xanchor": "left",
                "y": 1,
                "yref": "container",
                "yanchor": "top",
                "pad": {"t": 12},
            },
            "font": {"family": _FONT, "size": 12, "color": palette.text},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            # Above the plot lie the title and, where there are several traces, a line of names.
            "margin": {"l": 48, "r": 16, "t": 64 if len(data) > 1 else 44, "b": 40},
            "hoverlabel": {"bgcolor": palette.surface, "font": {"color": palette.text}},
            "legend": {
                "orientation": "h",
                "x": 0,
                "xanchor": "left",
                "y": 1,
                "yanchor": "bottom",
                "font": {"color": palette.muted},
            },
            "barcornerradius": 2,
            **layout,
        },
    )


def plain(name: str) -> str:
    """Return a name as text that Plotly draws letter by letter, shortened in the middle.

    Examples
    --------
    >>> plain("feature:<b>")
    'feature:&lt;b&gt;'
    """
    if len(name) > _LONGEST_NAME:
        half = _LONGEST_NAME // 2
        name = f"{name[: half - 1]}…{name[-half:]}"
    return html.escape(name, quote=False)


def moment(seconds: float) -> str:
    """Return seconds since the epoch as Plotly reads a time, in UTC.

    Examples
    --------
    >>> moment(1_700_000_000.5)
    '2023-11-14 22:13:20.500'
    """
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def colour_of_detector(detector: str, palette: Palette) -> str:
    """Return the colour of a detector's line; a user's own have that of text."""
    return palette.detectors.get(detector, palette.text)


def threshold_line(palette: Palette) -> dict[str, Any]:
    """Return the line at 1, where statistics are drawn in multiples of their thresholds."""
    return {
        "type": "line",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": 1,
        "y1": 1,
        "line": {"color": palette.muted, "dash": "dash", "width": 1},
        "label": {
            "text": "threshold",
            "textposition": "start",
            "font": {"color": palette.muted, "size": 11},
        },
    }


def change_line(x: str | int, text: str, palette: Palette) -> dict[str, Any]:
    """Return the upright line of a change, at a time or a row."""
    return {
        "type": "line",
        "yref": "paper",
        "x0": x,
        "x1": x,
        "y0": 0,
        "y1": 1,
        "line": {"color": palette.change, "width": 2},
        "label": {
            "text": text,
            "textposition": "end",
            "textangle": 0,
            "xanchor": "right",
            "yanchor": "top",
            "padding": 4,
            "font": {"color": palette.change, "size": 11},
        },
    }
