"""Reports: the same story from a running service, a monitor and what one left, in three formats."""

from __future__ import annotations

import json
import re
import time

import numpy as np
import pytest

from driftlead.errors import DriftleadError, InvalidParameterError, StateError
from driftlead.monitor import Monitor, MonitorSettings, StateFolder
from driftlead.reference import ReferenceProfile
from driftlead.report import collect, render, write_report
from driftlead.report.tables import episode_rows, signal_rows
from driftlead.signals import Signal
from driftlead.storage import SqlStore
from tests.page.site import Site

HOSTILE = "feature:</script><b>|a"
SIGNALS = (Signal(HOSTILE), Signal("feature:b"))
NOW = time.time()


def profile():
    rows = np.random.default_rng(4).normal(size=(1_000, 2))
    return ReferenceProfile.from_rows(SIGNALS, rows, model_hash="1f")


def store(folder):
    return SqlStore(f"sqlite:///{folder / 'driftlead.db'}", model="m", version="1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module")
def monitor(folder):
    """A quarter of an hour, of which a minute drifted; its state and episodes are kept in a folder."""
    settings = MonitorSettings(window=100)
    kept = StateFolder(folder)
    monitor = Monitor(profile(), settings, store=store(folder), folder=kept)
    monitor._recorder.start()
    rng = np.random.default_rng(5)
    for ago in range(900, 0, -3):
        shift = 2.0 if 600 >= ago > 540 else 0.0
        rows = rng.normal([shift, 0.0], 1.0, size=(10, 2))
        monitor.process(rows, observed_at=np.full(10, NOW - ago))
    monitor._recorder.flush()
    kept.save("monitor", monitor.state())
    yield monitor
    monitor.close()


@pytest.fixture(scope="module")
def document(monitor):
    return collect(monitor)


def test_it_tells_of_the_episode_and_of_the_signals_above_their_threshold(document):
    (episode,) = document["episodes"]
    assert episode["signals"][0]["signal"] == HOSTILE
    assert document["since"] == pytest.approx(NOW - 900, abs=0.01)
    assert [each["signal"] for each in document["signals"]] == [HOSTILE]
    (row,) = episode_rows(document)
    assert row[3].startswith(HOSTILE)
    ((signal, peaks, above),) = signal_rows(document)
    assert signal == HOSTILE
    found = {test: float(peak) for peak, test in (each.split(" by ") for each in peaks.split(", "))}
    assert set(found) == {"page_hinkley", "incremental_ks", "nmddm"}
    history = document["history"]["series"][0]
    place = history["pairs"].index([HOSTILE, "incremental_ks"])
    highest = max(percent[place] for percent in history["percent"]) / 100
    assert found["incremental_ks"] == pytest.approx(highest, abs=0.006)
    # Drifted for a minute, and until the window held no row of it.
    assert 1.0 <= float(above.removesuffix(" min")) <= 2.5


def test_a_period_leaves_out_what_lies_beside_it(monitor):
    after = collect(monitor, since=NOW - 300)
    assert after["episodes"] == []
    assert after["signals"] == []
    series = after["history"]["series"][0]
    assert series["end"][0] >= NOW - 300
    assert len(series["percent"]) == len(series["end"])
    before = collect(monitor, until=NOW - 700)
    assert before["episodes"] == []
    within = collect(monitor, since=NOW - 640, until=NOW - 500)
    assert len(within["episodes"]) == 1
    with pytest.raises(InvalidParameterError, match="until must be after since"):
        collect(monitor, since=NOW, until=NOW - 1)


def test_what_a_monitor_left_tells_the_same(monitor, folder, document):
    kept = store(folder)
    left = collect(folder, store=kept)
    kept.close()
    assert left["history"] == document["history"]
    assert left["episodes"] == document["episodes"]
    assert left["overview"]["rows"] == document["overview"]["rows"]
    for format in ("html", "json", "md"):
        assert render(left, format)


def test_a_running_service_tells_it_too(tmp_path):
    site = Site(["a", "b"])
    try:
        site.live_through(300, drift_from=100, of=1)
        report = write_report(site.url, tmp_path / "drift.json")
        own = collect(site.monitor)
        with pytest.raises(DriftleadError, match="answers with 404"):
            collect(site.url + "nowhere")
    finally:
        site.stop()
    assert json.loads((tmp_path / "drift.json").read_text()) == report
    assert report["overview"]["model"] == "digits"
    assert report["episodes"] == own["episodes"]
    assert report["signals"] == own["signals"]
    assert report["history"]["series"] == own["history"]["series"]
    with pytest.raises(DriftleadError, match=r"does not answer \(.*refused\): start the service"):
        collect(site.url)


def test_html_holds_everything_and_no_name_is_markup(document):
    text = render(document)
    assert "<b>" not in text.partition("<script")[0]
    assert text.count("</script>") == 3
    assert not re.search(r'(?:src|href)="(?!data:)', text.partition("<script")[0])
    figures = text.split('id="figures">')[1].split("</script>")[0]
    assert "<" not in figures
    drawn = json.loads(figures)
    assert len(drawn) == 4
    assert set(re.findall(r'id="(figure-\d+)"', text)) == set(drawn)


def test_markdown_has_a_table_of_each_kind(document):
    lines = render(document, "md").splitlines()
    assert lines[0] == "# Drift report"
    assert lines[2] == "1 episode of drift in this period, over."
    (row,) = [line for line in lines if line.startswith("| feature:") and "nmddm" in line]
    # Cells are as many as heads, whatever a name holds.
    assert len(re.findall(r"(?<!\\)\|", row)) == 4
    assert "## Quality of the model" in lines


@pytest.mark.parametrize(
    ("source", "path", "error", "rule"),
    [
        (
            "monitor",
            "r.pdf",
            InvalidParameterError,
            "one of html, json, md, where none is given as the ending",
        ),
        ("monitor", "none/r.json", DriftleadError, "cannot write"),
        ("nowhere", "r.json", StateError, "cannot read state file"),
    ],
)
def test_what_cannot_be_is_said(monitor, tmp_path, source, path, error, rule):
    with pytest.raises(error, match=rule):
        write_report(monitor if source == "monitor" else tmp_path / source, tmp_path / path)
    assert not list(tmp_path.iterdir())
