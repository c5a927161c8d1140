"""The field's labelled streams, whose concept changes: SEA, sine, hyperplane, LED."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from driftlead.errors import InvalidParameterError
from driftlead.streams.stream import Floats, Labels, Source

__all__ = ["hyperplane", "led", "sea", "sine"]

SEGMENTS = np.array(
    [
        [1, 1, 1, 0, 1, 1, 1],
        [0, 0, 1, 0, 0, 1, 0],
        [1, 0, 1, 1, 1, 0, 1],
        [1, 0, 1, 1, 0, 1, 1],
        [0, 1, 1, 1, 0, 1, 0],
        [1, 1, 0, 1, 0, 1, 1],
        [1, 1, 0, 1, 1, 1, 1],
        [1, 0, 1, 0, 0, 1, 0],
        [1, 1, 1, 1, 1, 1, 1],
        [1, 1, 1, 1, 0, 1, 1],
    ]
)
"""Which segments of the display show each digit: top, upper left and right, middle, lower left and right,
bottom."""


def sea(before: float = 8.0, after: float = 9.5, *, noise: float = 0.1) -> Source:
    """Return the SEA concepts: three features in [0, 10], class 1 where the first two sum to at most θ.

    The features' distribution never changes, only θ: such a change is seen in errors alone.

    Parameters
    ----------
    before, after : float
        θ. The paper's four blocks have 8, 9, 7 and 9.5.
    noise : float
        Share of labels that are turned over.

    Raises
    ------
    InvalidParameterError
        When the share is not one.

    Examples
    --------
    >>> source = sea(noise=0.0)
    >>> rows, labels = source.draw(np.random.default_rng(0), np.ones(1000))
    >>> round(float((source.old_concept(rows) != labels).mean()), 2)  # (9.5² - 8²) / 200
    0.13

    References
    ----------
    Street, W. N. and Kim, Y. (2001). A streaming ensemble algorithm (SEA) for large-scale classification.
    KDD 2001, section 4.2.
    """
    _share("noise", noise)

    def draw(rng: Generator, extent: Floats) -> tuple[Floats, Labels]:
        rows = rng.random((len(extent), 3)) * 10.0
        labels = rows[:, 0] + rows[:, 1] <= before + (after - before) * extent
        return rows, _turned_over(labels, noise, rng)

    def old_concept(rows: Floats) -> NDArray[np.bool_]:
        return np.asarray(rows[:, 0] + rows[:, 1] <= before)

    return Source(f"SEA θ {before:g} to {after:g}", (), draw, old_concept)


def sine(*, noise: float = 0.0) -> Source:
    """Return SINE1: two features in [0, 1], class 1 below the curve sin(x); after the change, above it.

    Midway a row follows the new concept with the probability of its extent.

    Parameters
    ----------
    noise : float
        Share of labels that are turned over.

    Raises
    ------
    InvalidParameterError
        When the share is not one.

    References
    ----------
    Gama, J., Medas, P., Castillo, G. and Rodrigues, P. (2004). Learning with drift detection. SBIA 2004,
    section 4.1.
    """
    _share("noise", noise)

    def draw(rng: Generator, extent: Floats) -> tuple[Floats, Labels]:
        rows = rng.random((len(extent), 2))
        labels = old_concept(rows) ^ (rng.random(len(extent)) < extent)
        return rows, _turned_over(labels, noise, rng)

    def old_concept(rows: Floats) -> NDArray[np.bool_]:
        return np.asarray(rows[:, 1] < np.sin(rows[:, 0]))

    return Source("SINE1 reversed", (), draw, old_concept)


def hyperplane(features: int = 10, *, turn: float = 1.0, noise: float = 0.05) -> Source:
    """Return a rotating hyperplane: class 1 where Σ wᵢxᵢ ≥ ½ Σ wᵢ, features uniform in [0, 1].

    Weights are drawn from [0, 1], once before and once after the change; they are functions of the number of
    features alone, so that streams of all seeds share one concept.

    Parameters
    ----------
    features : int
        At least 2.
    turn : float
        How far the weights move towards the new ones, 0 to 1.
    noise : float
        Share of labels that are turned over.

    Raises
    ------
    InvalidParameterError
        When a parameter is out of range.

    References
    ----------
    Hulten, G., Spencer, L. and Domingos, P. (2001). Mining time-changing data streams. KDD 2001, section 4.
    """
    _share("noise", noise)
    _share("turn", turn)
    if features < 2:
        raise InvalidParameterError("features", "at least 2", features)
    before, after = np.random.default_rng(features).random((2, features))

    def side(rows: Floats, extent: Floats) -> NDArray[np.bool_]:
        weights = before + turn * extent[:, np.newaxis] * (after - before)
        return np.asarray(((rows - 0.5) * weights).sum(axis=1) >= 0.0)

    def draw(rng: Generator, extent: Floats) -> tuple[Floats, Labels]:
        rows = rng.random((len(extent), features))
        return rows, _turned_over(side(rows, extent), noise, rng)

    return Source(
        f"hyperplane in {features} dimensions", (), draw, lambda rows: side(rows, np.zeros(len(rows)))
    )


def led(*, swapped: int = 3, noise: float = 0.1) -> Source:
    """Return the LED display: seven segments of a digit, each wrong in 10 % of rows, and 17 random bits.

    After the change as many segments have changed places with random bits, so that features drift too.
    Midway a row is of the new kind with the probability of its extent.

    Parameters
    ----------
    swapped : int
        Segments that change places, 0 to 7.
    noise : float
        Share of segments that are turned over.

    Raises
    ------
    InvalidParameterError
        When a parameter is out of range.

    References
    ----------
    Breiman, L., Friedman, J., Olshen, R. and Stone, C. (1984). Classification and Regression Trees, section
    2.6.1. The change is that of MOA's LEDGeneratorDrift.
    """
    _share("noise", noise)
    if not 0 <= swapped <= 7:
        raise InvalidParameterError("swapped", "from 0 to 7", swapped)
    order = np.arange(24)
    order[:swapped], order[7 : 7 + swapped] = order[7 : 7 + swapped].copy(), order[:swapped].copy()

    def draw(rng: Generator, extent: Floats) -> tuple[Floats, Labels]:
        digits = rng.integers(10, size=len(extent))
        wrong = rng.random((len(extent), 7)) < noise
        bits = rng.integers(2, size=(len(extent), 17))
        rows = np.hstack([SEGMENTS[digits] ^ wrong, bits]).astype(np.float64)
        changed = (rng.random(len(extent)) < extent)[:, np.newaxis]
        return np.where(changed, rows[:, order], rows), digits

    def old_concept(rows: Floats) -> NDArray[np.int64]:
        distance = np.abs(rows[:, np.newaxis, :7] - SEGMENTS).sum(axis=2)
        return np.asarray(distance.argmin(axis=1))

    columns = (*range(swapped), *range(7, 7 + swapped))
    return Source(f"LED, {swapped} segments swapped", columns, draw, old_concept)


def _turned_over(labels: NDArray[np.bool_], share: float, rng: Generator) -> Labels:
    return np.asarray(labels ^ (rng.random(len(labels)) < share)).astype(np.int64)


def _share(parameter: str, value: float) -> None:
    if not 0.0 <= value <= 1.0:
        raise InvalidParameterError(parameter, "a share, from 0 to 1", value)
