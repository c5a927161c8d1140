"""Thresholds found once by `calibrate`, and used by whoever watches the same signals."""

from __future__ import annotations

import json

import httpx
import numpy as np
import pytest
from typer.testing import CliRunner

from driftlead.calibration import Calibration
from driftlead.cli import app
from driftlead.reference import ReferenceProfile
from tests.cli.conftest import serving

SETTINGS = ("--window", 100, "--false-alarm-every", "1e5")


def wave(rng: np.random.Generator, rows: int) -> np.ndarray:
    """Rows of two columns, each value 0.8 of the one before, and noise."""
    values = rng.normal(size=(rows, 2))
    for row in range(1, rows):
        values[row] += 0.8 * values[row - 1]
    return values


@pytest.fixture(scope="module")
def waves(tmp_path_factory):
    """``train.csv`` and ``today.csv`` without a change, which looks like drift to who does not calibrate."""
    folder, rng = tmp_path_factory.mktemp("waves"), np.random.default_rng(5)
    for name, rows in (("train", 3_000), ("today", 2_000)):
        np.savetxt(folder / f"{name}.csv", wave(rng, rows), delimiter=",", header="a,b", comments="")
    return folder


@pytest.fixture(scope="module")
def calibrated(waves):
    """`waves`, with a profile, and with thresholds for it that have a guarantee and a delta of their own."""
    asked = (*SETTINGS, "--guarantee", 0.9, "--delta", 0.5)
    commands = (
        ("profile", waves / "train.csv", "-o", waves / "reference.state"),
        ("calibrate", waves / "train.csv", *asked, "-o", waves / "thresholds.state"),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("driftlead.calibration.pricing._ROWS_PER_SIGNAL", (20_000, 20_000))
        for command in commands:
            made = CliRunner().invoke(app, [str(argument) for argument in command])
            assert (made.exit_code, made.stderr) == (0, "")
            assert "feature:a" in made.stdout or command[0] == "profile"
    return waves


def episodes(run, *arguments):
    result = run("replay", *arguments, *SETTINGS, "--format", "json")
    assert result.stderr == ""
    return json.loads(result.stdout)["episodes"]


@pytest.mark.parametrize("reference", ["train.csv", "reference.state"])
def test_a_replay_takes_the_thresholds_of_its_reference(run, calibrated, reference):
    given = (calibrated / "today.csv", "-r", calibrated / reference)
    assert episodes(run, *given)
    assert not episodes(run, *given, "--calibration", calibrated / "thresholds.state")


def test_settings_that_are_not_given_are_those_of_the_thresholds(run, calibrated):
    given = (calibrated / "today.csv", "-r", calibrated / "train.csv", "--format", "json")
    thresholds = ("--calibration", calibrated / "thresholds.state")
    assert run("replay", *given, *thresholds).stdout == run("replay", *given, *thresholds, *SETTINGS).stdout


def test_a_budget_may_be_a_time_where_the_traffic_is_known(run, calibrated):
    given = ("replay", calibrated / "today.csv", "-r", calibrated / "train.csv", "--format", "json")
    thresholds = ("--calibration", calibrated / "thresholds.state")
    budget = ("--false-alarm-every", "1000 seconds", "--rows-per-second")
    assert run(*given, *thresholds, *budget, 100).stdout == run(*given, *thresholds).stdout
    for options, reason in (
        ((*thresholds, *budget, 50), "per 100,000 rows, not per 50,000"),
        (budget[:2], "--rows-per-second must be given and above 0 where the budget is a time"),
    ):
        refused = run(*given, *options)
        assert refused.exit_code == 2
        assert reason in refused.stderr


def test_the_budget_of_a_profile_with_labels_comes_with_its_thresholds(run, calibrated, tmp_path):
    profile = ReferenceProfile.load(calibrated / "reference.state")
    labels = np.arange(100) % 2
    profile.with_quality(np.eye(2)[labels] * 0.8 + 0.1, labels).save(tmp_path / "labelled.state")
    made = run("calibrate", tmp_path / "labelled.state", *SETTINGS, "-o", tmp_path / "thresholds.state")
    assert made.exit_code == 0, made.stderr
    replayed = ("replay", calibrated / "today.csv", "-r", tmp_path / "labelled.state", "--format", "json")
    outcome = run(*replayed, "--calibration", tmp_path / "thresholds.state")
    assert outcome.stderr == ""
    assert json.loads(outcome.stdout)["false_alarm_every"] == pytest.approx(1e5)


def test_a_service_takes_them(calibrated):
    command = ("watch", "-r", calibrated / "reference.state", "--model", "credit")
    expected = Calibration.load(calibrated / "thresholds.state").thresholds("page_hinkley")
    with serving(*command, "--calibration", calibrated / "thresholds.state") as said:
        lines = httpx.get(said["metrics_url"]).text.splitlines()
    (line,) = [
        each
        for each in lines
        if each.startswith("driftlead_signal_threshold{")
        and 'detector="page_hinkley"' in each
        and 'signal="feature:a"' in each
    ]
    assert float(line.split()[-1]) == pytest.approx(expected[0])


def test_a_profile_parquet_and_chosen_columns_are_calibrated_too(run, calibrated, tmp_path, monkeypatch):
    from pyarrow import csv, parquet

    monkeypatch.setattr("driftlead.calibration.pricing._ROWS_PER_SIGNAL", (20_000, 20_000))
    found = run("calibrate", calibrated / "reference.state", *SETTINGS, "-o", tmp_path / "independent.state")
    assert found.exit_code == 0, found.stderr
    kept = Calibration.load(tmp_path / "independent.state")
    profile = ReferenceProfile.load(calibrated / "reference.state")
    assert {pair.signal for pair in kept.pairs} == {signal.name for signal in profile.signals}
    assert not any(pair.order for pair in kept.pairs)
    parquet.write_table(csv.read_csv(calibrated / "train.csv"), tmp_path / "train.parquet")
    found = run("calibrate", tmp_path / "train.parquet", "--columns", "b", *SETTINGS)
    assert found.exit_code == 0, found.stderr
    assert "feature:b" in found.stdout
    assert "feature:a" not in found.stdout


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--false-alarm-every", 1e6), "is for one false alarm per 100,000 rows, not per 1,000,000"),
        ((*SETTINGS, "--window", 50), "is for window 100, not 50"),
        ((*SETTINGS, "--detectors", "nmddm"), "is for page_hinkley, incremental_ks, nmddm, not for nmddm"),
        ((*SETTINGS, "--columns", "b"), "is for 3000 values of feature:a in column 0"),
        ((*SETTINGS, "--calibrate"), "--calibrate must be left out where --calibration is given"),
    ],
)
def test_thresholds_of_something_else_are_refused(run, calibrated, options, reason):
    given = ("-r", calibrated / "train.csv", "--calibration", calibrated / "thresholds.state")
    refused = run("replay", calibrated / "today.csv", *given, *options)
    assert refused.exit_code == 2
    (line,) = refused.stderr.splitlines()
    assert "--calibration" in line
    assert reason in line


def test_a_service_refuses_what_is_no_calibration_of_its_own(run, calibrated):
    given = ("-r", calibrated / "reference.state", "--model", "credit")
    for file, reason in (
        ("thresholds.state", "is for window 100, not 50"),
        ("reference.state", "calibration"),
        ("nowhere.state", "nowhere.state"),
    ):
        refused = run("watch", *given, "--window", 50, "--calibration", calibrated / file)
        assert refused.exit_code == 2
        (line,) = refused.stderr.splitlines()
        assert reason in line
