"""Figures of drift, drawn once from plain documents: notebook, page and report show the same.

The documents are those of `driftlead.monitor.documents`, which the service answers with as JSON.
"""

from driftlead.figures.episodes import ranking
from driftlead.figures.figure import PALETTES, Figure, Theme, styled
from driftlead.figures.over_time import quality, timeline
from driftlead.figures.rows import over_rows
from driftlead.figures.signals import distribution, statistics

__all__ = [
    "PALETTES",
    "Figure",
    "Theme",
    "distribution",
    "over_rows",
    "quality",
    "ranking",
    "statistics",
    "styled",
    "timeline",
]
