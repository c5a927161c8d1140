"""The scenario file: what is refused, by which name, and the rows that follow from it."""

from itertools import islice

import numpy as np
import pytest

from executor.demo.scenario import Drift, Scenario, Traffic, load_scenario, severities
from executor.demo.traffic import Holdout, batches
from utils.environment import SettingsError

HOLDOUT = Holdout(
    rows=np.random.default_rng(0).uniform(0, 16, size=(50, 8, 8)).astype(np.float32),
    labels=np.arange(50) % 10,
)


@pytest.fixture
def scenario_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(text: str):
        path = tmp_path / "demo.yaml"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("demo: {drift: {kind: fog}}", ["demo.drift.kind", "sensor_noise", "fog"]),
        ("demo: {drift: {strength: 1.5}}", ["demo.drift.strength", "1.5"]),
        ("demo: {drift: {strength: 0}}", ["demo.drift.strength"]),
        ("demo: {drift: {onset: slow}}", ["demo.drift.onset", "slow"]),
        ("demo: {drift: {onset: ramp, ramp_rows: 5000}}", ["demo.drift.ramp_rows", "5000", "3000"]),
        ("demo: {traffic: {clean_rows: 0}}", ["demo.traffic.clean_rows"]),
        ("demo: {traffic: {drifted_rows: many}}", ["demo.traffic.drifted_rows", "many"]),
        ("demo: {traffic: {rows_per_second: .inf}}", ["demo.traffic.rows_per_second"]),
        ("demo: {traffic: {rows_per_second: 50}}", ["demo.traffic.rows_per_second", "140 s", "60 s"]),
        ("demo: {traffic: {row_per_second: 50}}", ["demo.traffic.row_per_second"]),
        ("traffic: {seed: 1}", ["traffic"]),
    ],
)
def test_a_wrong_scenario_is_one_line_that_names_the_key(scenario_file, text, named):
    with pytest.raises(SettingsError) as caught:
        load_scenario(scenario_file(text))
    message = str(caught.value)
    assert "\n" not in message
    for word in named:
        assert word in message


def test_the_seed_of_the_command_line_wins(scenario_file):
    path = scenario_file("demo: {traffic: {seed: 3}}")
    assert load_scenario(path).traffic.seed == 3
    assert load_scenario(path, seed=5).traffic.seed == 5


def test_a_ramp_rises_to_its_strength_and_a_sudden_drift_starts_there():
    after = np.arange(-1, 6)
    ramp = Drift(strength=0.4, onset="ramp", ramp_rows=4)
    np.testing.assert_allclose(severities(ramp, after), [0, 0, 0.1, 0.2, 0.3, 0.4, 0.4])
    np.testing.assert_allclose(severities(Drift(strength=0.4), after), [0, 0, 0.4, 0.4, 0.4, 0.4, 0.4])


def test_rows_before_the_change_are_hold_out_rows_with_their_labels():
    scenario = Scenario(traffic=Traffic(clean_rows=10, drifted_rows=6, rows_per_request=4))
    first = list(islice(batches(scenario, HOLDOUT), 5))
    assert [(len(b.labels), b.drifted) for b in first] == [(4, 0), (4, 0), (2, 0), (4, 1), (4, 1)]
    for batch in first:
        drawn = [np.flatnonzero((HOLDOUT.rows == row).all(axis=(1, 2))) for row in batch.rows]
        if batch.drifted:
            assert not any(len(found) for found in drawn)
        else:
            assert [HOLDOUT.labels[found[0]] for found in drawn] == batch.labels.tolist()


def test_no_row_comes_twice_before_each_has_come_once():
    scenario = Scenario(traffic=Traffic(clean_rows=150, rows_per_request=7))
    sent = np.concatenate([batch.rows for batch in islice(batches(scenario, HOLDOUT), 22)])[:150]
    for one_pass in sent.reshape(3, 50, 64):
        assert len(np.unique(one_pass, axis=0)) == 50
    assert not np.array_equal(sent[:50], sent[50:100])


def test_the_seed_decides_the_traffic():
    def rows(seed: int) -> np.ndarray:
        scenario = Scenario(traffic=Traffic(clean_rows=20, seed=seed))
        return np.concatenate([batch.rows for batch in islice(batches(scenario, HOLDOUT), 10)])

    np.testing.assert_array_equal(rows(1), rows(1))
    assert not np.array_equal(rows(1), rows(2))


def test_a_ramp_grows_within_a_request():
    drift = Drift(kind="contrast", strength=1.0, onset="ramp", ramp_rows=8)
    scenario = Scenario(traffic=Traffic(clean_rows=4, drifted_rows=8, rows_per_request=4), drift=drift)
    spread = np.concatenate([batch.rows for batch in islice(batches(scenario, HOLDOUT), 3)]).std(axis=(1, 2))
    assert (np.diff(spread[3:]) < 0).all()
    assert spread[-1] == pytest.approx(0.0, abs=1e-6)


def test_a_blurred_table_is_refused_before_anything_is_sent():
    table = Holdout(rows=np.zeros((5, 3), np.float32), labels=np.zeros(5, np.int64))
    with pytest.raises(SettingsError, match=r"demo\.drift\.kind: blur needs images.* 3 columns"):
        batches(Scenario(drift=Drift(kind="blur")), table)
