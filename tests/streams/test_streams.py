"""Streams have the distribution, the change and the onset that they say, whatever the seed."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

from driftlead.errors import InvalidParameterError
from driftlead.streams import (
    MARGINS,
    ONSETS,
    autoregressive,
    correlation,
    error_stream,
    extent,
    generate,
    hyperplane,
    led,
    location,
    random_rows,
    scale,
    sea,
    seasonal,
    shape,
    sine,
)

NUMBERS = [location(0.7), scale(1.5), shape("bimodal"), correlation(0.8)]
CONCEPTS = [sea(), sine(), hyperplane(), led()]
LAWS = {
    "normal": stats.norm(),
    "t3": stats.t(3),
    "lognormal": stats.lognorm(1.0),
    "exponential": stats.expon(),
    "uniform": stats.uniform(),
}


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


@pytest.mark.parametrize("name", LAWS)
def test_margins_are_scipys(name):
    values = MARGINS[name].draw(np.random.default_rng(6).standard_normal((20_000, 1)), rng())[:, 0]
    assert stats.kstest(values, LAWS[name].cdf).pvalue > 0.001
    assert (MARGINS[name].mean, MARGINS[name].deviation) == pytest.approx(
        (LAWS[name].mean(), LAWS[name].std())
    )


@pytest.mark.parametrize("name", sorted(set(MARGINS) - set(LAWS)))
def test_other_margins_have_the_stated_mean_and_deviation(name):
    values = MARGINS[name].draw(np.random.default_rng(6).standard_normal((200_000, 1)), rng())
    assert values.mean() == pytest.approx(MARGINS[name].mean, abs=0.02)
    assert values.std() == pytest.approx(MARGINS[name].deviation, rel=0.02)


@pytest.mark.parametrize("margin", ["normal", "t3", "exponential", "poisson"])
def test_a_location_moves_by_its_deviations_in_its_columns_alone(margin):
    source = location(0.7, signals=3, columns=[2], margin=margin)
    before, _ = source.draw(rng(), np.zeros(500))
    after, _ = source.draw(rng(), np.ones(500))
    moved = np.broadcast_to([0.0, 0.0, 0.7 * MARGINS[margin].deviation], before.shape)
    np.testing.assert_allclose(after - before, moved, atol=1e-12)


@pytest.mark.parametrize("margin", ["normal", "exponential"])
def test_a_scale_widens_about_the_mean(margin):
    before, _ = scale(1.5, margin=margin).draw(rng(), np.zeros(500))
    after, _ = scale(1.5, margin=margin).draw(rng(), np.ones(500))
    mean = MARGINS[margin].mean
    np.testing.assert_allclose(after - mean, 1.5 * (before - mean), atol=1e-12)


def test_a_new_shape_keeps_mean_and_variance_and_nothing_else():
    after, _ = shape("bimodal", margin="exponential").draw(rng(), np.ones(100_000))
    assert (after.mean(), after.std()) == pytest.approx((1.0, 1.0), abs=0.02)
    assert stats.skew(after[:, 0]) == pytest.approx(0.0, abs=0.05)


def test_a_correlation_changes_and_its_columns_do_not():
    rows, _ = correlation(0.8, before=-0.3).draw(rng(), np.repeat([0.0, 1.0], 50_000))
    for part, expected in ((rows[:50_000], -0.3), (rows[50_000:], 0.8)):
        assert np.corrcoef(part.T)[0, 1] == pytest.approx(expected, abs=0.02)
        assert stats.kstest(part[:, 1], "norm").pvalue > 0.001


def test_autoregressive_noise_is_the_recursion():
    phi, z = 0.9, autoregressive(0.9)(rng(), 300, 2)
    innovations = rng().standard_normal((300, 2))
    expected = innovations.copy()
    for row in range(1, 300):
        expected[row] = phi * expected[row - 1] + np.sqrt(1 - phi * phi) * innovations[row]
    np.testing.assert_allclose(z, expected, atol=1e-12)


def test_a_season_has_its_period_and_its_share():
    z = seasonal(50, share=0.6)(rng(), 100_000, 1)[:, 0]
    assert z.std() == pytest.approx(1.0, abs=0.01)
    assert np.corrcoef(z[50:], z[:-50])[0, 1] == pytest.approx(0.6, abs=0.02)
    assert np.corrcoef(z[25:], z[:-25])[0, 1] == pytest.approx(-0.6, abs=0.02)


def test_changes_come_at_random_rows_with_room_between():
    draws = np.array([random_rows(np.random.default_rng(seed), 1000, 3, 100) for seed in range(400)])
    assert np.diff(draws, prepend=0, append=1000).min() >= 100
    assert np.unique(draws % 10).size == 10  # on no grid
    # Without the gaps they are uniform.
    free = draws - 100 * np.arange(1, 4)
    assert stats.kstest(free.ravel(), "uniform", args=(0, 600)).pvalue > 0.001


def test_a_stream_goes_there_and_back():
    numbers = np.arange(12)
    assert extent(numbers, [3, 8], "sudden", 1, rng()).tolist() == [0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0]
    assert extent(numbers, [3, 8], "ramp", 2, rng()).tolist() == [0, 0, 0, 0.5, 1, 1, 1, 1, 0.5, 0, 0, 0]


def test_a_gradual_change_mixes_old_and_new_rows():
    steps = np.array(
        [extent(np.arange(40), [10], "gradual", 20, np.random.default_rng(s)) for s in range(500)]
    )
    assert set(np.unique(steps)) == {0.0, 1.0}
    expected = np.clip((np.arange(40) - 9) / 20, 0, 1)
    np.testing.assert_allclose(steps.mean(axis=0), expected, atol=0.08)


@pytest.mark.parametrize("source", NUMBERS + CONCEPTS, ids=lambda source: source.name)
@pytest.mark.parametrize("onset", ONSETS)
def test_streams_are_functions_of_the_seed_and_differ_by_their_change_alone(source, onset):
    make = lambda seed, **kw: generate(source, 400, seed, onset=onset, length=50, **kw)  # noqa: E731
    one, again, other, unchanged = make(1), make(1), make(2), make(1, changes=0)
    np.testing.assert_array_equal(one.rows, again.rows)
    assert one.changes == again.changes
    assert not np.array_equal(one.rows, other.rows)
    assert unchanged.changes == ()
    (change,) = one.changes
    np.testing.assert_array_equal(one.rows[: change.row], unchanged.rows[: change.row])
    untouched = [column for column in range(one.rows.shape[1]) if column not in change.columns]
    np.testing.assert_array_equal(one.rows[:, untouched], unchanged.rows[:, untouched])
    if one.labels is not None:
        np.testing.assert_array_equal(one.labels[: change.row], unchanged.labels[: change.row])
    if change.columns:
        assert not np.array_equal(one.rows, unchanged.rows)
    else:
        assert not np.array_equal(one.labels, unchanged.labels)


@pytest.mark.parametrize(
    ("source", "before", "after"),
    [
        (sea(noise=0.1), 0.1, 0.1 + 0.8 * (9.5**2 - 8**2) / 200),
        (sine(noise=0.05), 0.05, 0.95),
        # 26 % is the Bayes error of the display (Breiman et al. 1984, section 2.6.1).
        (led(), 0.26, None),
        (hyperplane(), 0.05, None),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_errors_of_a_classifier_that_knew_the_old_concept(source, before, after):
    stream = error_stream(source, 40_000, seed=3, changes=[20_000])
    old, new = stream.rows[:20_000].mean(), stream.rows[20_000:].mean()
    assert old == pytest.approx(before, abs=0.02)
    assert new == pytest.approx(after, abs=0.02) if after else new > old + 0.05
    assert stream.labels is None
    assert stream.changes[0].columns == (0,)


def test_batches_are_the_rows():
    stream = generate(location(), 105, seed=0)
    batches = list(stream.batches(25))
    assert [len(batch) for batch in batches] == [25, 25, 25, 25, 5]
    np.testing.assert_array_equal(np.concatenate(batches), stream.rows)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: location(margin="cauchy"), "margin must be one of normal, t3"),
        (lambda: scale(columns=[1]), "columns must be different columns from 0 to 0, got"),
        (lambda: shape(signals=0), "signals must be at least 1, got 0"),
        (lambda: correlation(1.2), "after must be a correlation, from -1 to 1, got 1.2"),
        (lambda: autoregressive(1.0), "phi must be above -1 and below 1, got 1.0"),
        (lambda: seasonal(0), "period must be above 0, got 0"),
        (lambda: seasonal(9, share=2.0), "share must be 0 to 1, got 2.0"),
        (lambda: sea(noise=-0.1), "noise must be a share"),
        (lambda: hyperplane(1), "features must be at least 2, got 1"),
        (lambda: led(swapped=8), "swapped must be from 0 to 7, got 8"),
        (lambda: generate(location(), 0, 1), "rows must be at least 1, got 0"),
        (lambda: generate(location(), 100, 1, changes=4, gap=20), "gap must be .* leave room for 4 changes"),
        (
            lambda: generate(location(), 100, 1, changes=[40, 40]),
            "changes must be increasing rows from 0 to 99",
        ),
        (lambda: generate(location(), 100, 1, changes=[100]), "changes must be increasing rows"),
        (lambda: generate(location(), 100, 1, onset="slow"), "onset must be one of sudden, ramp, gradual"),
        (lambda: generate(location(), 100, 1, onset="ramp", length=0), "length must be at least 1, got 0"),
        (lambda: error_stream(location(), 100, 1), "source must be one with labels"),
        (lambda: list(generate(location(), 100, 1).batches(0)), "size must be at least 1, got 0"),
    ],
)
def test_impossible_parameters_are_named(call, message):
    with pytest.raises(InvalidParameterError, match=message):
        call()


def test_a_stream_is_frozen_plain_data():
    stream = generate(location(), 50, seed=0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        stream.name = "other"
