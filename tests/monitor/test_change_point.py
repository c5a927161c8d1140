"""The split that explains recent rows best, against a plain loop and against known changes."""

from __future__ import annotations

import numpy as np
import pytest

from driftlead.monitor import SignalBins
from driftlead.monitor.change_point import change_point, log_likelihood_ratio
from driftlead.signals import Signal

REFERENCE = {
    "numeric": lambda rng, n: rng.normal(size=n),
    "categorical": lambda rng, n: rng.choice(3, n, p=[0.1, 0.3, 0.6]).astype(float),
}
CHANGED = {
    "location + 1 sd": ("numeric", lambda rng, n: rng.normal(1.0, 1.0, n)),
    "scale × 1.5": ("numeric", lambda rng, n: rng.normal(0.0, 1.5, n)),
    "a category thrice as frequent": (
        "categorical",
        lambda rng, n: rng.choice(3, n, p=[0.3, 0.3, 0.4]).astype(float),
    ),
}


def naive_log_likelihood_ratio(after, common, reference_ratio):
    """Own smoothed shares after the change, shares of the common counts before: against common ones alone."""
    smoothed = after + 0.5 * len(after) * reference_ratio
    together = common + after
    return (
        np.sum(after * np.log(smoothed / smoothed.sum()))
        + np.sum(common * np.log(common / common.sum()))
        - np.sum(together * np.log(together / together.sum()))
    )


def naive_change_point(recent, reference_ratio, reference_size):
    best, best_rows = 0.0, 0
    for rows in range(1, len(recent) + 1):
        before, after = (
            np.bincount(part, minlength=len(reference_ratio)) for part in (recent[:-rows], recent[-rows:])
        )
        evidence = naive_log_likelihood_ratio(
            after, reference_size * reference_ratio + before, reference_ratio
        )
        if evidence > best + 1e-9:
            best, best_rows = evidence, rows
    return best_rows, best


@pytest.mark.parametrize("seed", range(60))
def test_equals_a_plain_loop(seed):
    rng = np.random.default_rng(seed)
    n_bins = int(rng.integers(2, 12))
    ratio = rng.dirichlet(np.ones(n_bins)) + 1e-3
    ratio /= ratio.sum()
    size = int(rng.integers(10, 5_000))
    recent = rng.integers(0, n_bins, int(rng.integers(0, 80)))
    found = change_point(recent, ratio, size)
    rows, expected = naive_change_point(recent, ratio, size)
    assert found.rows == rows
    assert found.log_likelihood_ratio == pytest.approx(expected, abs=1e-8)
    counts = np.bincount(recent, minlength=n_bins)
    expected = naive_log_likelihood_ratio(counts, size * ratio, ratio)
    assert log_likelihood_ratio(counts, ratio, size) == pytest.approx(expected, abs=1e-8)


def test_rows_like_a_small_reference_show_no_change_however_many_they_are():
    rng = np.random.default_rng(3)
    found = []
    for _ in range(50):
        reference = np.bincount(rng.integers(0, 10, 500), minlength=10)
        rows = np.concatenate([rng.integers(0, 10, 10_000), rng.integers(5, 10, 40)])
        found.append(change_point(rows, reference / 500, 500).rows)
    assert np.quantile(found, [0.1, 0.9]).tolist() == pytest.approx([40, 40], abs=10)


def test_no_rows_are_no_change():
    assert change_point(np.empty(0, dtype=np.int64), np.full(10, 0.1), 1_000) == (0, 0.0)


def test_narrow_integers_do_not_overflow():
    rng = np.random.default_rng(4)
    recent = np.concatenate([rng.integers(0, 2, 40_000), np.ones(1_000, dtype=np.int64)])
    ratio = np.full(2, 0.5)
    assert change_point(recent.astype(np.uint8), ratio, 1_000) == change_point(recent, ratio, 1_000)


@pytest.mark.parametrize(
    ("change", "rows_after", "most"),
    [("location + 1 sd", 35, 4), ("scale × 1.5", 120, 20), ("a category thrice as frequent", 120, 10)],
)
def test_known_changes_are_found_where_they_are(change, rows_after, most):
    kind, draw = CHANGED[change]
    rng = np.random.default_rng(5)
    errors = []
    for _ in range(200):
        sample = np.sort(REFERENCE[kind](rng, 5_000))
        bins = SignalBins.from_sample(Signal("a", kind), sample, 0)
        rows = np.concatenate([REFERENCE[kind](rng, 3_000), draw(rng, rows_after)])
        distinct = np.unique(sample)
        below = np.searchsorted(distinct, rows)
        tied = distinct[np.minimum(below, len(distinct) - 1)] == rows
        recent = bins.of_slot[2 * below + tied]
        errors.append(change_point(recent, bins.reference_ratio, 5_000).rows - rows_after)
    assert np.median(np.abs(errors)) <= most
    assert abs(np.median(errors)) <= most / 2
