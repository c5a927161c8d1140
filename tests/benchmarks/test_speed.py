"""The benchmark runs from end to end on tiny sizes; no time is asserted, for they belong to the machine."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

from benchmarks.speed import page
from benchmarks.speed.bars import Bar, bars
from benchmarks.speed.footprint import arrays
from benchmarks.speed.measure import measure
from benchmarks.speed.ours import Sizes
from benchmarks.speed.peer import ROOT, Peer
from benchmarks.speed.plot import Curve, growth

TINY = Sizes(
    rounds=1,
    values=200,
    growth=(100, 1_000),
    reference=200,
    window=100,
    block=(20, 3),
    row=2,
    peer_milliseconds=0.1,
)


@pytest.fixture(scope="module")
def got():
    """Measured with the one peer that this environment has too."""
    with Peer(Path(sys.executable)) as scipy:
        return measure(TINY, {"scipy": scipy})


def test_everything_measured_is_a_positive_finite_number(got):
    assert {name for name, value in got.items() if not 0 < value < np.inf} == set()
    assert {"ks@100", "searchsorted@1000", "scipy_ks@1000", "block.nmddm", "row.apart@2"} <= set(got)


def test_a_bar_is_judged_exactly_where_it_was_measured(got):
    verdicts = {bar.against: bar.met for bar in bars(got)}
    assert verdicts["times river's speed"] is None
    assert verdicts["times frouros' speed"] is None
    assert isinstance(verdicts["cost over `np.searchsorted`"], bool)
    assert isinstance(verdicts["memory per signal"], bool)


def test_bars_look_up_and_down_from_their_limit():
    assert Bar("", "", 2.0, 2.0).met
    assert not Bar("", "", 2.1, 2.0).met
    assert not Bar("", "", 999.0, 1_000, at_least=True).met
    assert Bar("", "", 3.0, 2.0).verdict == "missed by 50 %"
    assert Bar("", "", 500.0, 1_000, at_least=True).verdict == "missed by 100 %"
    assert Bar("", "", 12_345.0, 1_000, at_least=True).measured == "12 300×"


def test_growth_is_the_dearest_size_up_to_the_limit_over_the_smallest():
    costs = {100: 10.0, 1_000: 40.0, 10_000: 20.0, 100_000: 50.0}
    values = [bar.value for bar in bars({f"ks@{n}": ns for n, ns in costs.items()}) if "growth" in bar.work]
    assert values == [4.0, 5.0]


def test_the_page_holds_well_formed_tables_and_a_plot(got, tmp_path):
    page.write(tmp_path, got, TINY, {"Python": "3"})
    text = (tmp_path / "benchmarks.md").read_text()
    widths = [
        {line.count(" | ") for line in block.splitlines()} for block in text.split("\n\n") if block[0] == "|"
    ]
    assert len(widths) == 5
    assert all(len(width) == 1 for width in widths), "a row has more or fewer cells than its head"
    (image,) = re.findall(r"!\[.+\]\((.+)\)", text)
    root = ElementTree.parse(tmp_path / image).getroot()
    lines = root.findall("{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == 3  # ours, searchsorted, SciPy
    assert all(len(line.get("points").split()) == len(TINY.growth) for line in lines)


def test_labels_at_the_right_edge_do_not_overlap():
    svg = growth([Curve("one", {1: 10.0, 10: 100.0}), Curve("two", {1: 9.0, 10: 101.0})], "", "")
    heights = [float(y) for y in re.findall(r'class="label t\d" x="[\d.]+" y="([\d.]+)"', svg)]
    assert abs(heights[0] - heights[1]) >= 16


def test_memory_counts_a_shared_buffer_once():
    class Holder:
        def __init__(self, array):
            self.array, self.view = array, {"half": array[::2]}

    array = np.zeros(100)
    assert arrays([Holder(array), Holder(array), np.zeros(10, dtype=np.int8)]) == 810


def test_without_the_peers_it_says_so_in_one_line(tmp_path):
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.speed", "--peers", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 2
    assert run.stderr.startswith("no environment for river in ")
    assert len(run.stderr.splitlines()) == 1
