"""Builds the site: pages are gathered in a folder, Zensical makes HTML of them, and the result is checked."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from docs.generator import commands, nav, notebooks, python, service, settings
from docs.generator.links import complaints
from docs.generator.repository import led_to_pages

__all__ = ["ROOT", "build"]

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def build(work: Path, *, execute: bool) -> Path:
    """Build the site.

    Parameters
    ----------
    work : Path
        Folder for it, emptied first.
    execute : bool
        Whether notebooks are executed, so that their figures show.

    Returns
    -------
    Path
        Folder of the site.

    Raises
    ------
    SystemExit
        Zensical warned of something, a link leads nowhere, or a page is left out of the navigation.
    """
    work = work.resolve()
    shutil.rmtree(work, ignore_errors=True)
    pages = work / "pages"
    shutil.copytree(DOCS, pages, ignore=shutil.ignore_patterns("generator", "*.toml", "*.py", "__pycache__"))
    _write(pages, _generated(pages, execute=execute))
    config = work / "zensical.toml"
    config.write_text(_config(pages), "utf-8")
    _run_zensical(config)
    site = work / "site"
    if wrong := complaints(site):
        raise SystemExit("\n".join(wrong))
    return site


def _generated(pages: Path, *, execute: bool) -> dict[str, str]:
    modules = python.public_modules(ROOT / "src" / "driftlead")
    made = {
        **python.module_pages(modules),
        "reference/commands.md": commands.page(),
        "reference/settings.md": settings.page(ROOT / "configs"),
        "reference/http.md": service.http_page(),
        "reference/metrics.md": service.metrics_page(),
        **notebooks.pages(ROOT / "notebooks", pages / "notebooks", execute=execute),
    }
    # Those that people wrote have links to files of the repository.
    texts = {path.relative_to(pages).as_posix(): path.read_text("utf-8") for path in pages.rglob("*.md")}
    files = {page: f"docs/{page}" for page in texts}
    files |= {page: page.replace(".md", ".ipynb") for page in made if page.startswith("notebooks/")}
    sources = {source: module.page for module in modules for source in module.sources}
    sources |= {f"configs/{name}": "reference/settings.md" for name in settings.FILES}
    sources |= {file: page for page, file in files.items()}
    texts |= made
    return made | {page: led_to_pages(texts[page], file, page, sources) for page, file in files.items()}


def _write(pages: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        path = pages / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def _config(pages: Path) -> str:
    """Return the configuration of a build: that of docs/, its folders opened, and where the code is."""
    text = (DOCS / "zensical.toml").read_text("utf-8")
    entries = nav.opened(nav.nav_of(text), {
        path.relative_to(pages).as_posix(): _title(path) for path in pages.rglob("*.md")
    })  # fmt: skip
    if forgotten := nav.left_out(entries, pages):
        raise SystemExit(f"docs/zensical.toml: nav leaves out {', '.join(forgotten)}")
    text = nav.with_nav(text, entries)
    code = json.dumps([str(ROOT / "src")])
    return (
        text.replace("[project]\n", '[project]\ndocs_dir = "pages"\nsite_dir = "site"\n', 1)
        + f"\n[project.plugins.mkdocstrings.handlers.python]\npaths = {code}\n"
    )


def _title(page: Path) -> str:
    text = page.read_text("utf-8")
    if module := re.match(r"::: (\S+)", text):
        return module[1].rpartition(".")[2]
    heading = re.search(r"^# (.+)$", text, flags=re.MULTILINE)
    return heading[1] if heading else page.stem


def _run_zensical(config: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict", "--clean", "--config-file", config],
        cwd=config.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT)},  # where docs.generator.docstrings is found
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    # Where mkdocstrings warns, Zensical's exit code does not tell of it.
    if done.returncode or re.search(r"warning|error", done.stdout, flags=re.IGNORECASE):
        raise SystemExit(done.stdout)
