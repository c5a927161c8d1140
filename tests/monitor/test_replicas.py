"""Replicas that saw a share of the rows each, judged as the one monitor that saw them all."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from driftlead.errors import InvalidParameterError, StateError
from driftlead.monitor import Monitor
from tests.monitor.conftest import draw


def served(profile, settings, rows, replicas, rng):
    """One monitor of all rows, and some that got each row by chance; a row a second."""
    whole = Monitor(profile, settings)
    parts = [Monitor(profile, settings) for _ in range(replicas)]
    for second, row in enumerate(rows):
        whole.process(row[np.newaxis], observed_at=float(second))
        parts[rng.integers(replicas)].process(row[np.newaxis], observed_at=float(second))
    return whole, parts


@pytest.mark.parametrize("rows", [30, 250, 1_500])
def test_statistics_of_windows_are_those_of_one_monitor(profile, settings, rng, rows):
    stream = np.concatenate([draw(rng, rows - 20), draw(rng, 20, shift=1.5)])
    stream[::17, 1] = np.nan
    whole, parts = served(profile, settings, stream, 4, rng)
    merged = Monitor.merged(profile, [part.state() for part in parts], settings)
    left, right = whole.snapshot(), merged.snapshot()
    assert left.rows == right.rows == rows
    np.testing.assert_array_equal(left.window_mean, right.window_mean)
    for mine, theirs in zip(left.detectors, right.detectors, strict=True):
        if mine.name != "page_hinkley":
            # The categories tie, and KS takes those in a random order of their own.
            exact = slice(2) if mine.name == "incremental_ks" else slice(None)
            np.testing.assert_array_equal(mine.statistic[exact], theirs.statistic[exact])
            np.testing.assert_allclose(mine.statistic, theirs.statistic, atol=0.05)
            np.testing.assert_array_equal(mine.threshold, theirs.threshold)
    whole_counts = [counts.tolist() for counts in left.bin_counts]
    assert whole_counts == [counts.tolist() for counts in right.bin_counts]
    added = [sum(part.snapshot().bin_counts[signal] for part in parts) for signal in range(3)]
    assert whole_counts == [counts.tolist() for counts in added]


def test_replicas_that_each_see_too_little_show_the_drift_together(profile, settings, rng):
    stream = np.concatenate([draw(rng, 1_000), draw(rng, 60, shift=1.0)])
    _, parts = served(profile, settings, stream, 8, rng)
    assert not any(part.snapshot().drifting for part in parts)
    merged = Monitor.merged(profile, [part.state() for part in parts], settings).snapshot()
    assert {
        merged.signals[detector.columns[index]].name
        for detector in merged.detectors
        for index in np.flatnonzero(detector.statistic > detector.threshold)
    } == {"feature:a"}


def test_alarms_of_replicas_add(profile, settings, rng):
    stream = np.concatenate([draw(rng, 400), draw(rng, 600, shift=3.0)])
    _, parts = served(profile, settings, stream, 2, rng)
    merged = Monitor.merged(profile, [part.state() for part in parts], settings).snapshot()
    for index, detector in enumerate(merged.detectors):
        expected = sum(part.snapshot().detectors[index].alarms for part in parts)
        np.testing.assert_array_equal(detector.alarms, expected)
    times = [alarm.at for alarm in merged.recent_alarms]
    assert times == sorted(times)
    assert len(times) == sum(len(part.snapshot().recent_alarms) for part in parts)


def test_replicas_of_another_model_or_setting_are_refused(profile, settings, rng):
    one = Monitor(profile, settings)
    one.process(draw(rng, 10))
    with pytest.raises(InvalidParameterError, match="states must be at least one"):
        Monitor.merged(profile, [], settings)
    with pytest.raises(StateError, match="saved for another model, reference or setting"):
        Monitor.merged(profile, [one.state()], dataclasses.replace(settings, window=150))
    with pytest.raises(StateError, match="incomplete"):
        Monitor.merged(profile, [{}], settings)
