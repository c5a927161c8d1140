"""Every notebook runs in a fresh kernel, says nothing on stderr, and lies in git without what it put out."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PLOTLY = "application/vnd.plotly.v1+json"

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@each_notebook
def test_it_runs_and_draws_without_a_warning(path, monkeypatch):
    # As a reader may have set it: a service that a notebook starts asks for it, too.
    monkeypatch.setenv("DRIFTLEAD_SERVER__API_KEY", "a key that is long enough")
    notebook = nbformat.read(path, as_version=4)
    # In its folder, as Jupyter runs it.
    folder = {"metadata": {"path": str(path.parent)}}
    NotebookClient(notebook, kernel_name="python3", timeout=240, resources=folder).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert [output.text for output in outputs if output.get("name") == "stderr"] == []
    assert sum(PLOTLY in output.get("data", {}) for output in outputs) >= 4


def test_what_lies_in_git_is_stripped_and_in_normal_form():
    stripped = subprocess.run(
        [sys.executable, "-m", "nbstripout", "--verify", *NOTEBOOKS],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert stripped.returncode == 0, stripped.stdout + stripped.stderr
    for path in NOTEBOOKS:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        assert set(notebook.metadata) == {"kernelspec", "language_info"}, path.name
        assert [cell["id"] for cell in notebook.cells] == [str(n) for n in range(len(notebook.cells))], (
            path.name
        )
        assert nbformat.writes(notebook) + "\n" == path.read_text("utf-8"), path.name


@each_notebook
def test_it_links_to_what_exists_and_names_no_folder_of_a_machine(path):
    text = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)
    assert not re.search(r"(?<![\w.])/(home|work|tmp|Users|root)\b", text)
    for target in re.findall(r"\]\((?!http)([^)#]+)", text):
        assert (path.parent / target).exists(), target
