"""README and docs are true: their Python runs and prints what they say, their links lead somewhere."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_python_examples_print_what_they_say(example):
    expected = re.findall(r"^ *print\(.*\)  # (.*)$", example, flags=re.MULTILINE)
    assert expected, "an example must print something and say what"
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(example, "README.md", "exec"), {})
    assert printed.getvalue().splitlines() == expected


@pytest.mark.parametrize("page", ["monitor.md", "page.md", "serving.md"])
def test_examples_of_the_docs_run_and_print_what_they_say(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    test_python_examples_print_what_they_say(*python_of(ROOT / "docs" / page))


def python_of(page: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL)


@pytest.mark.parametrize(
    "page", ["README.md", *(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))]
)
def test_links_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", (ROOT / page).read_text())
    for target in targets:
        assert "://" in target or (ROOT / page).parent.joinpath(target).exists(), target


def test_the_folders_of_the_structure_exist():
    block = README.partition("## Repository")[2].split("```")[1]
    for name in re.findall(r"^([\w./]+)", block, flags=re.MULTILINE):
        assert (ROOT / name).exists(), name
