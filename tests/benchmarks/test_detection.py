"""The detection benchmark from end to end on a few seeds, with our tests alone."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys

import pytest

from benchmarks.detection import page
from benchmarks.detection.competitors import ours
from benchmarks.detection.peers import ADAPTERS, Server
from benchmarks.detection.scenarios import SCENARIOS
from benchmarks.speed.peer import ROOT
from driftlead.benchmark import figures, run, summarise

BUDGET = 1_000.0


@pytest.fixture(scope="module")
def records():
    quick = [dataclasses.replace(each, effort=0.3) for each in ours(BUDGET)]
    return run(quick, [SCENARIOS[0], SCENARIOS[4]], seeds=20, budget=BUDGET)


def test_our_tests_keep_the_budget_untuned_and_see_what_they_are_for(records):
    rows = {(row.competitor, row.change): row for row in summarise(records) if row.setting == "default"}
    for row in rows.values():
        low, high = (
            (400, 2_500) if "Page-Hinkley" in row.competitor or "KS" in row.competitor else (300, 4_000)
        )
        assert low < row.false_alarm_every.value < high, row
    assert rows["driftlead Page-Hinkley", "+1 sd"].delay.value < 30
    assert rows["driftlead incremental KS", "two humps"].missed.value == 0.0
    assert rows["driftlead, all three", "scale ×1.5"].delay.value < 200


def test_the_page_has_every_number_and_leaves_the_reading(records, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(figures, "write", lambda figure, path: drawn.append(path.name))
    (tmp_path / "detection.md").write_text("# A reading\n<!-- measured -->\n<!-- end of measured -->\n")
    rows = summarise(records)
    page.write(tmp_path, rows, records, BUDGET, {"river": "0.26"})
    text = (tmp_path / "detection.md").read_text()
    assert text.startswith("# A reading\n<!-- measured -->\n")
    for block in re.findall(r"(?:^\|.*\n)+", text, re.M):
        assert len({line.count("|") for line in block.splitlines()}) == 1
    assert len(page.at_the_budget(rows)) == 4 * 7
    assert sum(line.startswith("| driftlead") for line in text.splitlines()) == 28 + 28 + 4
    assert drawn == ["detection-delays.svg", "detection-false-alarms.svg"]


def test_adapters_need_nothing_of_the_library():
    read = "runpy.run_path('benchmarks/detection/peers.py')"
    code = f"import runpy, sys; {read}; print('driftlead' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "False"


def test_a_package_that_is_not_there_is_an_answer_not_a_crash():
    import numpy as np

    request = {"adapter": "river_adwin", "level": None, "seed": 0, "traced": False}
    with pytest.raises(ModuleNotFoundError, match="river"):
        Server().start(request, np.zeros((3, 1)))
    assert set(ADAPTERS) >= {"river_adwin", "river_kswin", "frouros_cusum", "alibi_cvm", "alibi_mmd"}


def test_without_the_peers_it_says_so_in_one_line(tmp_path):
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.detection", "--peers", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 2
    assert run.stderr == f"no environment in {tmp_path / 'river'}: run make evaluate\n"
