"""What the README shows is true: its Python runs and prints what it says, its links lead somewhere."""

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
    expected = re.findall(r"^print\(.*\)  # (.*)$", example, flags=re.MULTILINE)
    assert expected, "an example must print something and say what"
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(example, "README.md", "exec"), {})
    assert printed.getvalue().splitlines() == expected


def test_links_lead_somewhere():
    targets = [target for target in re.findall(r"\]\(([^)]+)\)", README) if "://" not in target]
    assert targets
    for target in targets:
        assert (ROOT / target).exists(), target


def test_the_folders_of_the_structure_exist():
    block = README.partition("## Repository")[2].split("```")[1]
    for name in re.findall(r"^([\w./]+)", block, flags=re.MULTILINE):
        assert (ROOT / name).exists(), name
