"""Numbers in sentences."""

from __future__ import annotations

__all__ = ["counted"]


def counted(count: int, noun: str) -> str:
    """Return a number with its noun.

    Examples
    --------
    >>> counted(1, "row"), counted(2_000, "row"), counted(0, "signal")
    ('1 row', '2,000 rows', '0 signals')
    """
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
