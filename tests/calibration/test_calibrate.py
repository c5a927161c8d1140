"""A whole monitor's budget: tables, simulation, correlation, report, state, and the command line."""

from __future__ import annotations

import math

import numpy as np
import pytest
from typer.testing import CliRunner

from driftlead import state, thresholds
from driftlead.calibration import (
    Calibration,
    DetectorSpec,
    autoregression,
    calibrate,
    incremental_ks,
    nmddm,
    page_hinkley,
    rows_per_false_alarm,
)
from driftlead.calibration.counting import excursions
from driftlead.calibration.simulation import SignalModel, simulate_laws
from driftlead.cli import app
from driftlead.detectors import IncrementalKS
from driftlead.errors import InvalidDataError, InvalidParameterError, ReferenceMismatchError, StateError
from driftlead.reference import ReferenceProfile
from driftlead.signals import Signal, feature_signals


def profile_of(rows, kinds=None):
    kinds = kinds or ["numeric"] * rows.shape[1]
    return ReferenceProfile.from_rows(
        [Signal(f"s{j}", kind) for j, kind in enumerate(kinds)], rows, model_hash="1f"
    )


def autoregressive(rng, rows, columns, phi):
    steps = rng.normal(size=(rows + 200, columns)) * math.sqrt(1.0 - phi**2)
    value, path = np.zeros(columns), np.empty_like(steps)
    for row, step in enumerate(steps):
        value = phi * value + step
        path[row] = value
    return path[200:]


def test_excursions_less_than_a_window_apart_count_once():
    path = np.zeros((1, 40))
    path[0, [5, 8, 17, 30]] = [2.0, 1.0, 2.0, 3.0]  # gaps 3, 9, 13; the second only above the first level
    counts = np.zeros((1, 3), dtype=np.int64)
    excursions(path, np.array([[0.5, 1.5, 2.5]]), 10, 0, counts)
    assert counts.tolist() == [[2, 3, 1]]
    excursions(path, np.array([[0.5, 1.5, 2.5]]), 10, 6, counts)  # what opens in the burn-in does not count
    assert counts.tolist() == [[3, 5, 2]]


@pytest.mark.parametrize(("phi", "order"), [(0.0, 0), (0.3, 1), (0.9, 1)])
def test_autoregression_is_found_whatever_the_margins(phi, order):
    rows = np.exp(autoregressive(np.random.default_rng(5), 4_000, 6, phi))
    fitted = autoregression.fit(autoregression.normal_scores(rows, seed=0))
    assert np.median(fitted.order) == order
    assert np.allclose(fitted.coefficients[:, 0], phi, atol=0.06)


def test_simulated_autoregressions_have_the_moments_that_theory_gives():
    coefficients = np.zeros((1, 8))
    coefficients[0, :2] = 0.5, 0.3
    path = np.empty((1, 400_000))
    autoregression.simulate(coefficients, np.random.default_rng(1).normal(size=(1, 400_500)), path)
    assert path.var() == pytest.approx(1.0, abs=0.03)
    means = path.reshape(400, 1_000).mean(axis=1)
    assert means.var() * 1_000 == pytest.approx(autoregression.long_run_variance(coefficients)[0], rel=0.2)
    shares = (path.reshape(2_000, 200) < 0.0).mean(axis=1)
    assert 4.0 * shares.var() == pytest.approx(
        autoregression.variance_of_share(coefficients[0], 200), rel=0.15
    )


def test_a_simulated_reference_has_about_the_dependence_that_was_found():
    n, d = 3_000, 200
    coefficients = np.zeros((d, autoregression.MAX_ORDER))
    coefficients[: d // 2, 0], coefficients[d // 2 :, :2] = 0.9, (0.5, 0.3)
    fitted = autoregression.Autoregressions(np.repeat([1, 2], d // 2), coefficients)
    innovations = np.random.default_rng(2).standard_normal((d, n + autoregression.WARM_UP))
    truths = autoregression.truths(fitted, innovations)
    sample = np.empty((d, n))
    autoregression.simulate(truths, innovations, sample)
    again = autoregression.fit(autoregression.normal_scores(sample.T, seed=0))
    found = again.order == fitted.order
    assert found.mean() > 0.9  # BIC may choose another order now and then
    off, apart = (again.coefficients - coefficients)[found], (truths - coefficients)[found]
    assert off[:, 0].std() < apart[:, 0].std() / 5.0
    # Estimates are pulled towards 0, so the truths that explain a fit lie beyond it.
    assert apart[found.nonzero()[0] < d // 2, 0].mean() > 0.001


def test_simulation_agrees_with_the_tables_on_independent_rows():
    n, window, budget = 2_000, 100, 3_000.0
    specs = [incremental_ks(window), page_hinkley(), nmddm(window)]
    (laws,) = simulate_laws([(SignalModel(n, 0, np.zeros(8)), specs)], rows=600_000, seed=3)
    found = [thresholds.level_at_rate(laws[s.name].log_rate, budget, laws[s.name].lowest) for s in specs]
    known = [
        thresholds.incremental_ks(budget, n, window),
        thresholds.page_hinkley(budget, n),
        thresholds.nmddm(budget, n, window),
    ]
    assert found == pytest.approx(known, rel=0.03)


def test_independent_signals_take_the_tables_and_share_the_budget_evenly():
    rows = np.random.default_rng(2).normal(size=(2_000, 3))
    calibration = calibrate(
        profile_of(rows), false_alarm_every=10_000, detectors=[incremental_ks(100)], joint_budget=False
    )
    assert (
        calibration.thresholds("incremental_ks").tolist()
        == [thresholds.incremental_ks(30_000, 2_000, 100)] * 3
    )
    assert not any(pair.simulated for pair in calibration.pairs)
    assert calibration.pairs[0].false_alarm_every == pytest.approx(30_000, rel=0.1)


def test_categories_are_priced_by_table_for_ks_simulated_for_nmddm_and_not_watched_by_page_hinkley():
    rng = np.random.default_rng(4)
    rows = np.stack([rng.normal(size=2_000), rng.choice(3, size=2_000, p=[0.7, 0.2, 0.1])], axis=1)
    calibration = calibrate(
        profile_of(rows, ["numeric", "categorical"]), rows, false_alarm_every=1_000,
        detectors=[page_hinkley(), incremental_ks(100), nmddm(100)],
    )  # fmt: skip
    assert calibration.columns("page_hinkley").tolist() == [0]
    assert calibration.columns("incremental_ks").tolist() == [0, 1]
    assert calibration.columns("nmddm").tolist() == [0, 1]
    assert [pair.simulated for pair in calibration.pairs] == [False, False, False, False, True]
    # Its ties are broken at random: ranks are those of any signal.
    assert len(set(calibration.thresholds("incremental_ks"))) == 1
    numeric, categorical = calibration.thresholds("nmddm")
    assert 5.0 < categorical < numeric


def test_a_detector_that_nobody_knows_is_simulated():
    spec = DetectorSpec(
        "mine", lambda reference, threshold, _: IncrementalKS(reference, 100, threshold=threshold), window=100
    )
    rows = np.random.default_rng(6).normal(size=(2_000, 2))
    calibration = calibrate(profile_of(rows), rows, false_alarm_every=1_500, detectors=[spec])
    known = thresholds.incremental_ks(3_000, 2_000, 100)
    assert calibration.thresholds("mine") == pytest.approx(np.full(2, known), rel=0.05)


def test_report_names_what_was_done_and_warns_with_numbers():
    rng = np.random.default_rng(9)
    rows = np.stack([rng.normal(size=1_500), autoregressive(rng, 1_500, 1, 0.7)[:, 0]], axis=1)
    seen = []
    calibration = calibrate(
        profile_of(rows), rows, false_alarm_every=2_000, detectors=[incremental_ks(100), page_hinkley(0.01)],
        progress=lambda what, done, total: seen.append((what, done, total)),
    )  # fmt: skip
    report = calibration.report()
    assert "one false alarm per 2,000 rows, on average over references" in report
    assert "false alarms come together: 0.96 episodes per alarm, thresholds lowered" in report
    assert "2 of 2 references hold fewer than 5,000 values (s0: 1,500)" in report
    assert "depend on their past (s1: 1 lags)" in report
    assert "2 of 2 references are shorter than 20 windows of 100" in report
    assert "delta 0.01 lies within the error of the mean" in report
    head, table, simulated = (line.split() for line in report.splitlines()[4:7])
    assert head == ["signal", "values", "lags", "incremental_ks", "page_hinkley"]
    assert [len(table), len(simulated)] == [5, 7]  # two thresholds; each with what it is known to
    assert simulated[4].startswith("~")
    assert simulated[4].endswith("%")
    assert seen == [("simulating signals", done, 1) for done in (0, 1)]


def test_a_calibration_comes_back_from_its_state_file(tmp_path):
    rows = np.random.default_rng(3).normal(size=(1_000, 2))
    calibration = calibrate(profile_of(rows), rows, guarantee=0.9)
    state.save(tmp_path / "c", "calibration", 1, calibration.to_state())
    assert Calibration.from_state(state.load(tmp_path / "c", "calibration")[1]) == calibration
    broken = calibration.to_state()
    del broken["columns"]
    with pytest.raises(StateError, match="unreadable"):
        Calibration.from_state(broken)
    with pytest.raises(StateError, match="version 9"):
        Calibration.from_state(calibration.to_state() | {"version": 9})


def test_a_calibration_of_the_first_version_loads_but_serves_no_monitor():
    rows = np.random.default_rng(3).normal(size=(1_000, 1))
    profile, tests = profile_of(rows), [incremental_ks(50)]
    calibration = calibrate(profile, detectors=tests)
    calibration.require(profile, 1e6, tests)
    old = {key: value for key, value in calibration.to_state().items() if key != "parameters"}
    first = Calibration.from_state(old | {"version": 1})
    assert first.pairs == calibration.pairs
    with pytest.raises(ReferenceMismatchError, match="did not keep its detectors' parameters"):
        first.require(profile, 1e6, tests)


def test_a_calibration_is_of_one_reference_not_of_another_as_long():
    rng = np.random.default_rng(3)
    profile, other = (profile_of(rng.normal(size=(1_000, 1))) for _ in range(2))
    tests = [incremental_ks(50)]
    calibration = calibrate(profile, detectors=tests)
    calibration.require(ReferenceProfile.from_state(profile.to_state()), 1e6, tests)
    with pytest.raises(ReferenceMismatchError, match="for other reference values: calibrate anew"):
        calibration.require(other, 1e6, tests)
    kept = {key: value for key, value in calibration.to_state().items() if key != "reference"}
    Calibration.from_state(kept | {"version": 2}).require(other, 1e6, tests)  # which kept no digest


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"episode_gap": 0}, "episode_gap must be at least 1, got 0"),
        ({"false_alarm_every": "soon"}, "false_alarm_every must be a number of rows above 1, or a time"),
        ({"false_alarm_every": "30 days"}, "rows_per_second must be given and above 0"),
        ({"guarantee": 0.4}, "guarantee must be above 0.5 and below 1, or None, got 0.4"),
        ({"detectors": [incremental_ks(), incremental_ks()]}, "each with a name of its own"),
        ({"detectors": []}, "detectors must be at least one"),
        ({"episode_gap": "x"}, "episode_gap must be an integer of at least 1, got 'x'"),
        ({"guarantee": "x"}, "guarantee must be above 0.5 and below 1, or None, got 'x'"),
        ({"false_alarm_every": None}, "false_alarm_every must be a number of rows above 1, or a time"),
        ({"false_alarm_every": "1 day", "rows_per_second": "x"}, "rows_per_second must be given and above 0"),
        (
            {"detectors": ["nmddm"]},
            r"detectors must be specifications, such as nmddm\(window=500\), got 'nmddm'",
        ),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"seed": 0.5}, "seed must be an integer from 0 to"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(InvalidParameterError, match=message):
        calibrate(profile_of(np.ones((10, 1)) * np.arange(10)[:, None]), **settings)


def test_rows_must_fit_the_profile():
    with pytest.raises(InvalidDataError, match=r"rows must have shape \(n, 1\)"):
        calibrate(profile_of(np.arange(10.0)[:, None]), np.zeros((5, 2)))
    with pytest.raises(InvalidDataError, match="rows must be numeric"):
        calibrate(profile_of(np.arange(10.0)[:, None]), [["a"]] * 5)


@pytest.mark.parametrize(
    ("text", "rows"), [("1e6", 1e6), ("500 rows", 500), ("2 hours", 7_200 * 3.0), ("1 Day", 86_400 * 3.0)]
)
def test_budgets_are_read(text, rows):
    assert rows_per_false_alarm(text, rows_per_second=3.0) == rows


def test_the_command_line_prints_the_same_report(tmp_path):
    rows = np.random.default_rng(3).normal(size=(600, 2)).round(6)
    file = tmp_path / "reference.csv"
    file.write_text("a,b\n" + "\n".join(f"{a},{b}" for a, b in rows.tolist()) + "\n")
    answer = CliRunner().invoke(app, ["calibrate", str(file), "--false-alarm-every", "1e5", "--window", "50"])
    assert answer.exit_code == 0
    profile = ReferenceProfile.from_rows(feature_signals(["a", "b"]), rows, model_hash="x")
    expected = calibrate(
        profile, rows, false_alarm_every=1e5, detectors=[page_hinkley(), incremental_ks(50), nmddm(50)]
    )
    assert answer.stdout.strip() == expected.report().strip()


def test_pairs_that_cannot_alarm_are_named():
    rows = np.random.default_rng(3).normal(size=(300, 1))
    calibration = calibrate(profile_of(rows), detectors=[incremental_ks(2)])
    assert calibration.pairs[0].false_alarm_every == math.inf
    report = calibration.report()
    assert "expected: no alarms" in report
    assert report.splitlines()[4].split()[-2:] == ["cannot", "alarm"]
    assert "1 of 1 pairs cannot alarm (s0): a window of 2 is too short for the budget" in report


@pytest.mark.parametrize("kind", ["numeric", "categorical"])
@pytest.mark.parametrize("values", [
    np.zeros(300), np.arange(300) == 7, np.arange(300) % 2, np.arange(300.0),
    np.where(np.arange(300) % 3 == 0, np.inf, np.arange(300.0)),
], ids=["constant", "one odd value", "alternating", "trend", "infinite"])  # fmt: skip
def test_odd_signals_are_calibrated_all_the_same(values, kind, monkeypatch):
    monkeypatch.setattr("driftlead.calibration.pricing._ROWS_PER_SIGNAL", (20_000, 20_000))
    rows = values.astype(float)[:, np.newaxis]
    calibration = calibrate(profile_of(rows, [kind]), rows, detectors=[page_hinkley(), nmddm(20)])
    assert np.isfinite(calibration.thresholds("nmddm")).all()
    assert calibration.report()


@pytest.mark.parametrize("window", [2, 3, 5, 8])
def test_a_window_too_short_for_dependent_rows_is_named(window, monkeypatch):
    monkeypatch.setattr("driftlead.calibration.pricing._ROWS_PER_SIGNAL", (20_000, 20_000))
    rows = autoregressive(np.random.default_rng(7), 2_000, 1, 0.6)
    calibration = calibrate(profile_of(rows), rows, detectors=[incremental_ks(window), nmddm(window)])
    mute = {pair.detector for pair in calibration.pairs if pair.false_alarm_every == math.inf}
    assert mute == {"incremental_ks", "nmddm"} - ({"nmddm"} if window == 8 else set())
    for name in mute:
        assert (
            f"{name}: 1 of 1 pairs cannot alarm (s0): a window of {window} is too short"
            in calibration.report()
        )


def test_a_column_that_identifies_rows_is_named():
    rows = np.stack([np.arange(300.0), np.arange(300.0) % 5], axis=1)
    profile = profile_of(rows, ["categorical", "categorical"])
    said = calibrate(profile, detectors=[incremental_ks(50)]).report()
    assert "1 of 2 signals have a category for every other value or more (s0): what identifies" in said


def test_few_rows_are_not_taken_for_correlated_signals():
    rng = np.random.default_rng(1)
    for _ in range(20):
        rows = rng.normal(size=(20, 5))  # of which some pair always correlates by 0.4
        calibration = calibrate(profile_of(rows), rows, detectors=[page_hinkley()], false_alarm_every=1e5)
        assert calibration.episode_share > 0.98
    rows = rng.normal(size=(200, 1)) + 0.5 * rng.normal(size=(200, 5))
    correlated = calibrate(profile_of(rows), rows, detectors=[page_hinkley()], false_alarm_every=1e5)
    assert correlated.episode_share < 0.8


def test_a_window_longer_than_half_the_reference_is_named():
    rows = np.random.default_rng(3).normal(size=(150, 2))
    report = calibrate(profile_of(rows), detectors=[incremental_ks(100)]).report()
    assert "2 of those are shorter than 2 windows (s0: 150)" in report
    assert "a window of at most 75 would suit" in report


def test_signals_with_equal_numbers_share_a_line_and_long_tables_are_cut():
    rng = np.random.default_rng(9)
    rows = rng.normal(size=(400, 500))
    rows[::7, 3:5] = np.nan
    calibration = calibrate(profile_of(rows), detectors=[incremental_ks(20), nmddm(20)])
    table = calibration.report().splitlines()[4:6]
    assert [line.split()[:5] for line in table] == [["s0", "and", "497", "more", "400"],
                                                    ["s3", "and", "1", "more", "342"]]  # fmt: skip
    assert calibration.report(1).splitlines()[5] == "… and 2 signals more"
    expected = float(calibration.report().splitlines()[1].split()[3].replace(",", ""))
    assert expected == pytest.approx(1e6, rel=0.15)  # the KS distance takes few values


@pytest.mark.parametrize(
    ("command", "options", "message"),
    [
        ("calibrate", ["--seed", "-1"], "--seed must be at least 0, got -1"),
        ("profile", ["--seed", "-1", "-o", "never.state"], "--seed must be at least 0, got -1"),
        (
            "calibrate",
            ["--false-alarm-every", "1e-3"],
            "--false-alarm-every must be a number of rows above 1",
        ),
        ("calibrate", ["--false-alarm-every", "30 days"], "--rows-per-second must be given and above 0"),
        ("calibrate", ["--columns", "a,c"], "has no column 'c': its columns are a, b"),
        (
            "calibrate",
            ["-o", "no/such.state"],
            "--output must be a file that can be written (No such file or directory), got",
        ),
        (
            "profile",
            ["-o", "no/such.state"],
            "--output must be a file that can be written (No such file or directory), got",
        ),
    ],
)
def test_the_command_line_names_option_rule_and_value(tmp_path, command, options, message):
    file = tmp_path / "reference.csv"
    file.write_text("a,b\n" + "1,2\n" * 10)
    answer = CliRunner().invoke(app, [command, str(file), *options])
    assert answer.exit_code == 2
    assert message in answer.stderr
    assert len(answer.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n3\n", "Expected 2 columns, got 1"),
        ("a,b\n", "has no value in any of the 0 rows"),
        ("", "cannot be read as csv"),
        (None, "not found"),
    ],
)
def test_the_command_line_answers_bad_files_with_one_line(tmp_path, text, message):
    file = tmp_path / "reference.csv"
    if text is not None:
        file.write_text(text)
    answer = CliRunner().invoke(app, ["calibrate", str(file)])
    assert answer.exit_code == 2
    assert message in answer.stderr
    assert len(answer.stderr.strip().splitlines()) == 1
