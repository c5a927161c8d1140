"""Signals of the real model on corrupted digits, and the figure that comes of them."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from typer.testing import CliRunner

import evaluation.__main__ as program
from driftlead.errors import InvalidParameterError
from evaluation.drift import GROUPS, Quiet, Sight, measure_drift
from evaluation.drift_page import band_of, figure, first_seen, measured

SIGHTS = [
    Sight(
        "blur",
        0.1,
        0.02,
        dict(zip(GROUPS, [(5.0, 7.0, 300.0), (9.0,), (math.inf,), (math.nan,)], strict=True)),
    ),
    Sight("shift", 0.4, 0.55, dict(zip(GROUPS, [(40.0, math.nan), (8.0,), (8.0,), (20.0,)], strict=True))),
]


@pytest.fixture(scope="module")
def found(trained):
    return measure_drift(trained, seeds=2, kinds=("sensor_noise", "brightness"), severities=(0.0, 0.6))


def test_nothing_is_seen_where_nothing_is_bad(found):
    sights, _ = found
    for sight in sights[::2]:
        assert (sight.severity, sight.lost) == (0.0, 0.0)
        assert {delay for delays in sight.delays.values() for delay in delays} <= {math.inf}


def test_heavy_corruption_is_seen_by_inputs_inside_and_answers_and_costs_accuracy(found):
    sights, _ = found
    for sight in sights[1::2]:
        assert sight.lost > 0.1
        for group in ("features", "activations", "predictions"):
            assert 1 <= sight.delay(group) < 250


def test_false_alarms_on_clean_rows_are_counted(found):
    _, quiet = found
    assert quiet.rows == 40_000
    assert quiet.alarms.keys() == set(GROUPS)
    assert all(0 <= count <= 2 for count in quiet.alarms.values())  # 0.04 were asked for


def test_the_median_counts_what_was_not_seen_and_leaves_out_what_was_seen_too_early():
    noise = lambda *delays: Sight("x", 0.1, 0.0, {"features": delays})  # noqa: E731
    assert noise(3.0, 9.0, 5.0).delay("features") == 5.0
    assert noise(3.0, math.inf, math.nan, 5.0).delay("features") == 5.0
    assert noise(3.0, math.inf, math.inf).delay("features") == math.inf
    assert noise(3.0, math.inf).delay("features") == math.inf  # half of them saw nothing
    assert math.isnan(noise(math.nan).delay("features"))


def test_the_first_are_counted_among_the_harmful():
    assert first_seen(SIGHTS, 0.05) == {"features": 0, "activations": 1, "predictions": 1, "errors": 0}
    assert first_seen(SIGHTS, 0.0) == {"features": 1, "activations": 1, "predictions": 1, "errors": 0}


def test_the_table_and_the_figure_hold_the_same_numbers():
    text = measured(SIGHTS, Quiet(1_000, dict.fromkeys(GROUPS, 3)), seeds=3)
    assert "| blur | 0.1 | 2.0 | **7** | 9 | – | – |" in text
    assert "| shift | 0.4 | 55.0 | 40 | **8** | **8** | 20 |" in text
    drawn = {trace.marker.color: trace for trace in figure(SIGHTS).data if trace.x[0] is not None}
    assert [round(x) for x in drawn["#0f766e"].x] == [1, 4]  # in the bands of 2 and of 55 points
    assert list(drawn["#0f766e"].y) == [7.0, 40.0]
    assert drawn["#d97706"].y[0] > 2_000  # unseen, above the line
    assert len(drawn["#6b7280"].x) == 1


@pytest.mark.parametrize(("lost", "band"), [(-0.02, 0), (0.009, 0), (0.01, 1), (0.2, 3), (0.9, 4)])
def test_bands_of_lost_accuracy(lost, band):
    assert band_of(Sight("x", 0.1, lost, {})) == band


def test_no_seeds_are_a_mistake(trained):
    with pytest.raises(InvalidParameterError, match="seeds must be at least 1, got 0"):
        measure_drift(trained, seeds=0)


def test_the_command_fills_its_page(trained_model_path, tmp_path, monkeypatch):
    import driftlead.benchmark.figures as figures
    import evaluation.drift as drift

    monkeypatch.setattr(
        drift, "measure_drift", lambda artefact, **_: (SIGHTS, Quiet(10, dict.fromkeys(GROUPS, 0)))
    )
    drawn = []
    monkeypatch.setattr(figures, "write", lambda figure, path: drawn.append(path))
    page = tmp_path / "which-signals.md"
    flags = ["drift", "--model", str(trained_model_path), "--docs", str(tmp_path)]
    answer = CliRunner().invoke(program.app, flags)
    assert answer.exit_code == 2
    assert answer.stderr.strip() == (
        f"evaluation: {page} must hold the marks <!-- measured --> and <!-- end of measured --> once each"
    )
    page.write_text("before\n<!-- measured -->\nstale\n<!-- end of measured -->\nafter\n")
    assert CliRunner().invoke(program.app, flags).exit_code == 0
    text = page.read_text()
    assert re.match(r"before\n<!-- measured -->\n!\[.*\n<!-- end of measured -->\nafter\n", text, re.S)
    assert "stale" not in text
    assert drawn == [tmp_path / "images" / "which-signals.svg"]
    assert np.unique([line.count("|") for line in text.splitlines() if line.startswith("|")]).size == 1
