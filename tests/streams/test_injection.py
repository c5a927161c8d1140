"""Drift laid into a user's own rows does what its kind says, where and when it says."""

from __future__ import annotations

import numpy as np
import pytest

from driftlead.errors import InvalidDataError, InvalidParameterError
from driftlead.streams import INJECTIONS, ONSETS, inject, inject_batches


@pytest.fixture
def table() -> np.ndarray:
    rng = np.random.default_rng(1)
    numbers = rng.normal(loc=[0.0, 10.0, -5.0], scale=[1.0, 3.0, 0.1], size=(2_000, 3))
    codes = rng.choice([0.0, 1.0, 2.0], p=[0.2, 0.5, 0.3], size=(2_000, 1))
    rows = np.hstack([numbers, codes])
    rows[::50, 1] = np.nan
    return rows


@pytest.mark.parametrize("kind", INJECTIONS)
def test_only_the_chosen_columns_change_and_only_from_the_row_on(kind, table):
    given = table.copy()
    stream = inject(table, kind, 0.5, [1, 3], seed=4, at=700)
    np.testing.assert_array_equal(table, given)
    np.testing.assert_array_equal(stream.rows[:700], table[:700])
    np.testing.assert_array_equal(stream.rows[:, [0, 2]], table[:, [0, 2]])
    assert not np.array_equal(stream.rows[700:, 3], table[700:, 3])
    assert stream.changes == ((700, f"sudden {kind}", 1, (1, 3)),)


def test_each_kind_by_its_definition(table):
    before, tail = table[:1_000], slice(1_000, None)
    deviation, mean = np.nanstd(before[:, 1]), np.nanmean(before[:, 1])
    old = table[tail, 1]

    def new(kind, strength, columns):
        return inject(table, kind, strength, columns, seed=2, at=1_000).rows[tail]

    np.testing.assert_allclose(new("shift", 2.0, [1])[:, 1], old + 2.0 * deviation)
    np.testing.assert_allclose(new("scale", 0.5, [1])[:, 1], mean + 1.5 * (old - mean))
    added = new("noise", 0.5, [1])[:, 1] - old
    assert np.nanstd(added) == pytest.approx(0.5 * deviation, rel=0.1)
    lost = np.isnan(new("missing", 0.3, [0])[:, 0])
    assert lost.mean() == pytest.approx(0.3, abs=0.05)
    swapped = new("swap", 1.0, [3])[:, 3]
    np.testing.assert_array_equal(swapped, np.array([0.0, 2.0, 1.0])[table[tail, 3].astype(int)])
    np.testing.assert_array_equal(new("shuffle", 1.0, [0, 1, 2])[:, :3], table[tail][:, [2, 0, 1]])


@pytest.mark.parametrize("kind", INJECTIONS)
@pytest.mark.parametrize("onset", ONSETS)
def test_batches_are_cut_anyhow_and_hold_the_same_rows(kind, onset, table):
    whole = inject(table, kind, 0.8, [0, 1, 3], seed=9, at=600, onset=onset, length=300)
    cut = np.split(table, [1, 17, 599, 603, 1500])
    parts = inject_batches(
        cut, kind, 0.8, [0, 1, 3], seed=9, at=600, like=table[:600], onset=onset, length=300
    )
    np.testing.assert_array_equal(np.concatenate(list(parts)), whole.rows)


def test_a_ramp_grows(table):
    stream = inject(table, "shift", 3.0, [2], seed=0, at=500, onset="ramp", length=1_000)
    moved = (stream.rows - table)[:, 2] / np.nanstd(table[:500, 2])
    np.testing.assert_allclose(moved, 3.0 * np.clip((np.arange(2_000) - 499) / 1_000, 0.0, 1.0))
    assert stream.changes[0].length == 1_000


def test_a_random_row_lies_in_the_middle_half(table):
    rows = [inject(table, "shift", 1.0, [0], seed=seed).changes[0].row for seed in range(60)]
    assert 500 <= min(rows) < 700 < 1_300 < max(rows) < 1_500
    assert len(set(rows)) > 40


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"kind": "melt"}, InvalidParameterError, "kind must be one of shift, scale"),
        ({"columns": [4]}, InvalidParameterError, "columns must be some of 0 to 3"),
        ({"columns": []}, InvalidParameterError, "columns must be some of 0 to 3"),
        ({"kind": "missing", "strength": 1.5}, InvalidParameterError, "strength must be a share"),
        ({"at": 2_000}, InvalidParameterError, "at must be from 1 to 1999, got 2000"),
        ({"at": 0}, InvalidParameterError, "at must be from 1 to 1999, got 0"),
        ({"rows": np.zeros(10)}, InvalidDataError, r"rows must have shape \(n, d\)"),
        ({"rows": np.zeros((10, 2)), "kind": "swap"}, InvalidDataError, "at least two categories"),
    ],
)
def test_mistakes_are_named(change, error, message, table):
    asked = {"rows": table, "kind": "shift", "strength": 1.0, "columns": [0], "seed": 0} | change
    with pytest.raises(error, match=message):
        inject(**asked)
