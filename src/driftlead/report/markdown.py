"""A report as Markdown, for a ticket or a chat."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

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

__all__ = ["to_markdown"]

_SPECIAL = re.compile(r"([\\`*_\[\]<>|~&])")


def to_markdown(document: Mapping[str, Any]) -> str:
    """Return a report, as `driftlead.report.collect` returns it, as Markdown."""
    parts = [
        "# Drift report",
        verdict(document),
        "\n".join(f"- {name}: {_escaped(value)}" for name, value in facts(document)),
    ]
    for title, heads, rows in (
        ("Episodes", EPISODE_HEADS, episode_rows(document)),
        ("Signals above their threshold", SIGNAL_HEADS, signal_rows(document)),
        ("Quality of the model", QUALITY_HEADS, quality_rows(document)),
    ):
        parts += [f"## {title}", _table(heads, rows) if rows else "None."]
    return "\n\n".join(parts) + "\n"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *([_escaped(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _escaped(text: str) -> str:
    r"""Keep names from being read as markup, and lines from ending.

    Examples
    --------
    >>> print(_escaped("feature:<b>|a_b"))
    feature:\<b\>\|a\_b
    """
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
