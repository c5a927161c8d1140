"""Figures of one signal: how its values have changed, and what each test makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from driftlead.figures.figure import (
    Figure,
    Theme,
    change_line,
    colour_of_detector,
    moment,
    palette_of,
    plain,
    styled,
    threshold_line,
)

__all__ = ["distribution", "statistics"]


def distribution(document: Mapping[str, Any], theme: Theme = "light") -> Figure:
    """Draw the live distribution of a signal over that of the reference.

    Parameters
    ----------
    document : mapping
        As `driftlead.monitor.documents.signal_document` returns it, with a ``distribution``.
    theme : {"light", "dark"}

    Returns
    -------
    Figure
        Outlines for numbers, whose outermost bins hold all that lies beyond; bars for categories.

    Examples
    --------
    >>> shares = {"bins": ["no", "yes"], "edges": None, "reference": [0.5, 0.5], "live": [0.1, 0.9]}
    >>> shares |= {"reference_rows": 900, "live_rows": 250, "reference_missing": 0.0, "live_missing": 0.0}
    >>> figure = distribution({"signal": "feature:a", "distribution": shares})
    >>> [trace["name"] for trace in figure["data"]]
    ['reference, 900 rows', 'live, 250 rows']
    """
    palette, shares = palette_of(theme), document["distribution"]
    sides = [
        ("reference", palette.reference, shares["reference"], shares["reference_rows"]),
        ("live", palette.live, shares["live"], shares["live_rows"]),
    ]
    data: list[dict[str, Any]] = []
    for name, colour, side, rows in sides:
        trace: dict[str, Any] = {"name": f"{name}, {rows:,} rows", "y": side or []}
        if shares["edges"] is None:
            trace |= {
                "type": "bar",
                "x": [plain(label) for label in shares["bins"]] if side else [],
                "marker": {"color": colour},
                "hovertemplate": "%{x}: %{y:.1%}<extra>" + name + "</extra>",
            }
        else:
            edges = shares["edges"]
            trace |= {
                "type": "scatter",
                "mode": "lines",
                # An outline ends where its last bin ends.
                "x": edges if side else [],
                "y": [*side, side[-1]] if side else [],
                "line": {"shape": "hv", "color": colour, "width": 2 if name == "live" else 1},
                "fill": "tozeroy",
                "fillcolor": _faint(colour, 0.35 if name == "reference" else 0.12),
                "hovertemplate": "from %{x:.4g}: %{y:.1%}<extra>" + name + "</extra>",
            }
        data.append(trace)
    missing = [shares["reference_missing"], shares["live_missing"]]
    told = ""
    if any(missing) and missing[1] is not None:
        told = f"missing {missing[0]:.1%}, now {missing[1]:.1%}"
    return styled(
        palette,
        data,
        "Live against reference",
        yaxis={"title": {"text": "share of rows"}, "tickformat": ".0%", "rangemode": "tozero"},
        xaxis={
            "title": {"text": told},
            "type": "category" if shares["edges"] is None else "linear",
            "showgrid": False,
        },
        bargap=0.25,
    )


def statistics(document: Mapping[str, Any], theme: Theme = "light") -> Figure:
    """Draw each test's statistic on one signal over time, in multiples of its threshold.

    The threshold is the line at 1; alarms are marks, and an estimated change is a vertical line.

    Parameters
    ----------
    document : mapping
        As `driftlead.monitor.documents.signal_document` returns it.
    theme : {"light", "dark"}

    Examples
    --------
    >>> document = {"start": [0.0, 2.0], "end": [2.0, 4.0], "row": [10, 20], "percent": {"nmddm": [30, 150]}}
    >>> document |= {"alarms": [{"at": 3.0, "row": 15, "detector": "nmddm"}], "changes": []}
    >>> figure = statistics(document)
    >>> [trace["name"] for trace in figure["data"]], figure["data"][0]["y"]
    (['nmddm', 'alarm'], [0.3, 1.5])
    """
    palette = palette_of(theme)
    data: list[dict[str, Any]] = []
    for detector, percent in document["percent"].items():
        times, rows, ratios = _with_pauses(document, percent)
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": plain(detector),
                "x": times,
                "y": ratios,
                "customdata": rows,
                "line": {"color": colour_of_detector(detector, palette), "width": 2},
                "hovertemplate": "%{y:.2f} × threshold, row %{customdata}<extra>%{fullData.name}</extra>",
            }
        )
    first = document["start"][0] if document["start"] else float("inf")
    alarms = [alarm for alarm in document["alarms"] if alarm["at"] >= first]
    if alarms:
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": "alarm",
                "x": [moment(alarm["at"]) for alarm in alarms],
                "y": [1.0] * len(alarms),
                "customdata": [[alarm["row"], plain(alarm["detector"])] for alarm in alarms],
                "marker": {
                    "symbol": "triangle-down",
                    "size": 10,
                    "color": [colour_of_detector(alarm["detector"], palette) for alarm in alarms],
                    "line": {"color": palette.surface, "width": 1},
                },
                "hovertemplate": "%{customdata[1]} alarmed on row %{customdata[0]}<extra></extra>",
            }
        )
    return styled(
        palette,
        data,
        "Statistic against threshold",
        yaxis={"title": {"text": "× threshold"}, "rangemode": "tozero"},
        xaxis={"type": "date", "title": {"text": "UTC"}, "showgrid": False},
        shapes=[
            threshold_line(palette),
            *(
                change_line(moment(each["at"]), f"change, row {each['row']:,}", palette)
                for each in document["changes"]
                if each["at"] is not None
            ),
        ],
        hovermode="x unified",
        showlegend=True,
    )


def _with_pauses(
    document: Mapping[str, Any], percent: list[int]
) -> tuple[list[str], list[int | None], list[float | None]]:
    """Return times, rows and ratios, with a gap where nothing was seen."""
    times: list[str] = []
    rows: list[int | None] = []
    ratios: list[float | None] = []
    before = None
    for start, end, row, value in zip(
        document["start"], document["end"], document["row"], percent, strict=True
    ):
        if before is not None and start > before:
            times.append(moment(before))
            rows.append(None)
            ratios.append(None)
        times.append(moment(end))
        rows.append(row)
        ratios.append(value / 100.0)
        before = end
    return times, rows, ratios


def _faint(colour: str, opacity: float) -> str:
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"
