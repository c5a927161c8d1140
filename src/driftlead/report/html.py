"""A report as one HTML file: nothing is loaded, figures are Plotly's, and it can be printed."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Mapping, Sequence
from importlib import resources, util
from typing import Any

from driftlead import figures
from driftlead.errors import DriftleadError
from driftlead.figures import PALETTES, Figure
from driftlead.report.tables import (
    EPISODE_HEADS,
    QUALITY_HEADS,
    SIGNAL_HEADS,
    episode_rows,
    facts,
    quality_rows,
    signal_rows,
    verdict,
)

__all__ = ["to_html"]

# The policy keeps a file that someone was sent from asking anything of anyone.
_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:">
<title>Drift report</title>
<style>
"""

# Within a script an element's end and a comment's beginning would be taken for themselves.
_WITHIN_SCRIPT = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def to_html(document: Mapping[str, Any]) -> str:
    """Return a report, as `driftlead.report.collect` returns it, as one HTML file.

    Raises
    ------
    DriftleadError
        Plotly is not installed.
    """
    plotly = _plotly()
    drawn: dict[str, dict[str, Figure]] = {}

    def place(draw: Callable[..., Figure], document: Mapping[str, Any], **options: Any) -> str:
        name = f"figure-{len(drawn)}"
        drawn[name] = {theme: draw(document, theme, **options) for theme in PALETTES}
        return f'<div class="figure" id="{name}"></div>'

    parts = [
        f"<h1>Drift report</h1><p class='verdict'>{html.escape(verdict(document))}</p>",
        _facts(facts(document)),
        "<h2>Episodes</h2>",
        _table(EPISODE_HEADS, episode_rows(document), "No episode in this period."),
        *(place(figures.ranking, episode) for episode in document["episodes"][:3]),
        "<h2>Every signal and test</h2>",
        place(figures.timeline, document["history"]),
        _table(SIGNAL_HEADS, signal_rows(document), "No statistic exceeded its threshold."),
    ]
    if document["signals"]:
        parts.append("<h2>The signals that drifted</h2>")
    for signal in document["signals"]:
        parts.append(f"<section><h3>{html.escape(signal['signal'])}</h3>")
        parts.append(place(figures.statistics, signal))
        if signal["distribution"] is not None:
            parts.append(place(figures.distribution, signal))
        parts.append("</section>")
    reference = document["overview"]["labels"]["reference"]
    parts += [
        "<h2>Quality of the model</h2>",
        _table(QUALITY_HEADS, quality_rows(document), "Nothing is known: the reference has no labels."),
    ]
    if any(value is not None for value in document["history"]["quality"]["measured"] +
           document["history"]["quality"]["estimate"]):  # fmt: skip
        known = reference.get("accuracy", reference.get("mae"))
        parts.append(place(figures.quality, document["history"], reference=known))
    data = json.dumps(drawn, allow_nan=False).translate(_WITHIN_SCRIPT)
    files = resources.files("driftlead.report")
    return "".join(
        [
            _HEAD,
            (files / "report.css").read_text("utf-8"),
            "</style>\n</head>\n<body>\n<main>\n",
            "\n".join(parts),
            f'\n</main>\n<script type="application/json" id="figures">{data}</script>\n',
            f"<script>{plotly}</script>\n<script>\n",
            (files / "report.js").read_text("utf-8"),
            "</script>\n</body>\n</html>\n",
        ]
    )


def _plotly() -> str:
    # Not imported: that takes most of a second, and only a file is wanted.
    if util.find_spec("plotly") is None:
        raise DriftleadError("an HTML report needs Plotly: pip install 'driftlead[figures]'")
    return (resources.files("plotly") / "package_data" / "plotly.min.js").read_text("utf-8")


def _facts(rows: Sequence[tuple[str, str]]) -> str:
    lines = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>" for name, value in rows)
    return f"<dl>{lines}</dl>"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], otherwise: str) -> str:
    if not rows:
        return f"<p>{html.escape(otherwise)}</p>"
    names = [html.escape(name) for name in heads]
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    body = "".join(
        "<tr>"
        + "".join(
            f'<td data-head="{name}">{html.escape(cell)}</td>' for name, cell in zip(names, row, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
