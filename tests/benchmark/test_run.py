"""Runs are complete, repeatable, resumable, and say in the end what was measured."""

from __future__ import annotations

import functools
import json
import math
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from pyarrow import parquet
from rich.console import Console

from driftlead.benchmark import bootstrap, figures, markdown, rich_table, run, summarise, write_parquet
from driftlead.benchmark.competitor import Competitor
from driftlead.errors import DriftleadError, InvalidParameterError
from tests.benchmark.competitors import OURS, THRESHOLD, UNIFORM, Broken

everyone = functools.partial(run, [THRESHOLD, OURS[0]], [UNIFORM], seeds=3, budget=100.0)


def timeless(records):
    return [
        {key: value for key, value in each.items() if key not in ("seconds", "held", "growth")}
        for each in records
    ]


@pytest.fixture(scope="module")
def records():
    return everyone()


@pytest.fixture(scope="module")
def rows(records):
    return summarise(records)


def test_every_competitor_is_measured_at_its_default_and_tuned(records):
    counts = {}
    for each in records:
        key = (each["competitor"], each["work"], each["setting"])
        counts[key] = counts.get(key, 0) + 1
    one = {
        ("tune", "tuned"): 1,
        ("footprint", "default"): 1,
        ("measure", "default"): 9,
        ("measure", "tuned"): 9,
    }
    assert counts == {(name, *key): n for name in ("threshold", "page_hinkley") for key, n in one.items()}


def test_processes_change_nothing(records, tmp_path):
    assert timeless(everyone(jobs=2, results=tmp_path / "results.jsonl")) == timeless(records)


def test_what_was_done_is_not_done_again(records, tmp_path):
    file, said = tmp_path / "deep" / "results.jsonl", []
    everyone(results=file)
    whole = file.read_bytes()
    lines = whole.splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:6]) + lines[6][:20])  # stopped while it was writing
    again = everyone(results=file, progress=lambda *state: said.append(state))
    assert timeless(again) == timeless(records)
    assert file.read_bytes().startswith(b"".join(lines[:6]))
    assert len(file.read_bytes().splitlines()) == len(lines)
    assert [done for what, done, _ in said if what == "tuning and measuring"] == list(range(7, 11))
    # A record that lies there is believed.
    forged = [json.loads(line) for line in lines]
    forged[-1][0]["alarms"] = 777
    file.write_text("".join(json.dumps(each) + "\n" for each in forged))
    assert 777 in [each.get("alarms") for each in everyone(results=file)]


def test_summaries_are_the_numbers_by_hand(records, rows):
    by_key = {(row.competitor, row.setting, row.change): row for row in rows}
    rises, never = by_key["threshold", "default", "rises"], by_key["threshold", "default", "not"]
    # Its default level, 2, is never exceeded by a uniform value.
    assert rises.delay == (202.0, 202.0, 202.0)
    assert (rises.detection, rises.missed.value, rises.early) == (202.0, 0.0, 0.0)
    assert never.delay == (300.0, 300.0, 300.0)
    assert (never.missed.value, math.isnan(never.detection)) == (1.0, True)
    assert rises.false_alarm_every == (math.inf, 2_000.0, math.inf)
    assert rises.microseconds == pytest.approx(1.0)
    assert rises.held == 1_000
    tuned = by_key["threshold", "tuned", "rises"]
    quiet = [each for each in records if each["setting"] == "tuned" and each["work"] == "measure"
             and each["competitor"] == "threshold" and each["change"] is None]  # fmt: skip
    assert tuned.false_alarm_every.value == 6_000 / sum(each["alarms"] for each in quiet)
    assert tuned.level == pytest.approx(0.99, abs=0.01)
    assert tuned.early > 0.5  # 700 rows at one alarm per hundred


def test_a_bootstrap_interval_covers_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = [
        low <= 3.0 <= high
        for _, low, high in (bootstrap(rng.normal(3.0, 2.0, size=40), seed=s) for s in range(400))
    ]
    assert 0.90 <= np.mean(covered) <= 0.98
    assert all(math.isnan(each) for each in bootstrap(np.array([])))


def test_tables_say_the_same_in_markdown_and_on_a_terminal(rows):
    text = markdown(rows)
    lines = text.splitlines()
    assert len({line.count(" | ") for line in [lines[0], *lines[2:]]}) == 1
    assert "| threshold | default | uniform: rises | over 2 000 | 202 (202 to 202) | 0% | 0% | 1 |" in lines
    console = Console(width=200, record=True)
    with console.capture() as caught:
        console.print(rich_table(rows))
    assert "202 (202 to 202)" in caught.get()


def test_parquet_holds_every_record(records, tmp_path):
    write_parquet(records, tmp_path / "out" / "results.parquet")
    table = parquet.read_table(tmp_path / "out" / "results.parquet").to_pylist()
    assert len(table) == len(records)
    assert [each["delay"] for each in table] == [each.get("delay") for each in records]


def test_figures_show_every_number(rows, tmp_path):
    default = [row for row in rows if row.setting == "default"]
    (heat,) = figures.delays(default).data
    assert list(heat.y) == ["threshold", "page_hinkley"]
    words = [each.text for each in figures.delays(default).layout.annotations]
    assert words[0] == "202"
    assert words[1].startswith("300<br>")
    assert "100% missed" in words[1]
    assert np.nanmin(np.array(heat.z, dtype=float), axis=0).tolist() == [0.0, 0.0]
    figure = figures.false_alarms(default, 100.0)
    shown = [x for trace in figure.data for x in trace.x]
    assert 2_000.0 in shown  # the lower end of what never alarmed
    figures.write(figure, tmp_path / "figure.html")
    html = (tmp_path / "figure.html").read_text()
    assert "<script src=" not in html  # self-contained
    with pytest.raises(InvalidParameterError, match=r"path must be one that ends in .html, .svg or .png"):
        figures.write(figure, tmp_path / "figure.bmp")


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no Chromium draws pictures here")
def test_pictures_are_drawn(rows, tmp_path):
    default = [row for row in rows if row.setting == "default"]
    figures.write(figures.delays(default), tmp_path / "figure.svg")
    root = ElementTree.parse(tmp_path / "figure.svg").getroot()
    words = "".join(root.itertext())
    assert "page_hinkley" in words
    assert "202" in words


def test_without_something_to_draw_pictures_with_the_error_says_so(rows, tmp_path, monkeypatch):
    def none(*_):
        raise RuntimeError("Kaleido requires Google Chrome\nand more")

    figure = figures.delays(rows)
    monkeypatch.setattr(type(figure), "write_image", none)
    with pytest.raises(
        DriftleadError, match=r"figure.png needs kaleido and Chromium to be drawn: Kaleido req"
    ):
        figures.write(figure, tmp_path / "figure.png")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": 0}, "seeds must be at least 1, got 0"),
        ({"jobs": 0}, "jobs must be at least 1, got 0"),
        ({"budget": 1.0}, "budget must be a number of rows above 1, got 1.0"),
        ({"competitors": []}, "competitors must be at least one"),
        ({"competitors": [THRESHOLD, THRESHOLD]}, "competitors must be .* a name of its own"),
        ({"scenarios": []}, "scenarios must be at least one"),
    ],
)
def test_mistakes_are_named(change, message):
    with pytest.raises(InvalidParameterError, match=message):
        run(**({"competitors": [THRESHOLD], "scenarios": [UNIFORM], "seeds": 1, "budget": 100.0} | change))


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_competitor_that_fails_stops_the_run_and_leaves_what_was_done(jobs, tmp_path):
    file = tmp_path / "results.jsonl"
    broken = Competitor("broken", Broken)
    with pytest.raises(RuntimeError, match="no"):
        run([THRESHOLD, broken], [UNIFORM], seeds=1, budget=100.0, results=file, jobs=jobs)
    assert file.exists()


def test_processes_end_with_the_one_that_began_them(tmp_path):
    code = f"""
import functools
from driftlead.benchmark import run
from tests.benchmark.competitors import SLEEPER, UNIFORM
run([SLEEPER], [UNIFORM], seeds=2, budget=100.0, jobs=2, results={str(tmp_path / "results")!r})
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "DRIFTLEAD_TEST_PIDS": str(tmp_path)}
    parent = subprocess.Popen([sys.executable, "-c", code], env=environment)
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("*.pid"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    children = [int(file.stem) for file in tmp_path.glob("*.pid")]
    parent.kill()
    parent.wait()
    while (
        left := [each for each in children if Path(f"/proc/{each}").exists()]
    ) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(children) == 2
    assert not left
