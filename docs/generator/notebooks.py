"""A page for each notebook: its text, its code, and what the code put out."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

__all__ = ["pages"]

_PLOTLY = "application/vnd.plotly.v1+json"
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")

_SECONDS = 300
"""Longest time of one cell."""


def pages(notebooks: Path, folder: Path, *, execute: bool) -> dict[str, str]:
    """Return the page of each notebook, by its path; write the pictures and the script that they need.

    Parameters
    ----------
    notebooks : Path
        Where the ``.ipynb`` files are.
    folder : Path
        The pages' folder.
    execute : bool
        Whether the notebooks are executed, each in a fresh kernel; otherwise the outputs that they
        have are shown.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        A cell raised.
    """
    found = {}
    for path in sorted(notebooks.glob("*.ipynb")):
        notebook = nbformat.reads(path.read_text("utf-8"), as_version=4)  # type: ignore[no-untyped-call]
        if execute:
            # In their folder, as Jupyter runs them.
            where = {"metadata": {"path": str(notebooks)}}
            NotebookClient(notebook, timeout=_SECONDS, kernel_name="python3", resources=where).execute()
        folder.mkdir(parents=True, exist_ok=True)
        found[f"notebooks/{path.stem}.md"] = "\n\n".join(_parts(notebook, folder, path.stem)) + "\n"
    if found:
        script = resources.files("plotly") / "package_data" / "plotly.min.js"
        (folder / "plotly.min.js").write_text(script.read_text("utf-8"), "utf-8")
    return found


def _parts(notebook: Any, folder: Path, name: str) -> Iterator[str]:
    figures = 0
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            yield cell.source
        elif cell.cell_type == "code" and cell.source.strip():
            yield f"```python\n{cell.source}\n```"
            for number, output in enumerate(cell.outputs):
                yield _output(output, folder, f"{name}-{index}-{number}")
                figures += _PLOTLY in output.get("data", {})
    if figures:
        yield '<script src="plotly.min.js"></script>'


def _output(output: Any, folder: Path, name: str) -> str:
    """Return an output as HTML: the richest form of it that needs nothing from elsewhere."""
    data = output.get("data", {})
    if output.output_type == "stream":
        return _text(output.text)
    if output.output_type == "error":
        return _text("\n".join(output.traceback))
    if _PLOTLY in data:
        figure = json.dumps({key: data[_PLOTLY][key] for key in ("data", "layout")}, allow_nan=False)
        return f'<div class="figure" data-figure="{html.escape(figure)}"></div>'
    if "image/png" in data:
        (folder / f"{name}.png").write_bytes(base64.b64decode(data["image/png"]))
        return f"![Output of the cell above]({name}.png)"
    if "text/html" in data:
        return f'<div class="output">\n{_without_empty_lines(data["text/html"])}\n</div>'
    if "text/markdown" in data:
        return str(data["text/markdown"])
    return _text(data.get("text/plain", ""))


def _text(text: str) -> str:
    """Return what was printed; a terminal's colours are left out."""
    shown = html.escape(_ESCAPES.sub("", text).rstrip())
    return f'<div class="output"><pre>{_without_empty_lines(shown)}</pre></div>' if shown else ""


def _without_empty_lines(text: str) -> str:
    """Return HTML in which an empty line, which would end it in Markdown, is an entity."""
    return re.sub(r"\n(?=\s*\n)", "\n&#8203;", text)
