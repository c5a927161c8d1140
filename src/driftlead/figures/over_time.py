"""Figures of the whole monitor over time: every signal and test at once, and how good the model was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from driftlead.figures.figure import Figure, Theme, moment, palette_of, plain, styled

__all__ = ["quality", "timeline"]

_ROW_HEIGHT = 18


def timeline(document: Mapping[str, Any], theme: Theme = "light", *, most: int = 60) -> Figure:
    """Draw how far every test on every signal was from its threshold, as a heat map over time.

    Parameters
    ----------
    document : mapping
        As `driftlead.monitor.documents.history_document` returns it.
    theme : {"light", "dark"}
    most : int
        Most pairs of signal and test; the signals with the highest peaks are drawn, highest on top.

    Examples
    --------
    >>> series = {"of": "rows", "pairs": [["a", "nmddm"], ["b", "nmddm"]], "start": [0.0, 2.0]}
    >>> series |= {"end": [2.0, 4.0], "row": [10, 20], "percent": [[20, 30], [40, 250]]}
    >>> figure = timeline({"series": [series], "quality": {}})
    >>> figure["data"][0]["y"], figure["data"][0]["z"]
    (['a · nmddm', 'b · nmddm'], [[0.2, 0.4], [0.3, 2.5]])
    """
    palette = palette_of(theme)
    lanes = [
        (signal, detector, series, column)
        for series in document["series"]
        for (signal, detector), column in zip(
            series["pairs"], zip(*series["percent"], strict=True), strict=bool(series["percent"])
        )
    ]
    peaks: dict[str, int] = {}
    for signal, _, _, column in lanes:
        peaks[signal] = max(peaks.get(signal, 0), *column)
    ranked = sorted(lanes, key=lambda lane: (-peaks[lane[0]], lane[0]))[:most]
    # Plotly draws the first at the bottom.
    drawn = [
        (f"{plain(signal)} · {plain(detector)}", series, column)
        for signal, detector, series, column in reversed(ranked)
    ]
    highest = palette.scale[-1][0]
    data: list[dict[str, Any]] = []
    for of in ("rows", "labels"):
        own = [lane for lane in drawn if lane[1]["of"] == of]
        if not own:
            continue
        edges, places = _edges(own[0][1])
        nothing = [None] * len(places)
        data.append(
            {
                "type": "heatmap",
                "x": edges,
                # Every name in either: of an axis that has others too, Plotly draws nothing.
                "y": [name for name, _, _ in drawn],
                "z": [
                    [None if place is None else column[place] / 100.0 for place in places]
                    if series["of"] == of
                    else nothing
                    for _, series, column in drawn
                ],
                "zmin": 0.0,
                "zmax": highest,
                "colorscale": [[ratio / highest, colour] for ratio, colour in palette.scale],
                "colorbar": {
                    "title": {"text": "× threshold"},
                    "thickness": 12,
                    "outlinewidth": 0,
                    "tickvals": [0, 1, 2, 3, 4],
                    "ticktext": ["0", "1", "2", "3", "4 +"],
                },
                "showscale": not data,
                "hovertemplate": "%{y}<br>%{z:.2f} × threshold<extra></extra>",
                "ygap": 1,
            }
        )
    return styled(
        palette,
        data,
        "Every signal and test, in multiples of its threshold",
        height=110 + _ROW_HEIGHT * max(len(drawn), 3),
        xaxis={"type": "date", "title": {"text": "UTC"}, "showgrid": False},
        yaxis={"showgrid": False, "ticks": ""},
    )


def _edges(series: Mapping[str, Any]) -> tuple[list[str], list[int | None]]:
    """Return where stretches of time begin and end, and the sample of each; None where nothing was seen."""
    edges: list[float] = []
    places: list[int | None] = []
    for place, (start, end) in enumerate(zip(series["start"], series["end"], strict=True)):
        if edges and start > edges[-1]:
            places.append(None)
            edges.append(start)
        if not edges:
            edges.append(start)
        # A stretch of no length, such as the first sample, would not be seen.
        edges.append(max(end, edges[-1] + 1e-3))
        places.append(place)
    return [moment(edge) for edge in edges], places


def quality(document: Mapping[str, Any], theme: Theme = "light", *, reference: float | None = None) -> Figure:
    """Draw how good the model was: accuracy by labels, and as estimated without them with its interval.

    Parameters
    ----------
    document : mapping
        As `driftlead.monitor.documents.history_document` returns it.
    theme : {"light", "dark"}
    reference : float, optional
        Accuracy on the reference's labelled rows.

    Examples
    --------
    >>> told = {"at": [0.0, 5.0], "measured": [None, 0.9], "estimate": [0.95, 0.93]}
    >>> told |= {"low": [0.9, 0.9], "high": [0.98, 0.97]}
    >>> [trace.get("name") for trace in quality({"quality": told})["data"]]
    ['95 % interval', 'estimated without labels', 'measured by labels']
    """
    palette, told = palette_of(theme), document["quality"]
    times = [moment(at) for at in told["at"]]
    estimated = any(value is not None for value in told["estimate"])
    data: list[dict[str, Any]] = []
    if estimated:
        # A band has no gaps in Plotly: times without an estimate are left out of it.
        known = [place for place, value in enumerate(told["estimate"]) if value is not None]
        band = [*known, *known[::-1]]
        data += [
            {
                "type": "scatter",
                "mode": "lines",
                "name": "95 % interval",
                "x": [times[place] for place in band],
                "y": [told["low"][place] for place in known] + [told["high"][place] for place in known[::-1]],
                "fill": "toself",
                "line": {"width": 0},
                "fillcolor": "rgba(127,140,160,0.25)",
                "hoverinfo": "skip",
            },
            {
                "type": "scatter",
                "mode": "lines",
                "name": "estimated without labels",
                "x": times,
                "y": told["estimate"],
                # As on the page: solid what was estimated, dashed what it is compared with.
                "line": {"color": palette.muted, "width": 2},
                "hovertemplate": "%{y:.1%}<extra>estimated</extra>",
            },
        ]
    data.append(
        {
            "type": "scatter",
            "mode": "lines",
            "name": "measured by labels",
            "x": times,
            "y": told["measured"],
            "line": {"color": palette.live, "width": 2},
            "hovertemplate": ("%{y:.1%}" if estimated else "%{y:.4g}") + "<extra>measured</extra>",
        }
    )
    shapes = []
    if reference is not None:
        shapes.append(
            {
                "type": "line",
                "xref": "paper",
                "x0": 0,
                "x1": 1,
                "y0": reference,
                "y1": reference,
                "line": {"color": palette.reference, "dash": "dash", "width": 1},
                "label": {
                    "text": "reference",
                    "textposition": "end",
                    "font": {"color": palette.muted, "size": 11},
                },
            }
        )
    return styled(
        palette,
        data,
        "Is the model still right",
        yaxis={
            "title": {"text": "accuracy" if estimated else "mean absolute error"},
            **({"tickformat": ".0%"} if estimated else {"rangemode": "tozero"}),
        },
        xaxis={"type": "date", "title": {"text": "UTC"}, "showgrid": False},
        shapes=shapes,
        hovermode="x unified",
        showlegend=True,
    )
