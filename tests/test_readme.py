"""README and docs are true: their Python runs and prints what they say, their links lead somewhere."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()

# Python, and the block of what it prints where one follows without a word between.
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n```\n(.*?)^```$)?", flags=re.DOTALL | re.MULTILINE)
EXAMPLES = [code for code, _ in BLOCK.findall(README)]
DOCS = ROOT / "docs"
PAGES = [path.relative_to(DOCS).as_posix() for path in sorted(DOCS.rglob("*.md"))]


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_python_examples_print_what_they_say(example):
    expected = said_to_print(example)
    assert expected, "an example must print something and say what"
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(example, "README.md", "exec"), {})
    assert printed.getvalue().splitlines() == expected


@pytest.mark.parametrize("page", [page for page in PAGES if BLOCK.search((DOCS / page).read_text())])
def test_examples_of_the_docs_run_and_print_what_they_say(page, tmp_path, monkeypatch):
    """The blocks of a page build on each other."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for code, output in BLOCK.findall((DOCS / page).read_text()):
        expected = output or "".join(f"{line}\n" for line in said_to_print(code))
        assert expected, f"an example must print something and say what:\n{code}"
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, page, "exec"), names)
        assert [line.rstrip() for line in printed.getvalue().splitlines()] == expected.splitlines()


def said_to_print(code: str) -> list[str]:
    return re.findall(r"^ *print\(.*\)  # (.*)$", code, flags=re.MULTILINE)


def test_no_block_of_python_hides_from_the_test():
    for page in PAGES:
        text = (DOCS / page).read_text()
        assert len(BLOCK.findall(text)) == len(
            re.findall(r"^ *```(?:python|py|pycon)", text, re.MULTILINE)
        ), page


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{page}" for page in PAGES)])
def test_links_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", (ROOT / page).read_text())
    for target in targets:
        assert "://" in target or (ROOT / page).parent.joinpath(target).exists(), target


def test_the_folders_of_the_structure_exist():
    block = README.partition("## Repository")[2].split("```")[1]
    for name in re.findall(r"^([\w./]+)", block, flags=re.MULTILINE):
        assert (ROOT / name).exists(), name
