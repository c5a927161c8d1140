"""The page's files: read once, compressed once. Plotly's script is the one in its Python package."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import cache
from importlib import metadata, util
from pathlib import Path

from driftlead.service.page.tagged import tag_of

__all__ = ["PageFile", "page_file", "plotly_file", "plotly_version"]

_FOLDER = Path(__file__).parent / "static"

_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, eq=False)
class PageFile:
    """A file as it is sent.

    Attributes
    ----------
    body, squeezed : bytes
        Its content, and the same by gzip.
    tag : str
        Names the content, in quotation marks.
    media_type : str
    """

    body: bytes
    squeezed: bytes
    tag: str
    media_type: str


@cache
def page_file(name: str) -> PageFile | None:
    """Return one of the page's own files; None where there is none of this name."""
    names = {path.name: path for path in _FOLDER.iterdir() if path.suffix in _MEDIA_TYPES}
    return _read(names[name]) if name in names else None


@cache
def plotly_file() -> PageFile | None:
    """Return Plotly's script; None where the Python package is not installed (extra ``figures``)."""
    # Not imported: that takes most of a second, and only a file is wanted.
    package = util.find_spec("plotly")
    if package is None or package.origin is None:
        return None
    path = Path(package.origin).parent / "package_data" / "plotly.min.js"
    return _read(path) if path.is_file() else None


def plotly_version() -> str | None:
    """Return the version of the Python package; None where it is not installed."""
    try:
        return metadata.version("plotly")
    except metadata.PackageNotFoundError:
        return None


def _read(path: Path) -> PageFile:
    body = path.read_bytes()
    return PageFile(body, gzip.compress(body), tag_of(body), _MEDIA_TYPES[path.suffix])
