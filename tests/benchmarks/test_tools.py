"""The comparison of tools from end to end on a short stream, with ours alone."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.tools import page, work
from benchmarks.tools.measure import ROOT, measure, missing
from benchmarks.tools.summary import Delay, delay, false_alarms, summarise
from benchmarks.tools.tools import OURS, TOOLS, Tool
from driftlead.benchmark import figures
from driftlead.errors import DriftleadError

BOTH = [tool for tool in TOOLS if tool.user in ("ours:in_blocks", "ours:row_by_row")]


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tools")
    asked = {"tools": BOTH, "seeds": 1, "rows": 5_000}
    return folder, asked, measure(Path("nowhere"), folder / "tools.jsonl", folder, **asked)


def test_one_row_at_a_time_alarms_where_blocks_do(measured):
    _, _, records = measured
    blocks, rows = (record["alarms"] for record in records)
    assert blocks == rows
    (result, _) = summarise(BOTH, records)
    assert 0 < result.by_feature["moved_half"].noticed[0] < 500
    assert result.false_alarms == 0
    assert result.times_ours == 1.0


def test_a_second_run_measures_nothing_again(measured, monkeypatch):
    folder, asked, records = measured
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("a tool was started again"))
    assert measure(Path("nowhere"), folder / "tools.jsonl", folder, **asked) == records


def test_a_stream_changes_where_it_says_and_nowhere_else(measured):
    folder, _, records = measured
    names = page.CHANGED
    stream = np.fromfile(folder / "0" / "stream.f64").reshape(5_000, 50)
    before, after = np.split(stream, [records[0]["change"]])
    moved = after.mean(axis=0) - before.mean(axis=0)
    assert moved[:2] == pytest.approx([0.5, 0.25], abs=0.1)
    assert after.std(axis=0)[2] / before.std(axis=0)[2] == pytest.approx(1.5, abs=0.1)
    unsure = stream.std(axis=0) * (1 / len(before) + 1 / len(after)) ** 0.5
    assert (np.abs(moved / unsure)[len(names) :] < 4).all()


def test_the_page_has_every_tool_and_leaves_the_reading(measured, tmp_path, monkeypatch):
    _, _, records = measured
    drawn = []
    monkeypatch.setattr(figures, "write", lambda figure, path: drawn.append((figure, path.name)))
    (tmp_path / "tools.md").write_text("# A reading\n<!-- measured -->\n<!-- end of measured -->\n")
    page.write(tmp_path, summarise(BOTH, records), records)
    text = (tmp_path / "tools.md").read_text()
    assert text.startswith("# A reading\n<!-- measured -->\n")
    blocks = re.findall(r"(?:^\|.*\n)+", text, re.M)
    assert len(blocks) == 2
    for block in blocks:
        assert len({line.count("|") for line in block.splitlines()}) == 1
        assert len(block.splitlines()) == 2 + len(BOTH)
    ((figure, name),) = drawn
    assert name == "tools.svg"
    assert list(figure.layout.yaxis.ticktext) == [tool.name for tool in BOTH]
    assert [len(trace.y) for trace in figure.data] == [2, 2, 2, 0]


def test_a_delay_counts_from_the_change_to_an_alarm_that_names_the_feature():
    record = {"change": 10, "alarms": [[3, ["b"]], [3, ["c"]], [10, ["a"]], [12, ["c"]], [15, ["a", "b"]]]}
    assert false_alarms(record) == 2
    assert delay(record, {"a"}) == 5
    assert delay(record, {"d"}) is None
    assert delay(record | {"alarms": [[11, None]]}, {"d"}) == 1
    found = Delay((7, None, 3))
    assert (found.noticed, found.missed) == ([3, 7], 1)


def test_lines_are_those_with_code():
    def user(reference, names, blocks):
        """Two lines

        of words.
        """
        # why
        total = sum(len(block) for block in blocks)

        yield total, None

    assert work.lines(user) == 2


def test_every_tool_has_its_user_code_and_the_environment_it_is_made_in():
    targets = re.search(r"foreach tool,([\w,-]+(?: [\w-]+)*),", (ROOT / "Makefile").read_text())
    assert targets is not None
    assert {tool.environment for tool in TOOLS} - {""} == set(targets[1].split())
    for tool in TOOLS:
        assert 5 <= work.lines(work.user(tool.user)) <= 20
        assert (
            not tool.environment or (ROOT / f"benchmarks/requirements-peers-{tool.environment}.txt").exists()
        )


def test_the_program_of_the_peers_needs_nothing_of_the_library():
    code = "import runpy, sys; runpy.run_path('benchmarks/tools/work.py'); print('driftlead' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "False"


def test_a_tool_that_fails_says_why(tmp_path):
    broken = Tool("nothing", "ours:nothing", "", "")
    with pytest.raises(DriftleadError, match=r"^nothing failed: AttributeError: .*nothing"):
        measure(Path("nowhere"), tmp_path / "r.jsonl", tmp_path, tools=[broken], seeds=1, rows=50)


def test_without_the_environments_it_says_so_in_one_line(tmp_path):
    assert missing([OURS], tmp_path) == []
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.tools", "--peers", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 2
    assert run.stderr == f"no environment in {tmp_path / 'evidently'}: run make tools\n"
