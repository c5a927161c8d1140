"""Units of work find what is known of them beforehand."""

from __future__ import annotations

import functools
import math
import subprocess
import sys

import numpy as np
import pytest

from driftlead.benchmark import DetectorRun, Unit, draw, of_peer, tune
from driftlead.benchmark.competitor import Competitor
from driftlead.errors import DriftleadError, InvalidParameterError
from driftlead.streams import location, sea
from tests.benchmark.competitors import OURS, PROGRAM, THRESHOLD, UNIFORM, Threshold, uniform


def unit(work="measure", competitor=THRESHOLD, seed=0, level=0.99, scenario=UNIFORM, budget=100.0):
    return Unit(work, competitor, scenario, seed, "tuned", level, budget)


def test_false_alarms_are_counted_on_the_unchanged_stream():
    quiet = unit().do()[0]
    assert quiet["alarms"] == int((uniform(0).unchanged.rows > 0.99).sum())
    assert (quiet["rows"], quiet["change"]) == (2_000, None)
    assert quiet["seconds"] == pytest.approx(2_000e-6)


def test_a_delay_runs_from_the_change_to_the_row_of_the_alarm():
    # The level cannot be exceeded before; afterwards at rows 101, 102, … of the ramp.
    (_, rises, never) = unit(level=1.0).do()
    assert (rises["delay"], rises["early"], rises["waited"]) == (102, False, 300)
    assert (never["delay"], never["early"]) == (None, False)


def test_a_run_that_alarmed_before_the_change_has_no_delay():
    (_, rises, _) = unit(level=0.5).do()
    assert (rises["delay"], rises["early"]) == (None, True)


@pytest.mark.parametrize("budget", [20.0, 100.0])
def test_tuning_meets_the_budget(budget):
    (tuned,) = unit("tune", level=None, budget=budget).do()
    assert tuned["level"] == pytest.approx(1.0 - 1.0 / budget, abs=0.4 / budget)
    assert tuned["expected_alarms"] >= 50


@pytest.mark.parametrize("competitor", OURS, ids=lambda each: each.name)
def test_tuning_finds_the_thresholds_that_tables_give(competitor):
    scenario = type(UNIFORM)("normal", functools.partial(draw, {"": (location(), "sudden", 1)}))
    (tuned,) = Unit("tune", competitor, scenario, 0, "tuned", None, 1_000.0).do()
    shipped = competitor.start(scenario.make(0).reference, None, 0, False)._detectors[0].threshold[0]
    assert tuned["level"] == pytest.approx(shipped, rel=0.12)


def test_tuning_sees_no_stream_that_is_measured_on():
    def late(seed):
        assert seed >= 1_000_000
        return uniform(seed)

    assert tune(unit("tune", scenario=type(UNIFORM)("late", late)))["level"] > 0.9


def test_effort_takes_a_share_of_the_rows():
    less = Competitor("less", Threshold, levels=(0.5, 1.0), effort=0.2)
    (full,), (short,) = (
        unit("tune", competitor=each, level=None, budget=200.0).do() for each in (THRESHOLD, less)
    )
    assert short["expected_alarms"] * 5 == full["expected_alarms"]


def test_excursions_closer_than_the_gap_count_once_over_batches_too():
    class Script:
        def update_many(self, rows):
            return type("Trace", (), {"alarm": rows > 0})

    marks = np.zeros(100)
    marks[[3, 4, 12, 13, 25, 60, 69]] = 1.0
    for size in (1, 7, 100):
        run = DetectorRun([Script()], gap=10)
        raised = [run.feed(marks[a : a + size, np.newaxis]) for a in range(0, 100, size)]
        assert np.flatnonzero(np.concatenate(raised)).tolist() == [3, 25, 60]
    every = DetectorRun([Script()], gap=1).feed(marks[:, np.newaxis])
    assert np.flatnonzero(every).tolist() == [3, 4, 12, 13, 25, 60, 69]


@pytest.mark.parametrize("competitor", OURS, ids=lambda each: each.name)
def test_our_detectors_hold_what_they_hold(competitor):
    (record,) = unit("footprint", competitor, level=None).do()
    assert 1_000 < record["held"] < 200_000
    assert abs(record["growth"]) < 1.0


def test_a_digest_knows_everything_that_matters_and_nothing_else():
    one = unit()
    others = [
        unit("footprint"), unit(seed=1), unit(level=0.98), unit(budget=99.0), unit(competitor=OURS[0]),
        unit(scenario=type(UNIFORM)("uniform", functools.partial(uniform, 3))),
        unit(scenario=type(UNIFORM)("uniform", functools.partial(uniform, np.arange(3)))),
    ]  # fmt: skip
    digests = [each.digest for each in (one, *others)]
    assert len(set(digests)) == len(digests)
    code = "from tests.benchmark.test_measure import unit; print(unit().digest)"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False,
                           env={"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": "7"})  # fmt: skip
    assert other.stdout.strip() == one.digest, other.stderr


def test_a_callable_without_a_name_cannot_be_known_again():
    nameless = Competitor("x", lambda *_: Threshold(None, None, 0, False))
    with pytest.raises(InvalidParameterError, match="callable must be a function of a module"):
        unit(competitor=nameless).do()


def test_a_peer_answers_through_the_pipe():
    peer = of_peer("far", sys.executable, PROGRAM, "limit", levels=(0.5, 1.0))
    ours, theirs = unit(level=0.99).do(), unit(competitor=peer, level=0.99).do()
    keys = ("change", "rows", "alarms", "delay", "early")
    assert [[each.get(key) for key in keys] for each in theirs] == [
        [each.get(key) for key in keys] for each in ours
    ]
    assert theirs[0]["seconds"] == pytest.approx(0.25 * 8)  # batches
    assert unit("footprint", competitor=peer).do()[0]["held"] == 4_096
    highest = uniform(0).reference.max()  # the reference arrived
    alarms = unit(competitor=peer, level=None).do()[0]["alarms"]
    assert alarms == int((uniform(0).unchanged.rows > highest).sum())


@pytest.mark.parametrize(
    ("python", "adapter", "message"),
    [
        (sys.executable, "unknown", "peer_program.py: KeyError: unknown"),
        (sys.executable, "dies", "peer_program.py ended while it was asked to start"),
        ("/no/python", "limit", "/no/python cannot be started: No such file"),
    ],
)
def test_a_peer_that_fails_is_named(python, adapter, message):
    with pytest.raises(DriftleadError, match=message):
        unit(competitor=of_peer("far", python, PROGRAM, adapter)).do()


def test_draws_share_rows_up_to_the_change_and_have_errors_where_asked():
    drawn = draw({"a": (location(0.5), "sudden", 1), "b": (location(3.0), "ramp", 50)}, seed=5)
    (row,) = {stream.changes[0].row for stream in drawn.changed.values()}
    assert 300 <= row < 900
    np.testing.assert_array_equal(drawn.changed["a"].rows[:row], drawn.changed["b"].rows[:row])
    assert all(len(stream.rows) == row + 2_000 for stream in drawn.changed.values())
    errors = draw({"a": (sea(), "sudden", 1)}, seed=5, errors=True)
    assert set(np.unique(errors.unchanged.rows)) == {0.0, 1.0}
    assert errors.reference.mean() == pytest.approx(0.1, abs=0.04)
    with pytest.raises(InvalidParameterError, match="changes must be at least one"):
        draw({}, seed=0)
    assert not math.isclose(drawn.reference.mean(), drawn.unchanged.rows.mean())


def test_tuning_is_not_fooled_by_levels_at_which_one_excursion_never_ends():
    class Endless(Threshold):
        def feed(self, rows):
            return np.zeros(len(rows), dtype=bool) if self.level < 0.8 else super().feed(rows)

    endless = Competitor("endless", Endless, levels=(0.5, 1.0))
    assert tune(unit("tune", competitor=endless, level=None))["level"] == pytest.approx(0.99, abs=0.005)
