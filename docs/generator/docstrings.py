"""What Sphinx's markup in docstrings becomes in Markdown."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

__all__ = ["Markup", "in_markdown"]


def in_markdown(text: str) -> str:
    """Return a docstring whose formulas are code, and whose names are as short as ``~`` asks.

    Examples
    --------
    >>> in_markdown("`~Detector.update` gives :math:`S_n`")
    '`update` gives `S_n`'
    """
    return re.sub(r"`~(?:\w+\.)*(\w+)`", r"`\1`", re.sub(r":\w+:`", "`", text))


class Markup(Extension):
    """Rewrites every docstring before it is parsed."""

    def on_object(self, *, obj: Object, **more: Any) -> None:
        """Rewrite the docstring of one object."""
        if obj.docstring:
            obj.docstring.value = in_markdown(obj.docstring.value)
