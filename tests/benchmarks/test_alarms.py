"""The experiments on false alarms and delays run, in small, and count what they say."""

from __future__ import annotations

import re

import numpy as np

from benchmarks import delays, missing_values, own_detectors, peer_alarms


def test_successive_windows_are_compared_with_the_first_thousand_rows():
    rng = np.random.default_rng(1)
    alarms = peer_alarms.windows_of_100()
    stream = np.concatenate([rng.normal(size=1_000), rng.normal(size=300) + 2.0]).tolist()
    assert np.flatnonzero([alarms(x) for x in stream]).tolist() == [1_099, 1_199, 1_299]


def test_the_peers_delays_stand_beside_their_false_alarms(capsys, monkeypatch):
    def every_tenth():
        seen = iter(range(1, 100_000))
        return lambda x: next(seen) % 10 == 0

    def late():
        return lambda x: x > 4.0

    monkeypatch.setattr(peer_alarms, "detectors", lambda: [("tenth", every_tenth), ("late", late)])
    peer_alarms.delays(runs=20, n=100, wait=50)
    tenth, rare = capsys.readouterr().out.splitlines()[2:]
    assert re.search(r"normal 10 · t3 10$", tenth)
    assert {float(cell) < 11 for cell in re.findall(r"(\d+)±", tenth)} == {True}
    sooner, usual = (float(re.search(rf"{what} (\d+)", rare)[1]) for what in ("t3 \\+0.5 sd", "t3, none"))
    assert sooner < usual


def test_our_delays_are_measured_against_the_oracle(capsys, monkeypatch):
    monkeypatch.setattr(delays, "oracle_threshold", lambda *_: 5.0)
    delays.delay(n=500, budget=1_000, runs=40, wait=200)
    for line in capsys.readouterr().out.splitlines()[2:]:
        oracle, *ours = (float(each) for each in re.findall(r"(?:oracle|hinkley|ks|nmddm) ([\d.]+)", line))
        assert len(ours) == 3
        assert oracle < min(ours) < 200


def test_thresholds_of_unknown_tests_are_held_against_the_tables(capsys, monkeypatch):
    monkeypatch.setattr(own_detectors, "TESTS", own_detectors.TESTS[:1])
    monkeypatch.setattr(own_detectors, "SIGNALS", 2)
    monkeypatch.setattr("driftlead.calibration.pricing._ROWS_PER_SIGNAL", (200_000, 200_000))
    own_detectors.main()
    assert 0.8 < float(re.search(r"1,000 ([\d.]+),", capsys.readouterr().out)[1]) < 1.25


def test_missing_values_leave_the_budget_as_it_is(capsys):
    missing_values.measure(0.05, references=15)
    said = capsys.readouterr().out
    assert 0.7 < float(re.search(r"5% missing: ([\d.]+)±", said)[1]) < 1.25  # 150 alarms: ±8 %
    assert "missing_rate" not in said
