"""Summaries as tables, for a page and for a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from driftlead.benchmark.summary import Interval, Row
from driftlead.errors import InvalidDataError

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["fill", "interval", "markdown", "rich_table"]

HEADINGS = (
    "detector",
    "setting",
    "change",
    "rows per false alarm",
    "delay",
    "missed",
    "alarmed before",
    "µs/row",
)


def markdown(rows: Sequence[Row]) -> str:
    """Return a table in Markdown.

    Parameters
    ----------
    rows : sequence of Row
        What `summarise` returned, or some of it.
    """
    lines = [f"| {' | '.join(HEADINGS)} |", "|---|---|---|" + "--:|" * 5]
    lines += [f"| {' | '.join(_cells(row))} |" for row in rows]
    return "\n".join(lines) + "\n"


def rich_table(rows: Sequence[Row]) -> Table:
    """Return a table for a terminal, drawn by rich (extra ``cli``)."""
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    for place, heading in enumerate(HEADINGS):
        table.add_column(heading, justify="left" if place < 3 else "right")
    for row in rows:
        table.add_row(*_cells(row))
    return table


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.competitor,
        row.setting,
        f"{row.scenario}: {row.change}",
        interval(row.false_alarm_every),
        interval(row.delay),
        "–" if math.isnan(row.missed.value) else f"{row.missed.value:.0%}",
        f"{row.early:.0%}",
        f"{row.microseconds:.2g}",
    )


def interval(of: Interval) -> str:
    """Write an estimate with its interval.

    Examples
    --------
    >>> interval(Interval(1234.5, 1000.0, 1500.0)), interval(Interval(math.inf, 5000.0, math.inf))
    ('1 234 (1 000 to 1 500)', 'over 5 000')
    """
    if math.isnan(of.value):
        return "–"
    low, value, high = (f"{each:,.0f}".replace(",", " ") for each in (of.low, of.value, of.high))
    return f"over {low}" if math.isinf(of.value) else f"{value} ({low} to {high})"


def fill(page: Path, name: str, text: str) -> None:
    """Replace what stands between ``<!-- name -->`` and ``<!-- end of name -->`` in a page; the rest stays.

    Raises
    ------
    InvalidDataError
        The page is missing, or does not have these marks once each, in this order.
    """
    first, last = f"<!-- {name} -->", f"<!-- end of {name} -->"
    whole = page.read_text(encoding="utf-8") if page.exists() else ""
    before, mark, rest = whole.partition(first)
    _, end, after = rest.partition(last)
    if not mark or not end or first in rest or last in after:
        raise InvalidDataError(f"{page} must hold the marks {first} and {last} once each")
    page.write_text(f"{before}{first}\n{text.strip()}\n{last}{after}", encoding="utf-8")
