"""README and docs are true: their Python runs and prints what they say, their links lead somewhere."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.page.site import KEY, Site
from tests.programs import require_program

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()

# Python, and the block of what it prints where one follows without a word between.
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n```\n(.*?)^```$)?", flags=re.DOTALL | re.MULTILINE)
EXAMPLES = [code for code, _ in BLOCK.findall(README)]
DOCS = ROOT / "docs"
WALKED = (
    "tutorial.md",
    "howto-replay.md",
    "howto-labels.md",
    "howto-episode.md",
)  # of which tests/test_tutorial.py runs the shell too
PAGES = [path.relative_to(DOCS).as_posix() for path in sorted(DOCS.rglob("*.md"))]


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_python_examples_print_what_they_say(example):
    expected = said_to_print(example)
    assert expected, "an example must print something and say what"
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(example, "README.md", "exec"), {})
    assert printed.getvalue().splitlines() == expected


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page not in WALKED and BLOCK.search((DOCS / page).read_text())]
)
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


PREDICTION = re.compile(r"^row=|/infer")


def by_hand() -> list[str]:
    """The lines that speak to a service."""
    blocks = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    return [line for block in blocks if "$url" in block for line in block.splitlines()]


def test_the_prediction_with_a_name_is_one_that_the_digits_model_takes():
    lines = [line for line in by_hand() if PREDICTION.search(line)]
    script = 'url=; curl() { printf "%s" "${@: -1}"; }\n' + "\n".join(lines)
    said = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, check=True).stdout
    request = json.loads(said)
    (tensor,) = request["inputs"]
    assert request["id"] == "42"
    assert tensor["shape"] == [1, 8, 8]
    assert len(tensor["data"]) == 64


def test_what_a_person_knows_goes_back_by_the_lines_of_the_readme():
    require_program("curl")
    lines = [line for line in by_hand() if not PREDICTION.search(line)]
    site = Site(["a", "b"], api_key=KEY)
    try:
        site.see(300)
        site.see(200, shift=3.0)
        row = site.model.predict({"input": site.rng.normal(size=(1, 2))})
        site.monitor.process(row.signals, ids=["42"], scores=row.scores)
        (episode,) = site.monitor.snapshot().open_episodes
        script = "\n".join(lines).replace("http://127.0.0.1:8000", site.url.rstrip("/"))
        script = script.replace('"$key" -d', '"$key" -w "\\n" -d')
        environment = {**os.environ, "DRIFTLEAD_SERVER__API_KEY": KEY, "NO_PROXY": "*", "no_proxy": "*"}
        run = subprocess.run(
            ["bash", "-euc", script], env=environment, capture_output=True, text=True, timeout=60, check=True
        )
    finally:
        site.stop()
    told, seen, over, anew = [json.loads(line) for line in run.stdout.splitlines()]
    assert told["matched"] == 1
    assert [seen["id"], over["id"]] == [episode.id, episode.id]
    assert (seen["status"], over["status"]) == ("acknowledged", "resolved")
    assert "error" not in anew
