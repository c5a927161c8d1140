"""Figure of tests run over rows, without a monitor and without a clock."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from driftlead.errors import InvalidDataError
from driftlead.figures.figure import (
    Figure,
    Theme,
    change_line,
    colour_of_detector,
    palette_of,
    plain,
    styled,
    threshold_line,
)

__all__ = ["over_rows"]


def over_rows(
    ratios: Mapping[str, ArrayLike], theme: Theme = "light", *, change: int | None = None
) -> Figure:
    """Draw statistics in multiples of their thresholds, row by row; a mark where each first exceeds it.

    Parameters
    ----------
    ratios : mapping of str to array, shape (n,)
        By test, ``trace.statistic / detector.threshold`` of one signal.
    theme : {"light", "dark"}
    change : int, optional
        The first row that is different, from 0, where it is known.

    Raises
    ------
    InvalidDataError
        A statistic has not one value for each row.

    Examples
    --------
    >>> figure = over_rows({"nmddm": [0.2, 0.9, 1.4, 2.0]}, change=1)
    >>> [(trace["name"], trace["x"]) for trace in figure["data"]]
    [('nmddm', [0, 1, 2, 3]), ('first alarm', [2])]
    """
    palette = palette_of(theme)
    lines = {name: np.asarray(values, dtype=np.float64) for name, values in ratios.items()}
    for name, line in lines.items():
        if line.ndim != 1:
            raise InvalidDataError(f"{name} must have one value for each row, got shape {line.shape}")
    data = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": plain(name),
            "x": list(range(len(line))),
            "y": [float(f"{value:.4g}") for value in line],
            "line": {"color": colour_of_detector(name, palette), "width": 2},
            "hovertemplate": "%{y:.2f} × threshold<extra>%{fullData.name}</extra>",
        }
        for name, line in lines.items()
    ]
    first = {name: int(np.argmax(line > 1.0)) for name, line in lines.items() if (line > 1.0).any()}
    if first:
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": "first alarm",
                "x": list(first.values()),
                "y": [1.0] * len(first),
                "text": [plain(name) for name in first],
                "marker": {
                    "symbol": "triangle-down",
                    "size": 11,
                    "color": [colour_of_detector(name, palette) for name in first],
                    "line": {"color": palette.surface, "width": 1},
                },
                "hovertemplate": "%{text} alarmed on row %{x:,}<extra></extra>",
            }
        )
    changed = [] if change is None else [change_line(change, f"change, row {change:,}", palette)]
    return styled(
        palette,
        data,
        "Statistic against threshold",
        yaxis={"title": {"text": "× threshold"}, "rangemode": "tozero"},
        xaxis={"title": {"text": "row"}, "showgrid": False},
        shapes=[threshold_line(palette), *changed],
        hovermode="x unified",
        showlegend=True,
    )
