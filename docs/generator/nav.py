"""The navigation: that of zensical.toml, with its folders opened, and no page left out."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

__all__ = ["left_out", "nav_of", "opened", "pages_of", "with_nav"]


def opened(nav: list[Any], pages: Mapping[str, str]) -> list[Any]:
    """Return a navigation in which a folder has become its pages.

    Parameters
    ----------
    nav : list
        Entries as Zensical has them: ``{title: page}`` or ``{title: [entries]}``; ``folder/`` is a folder.
    pages : mapping of str to str
        Title of each page, by its path.
    """
    found: list[Any] = []
    for entry in nav:
        ((title, target),) = entry.items()
        if isinstance(target, list):
            found.append({title: opened(target, pages)})
        elif target.endswith("/"):
            if inside := _folder(target, pages):
                found.append({title: inside})
        elif target in pages:
            found.append({title: target})
        else:
            raise SystemExit(f"docs/zensical.toml: nav names {target}, which does not exist")
    return found


def _folder(folder: str, pages: Mapping[str, str]) -> list[Any]:
    """Return the entries of a folder: its own page, then pages and folders in the order of their names."""
    inside = [PurePosixPath(page).relative_to(folder) for page in pages if page.startswith(folder)]
    entries: list[Any] = [f"{folder}index.md"] if PurePosixPath("index.md") in inside else []
    for name in sorted({path.parts[0] for path in inside} - {"index.md"}):
        path = f"{folder}{name}"
        if path in pages:
            entries.append({pages[path]: path})
        else:
            title = pages.get(f"{path}/index.md", name)
            entries.append({title: _folder(f"{path}/", pages)})
    return entries


def pages_of(nav: Iterable[Any]) -> list[str]:
    """Return all pages that a navigation leads to."""
    found: list[str] = []
    for entry in nav:
        target = entry if isinstance(entry, str) else next(iter(entry.values()))
        found += pages_of(target) if isinstance(target, list) else [target]
    return found


def left_out(nav: list[Any], folder: Path) -> list[str]:
    """Return the pages of a folder to which its navigation does not lead."""
    pages = {path.relative_to(folder).as_posix() for path in folder.rglob("*.md")}
    return sorted(pages - set(pages_of(nav)))


def nav_of(config: str) -> list[Any]:
    """Return the navigation of a configuration's text."""
    nav: list[Any] = tomllib.loads(config)["project"]["nav"]
    return nav


def with_nav(config: str, nav: list[Any]) -> str:
    """Return a configuration's text with another navigation."""
    return re.sub(
        r"^nav = \[$.*?^\]$", lambda _: f"nav = {_toml(nav)}", config, flags=re.MULTILINE | re.DOTALL
    )


def _toml(entry: Any) -> str:
    """Return lists, tables of one key and texts as TOML; a text of JSON is one of TOML too."""
    if isinstance(entry, str):
        return json.dumps(entry)
    if isinstance(entry, list):
        return f"[{', '.join(map(_toml, entry))}]"
    ((key, value),) = entry.items()
    return f"{{ {json.dumps(key)} = {_toml(value)} }}"
