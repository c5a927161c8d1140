"""The verdict, on what a real monitor says."""

import json

import pytest
from rich.console import Console

from driftlead.detectors import DETECTORS
from executor.demo.snapshot import Snapshot
from executor.demo.summary import outcome_table, summarise, write_summary

ALL = tuple(DETECTORS)


def test_a_clear_shift_passes_with_the_monitors_own_rows(play):
    progress = play(clean=1_000, drifted=600, shift=2.0)
    outcome = summarise(progress, ALL)
    assert outcome.passed
    assert outcome.sentence.startswith("passed: no alarm before the change")
    assert progress.change_row == 1_000
    for detector in outcome.detectors:
        first = min(alarm.row for alarm in progress.alarms if alarm.detector == detector.detector)
        assert detector.alarms_before == 0
        assert detector.delay_rows == first - 1_000
        assert 1 <= detector.delay_rows <= 200
        assert detector.strongest_signals[0].signal == "feature:pixel_0_0"
        assert detector.strongest_signals[0].ratio > 1


def test_no_drift_fails_and_names_every_silent_detector(play):
    outcome = summarise(play(clean=500, drifted=300, shift=0.0), ALL)
    assert not outcome.passed
    for name in ALL:
        assert f"{name} did not alarm within 300 drifted rows" in outcome.sentence


def test_an_alarm_before_the_change_fails_and_is_named_with_its_row(play):
    progress = play(clean=500, drifted=500, shift=-3.0, early=2.0)
    outcome = summarise(progress, ALL)
    assert not outcome.passed
    for detector in outcome.detectors:
        assert detector.alarms_before >= 1
        assert f"{detector.detector} alarmed " in outcome.sentence
        assert f"first at row {detector.first_false_alarm_row}" in outcome.sentence


def test_a_detector_that_does_not_run_fails_the_verdict(play):
    progress = play(clean=500, drifted=500, shift=3.0, detectors=("page_hinkley", "nmddm"))
    outcome = summarise(progress, ALL)
    assert outcome.complaints == ("incremental_ks is not running",)


def test_alarms_pushed_out_of_the_monitors_list_still_count(play):
    progress = play(clean=500, drifted=500, shift=3.0, early=3.0, recent_alarms=1)
    assert len(progress.snapshot.alarms) == 1
    assert not summarise(progress, ALL).passed


def test_dropped_rows_have_no_number(play):
    progress = play(clean=500, drifted=100, shift=0.0)
    lossy = Snapshot(rows=480, dropped_rows=20, errors=0, detectors=progress.snapshot.detectors, alarms=())
    progress.answered, progress.snapshot = 500, lossy
    progress.mark_change()
    assert progress.change_row == 480


def test_the_summary_file_holds_the_verdict(play, tmp_path):
    progress = play(clean=1_000, drifted=600, shift=2.0)
    path = tmp_path / "demo_summary.json"
    write_summary(path, progress, summarise(progress, ALL), "digits", "1a2b")
    written = json.loads(path.read_text())
    assert written["passed"] is True
    assert written["change_row"] == 1_000
    assert written["rows"] == {"clean": 1_000, "drifted": 600, "monitored": 1_600, "dropped": 0}
    assert written["accuracy"] == {"before": pytest.approx(0.96), "after": pytest.approx(0.5)}
    assert [detector["detector"] for detector in written["detectors"]] == list(ALL)
    assert list(tmp_path.iterdir()) == [path]


def test_the_table_names_detector_alarms_delay_and_signals(play, capsys):
    outcome = summarise(play(clean=500, drifted=500, shift=3.0), ALL)
    Console(width=80, no_color=True).print(outcome_table(outcome))
    shown = capsys.readouterr().out
    for detector in outcome.detectors:
        line = next(line for line in shown.splitlines() if line.split()[:1] == [detector.detector])
        assert line.split()[1:3] == ["0", str(detector.delay_rows)]
        assert "feature:pixel_0_0" in line
