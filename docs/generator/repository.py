"""Links from a page to files of the repository, which the site does not have."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import PurePosixPath

__all__ = ["led_to_pages"]


def led_to_pages(text: str, file: str, page: str, sources: Mapping[str, str]) -> str:
    """Return a page whose links lead to the site's pages; a file that has none there is only text.

    Parameters
    ----------
    text : str
        The page, in Markdown.
    file : str
        What the page was made of, from the root of the repository, such as ``docs/monitor.md``.
    page : str
        The page, from the root of the site, such as ``monitor.md``.
    sources : mapping of str to str
        Page of the site by the file or folder of the repository that it was made of.

    Examples
    --------
    >>> text = "[hooks](../src/driftlead/activations) of [ours](../ops/Dockerfile), ![drawn](images/a.svg)"
    >>> led_to_pages(text, "docs/a.md", "a.md", {"src/driftlead/activations": "reference/activations.md"})
    '[hooks](reference/activations.md) of ours, ![drawn](images/a.svg)'
    """

    def replaced(link: re.Match[str]) -> str:
        label, target, anchor = link["label"], link["target"], link["anchor"] or ""
        path = os.path.normpath(PurePosixPath(file).parent / target)
        if "://" in target or target.startswith("mailto:"):
            return link[0]
        if path in sources:
            return f"[{label}]({os.path.relpath(sources[path], PurePosixPath(page).parent)}{anchor})"
        # What docs/ has besides pages is where it was; a link that leads nowhere is for the checks to find.
        return link[0] if path.startswith("docs/") else label

    return re.sub(r"(?<!!)\[(?P<label>[^\]]*)\]\((?P<target>[^)#\s]+)(?P<anchor>#[^)]*)?\)", replaced, text)
