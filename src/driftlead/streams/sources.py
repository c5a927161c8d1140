"""Numbers whose location, scale, shape or correlation changes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from driftlead.errors import InvalidParameterError
from driftlead.streams.noise import Noise, independent
from driftlead.streams.stream import Floats, Source

__all__ = ["MARGINS", "Margin", "correlation", "location", "scale", "shape"]


class Margin(NamedTuple):
    """The distribution of one value, made from standard normal ones, which hand their dependence on.

    Attributes
    ----------
    draw : callable
        ``draw(z, rng)`` returns values of z's shape.
    mean, deviation : float
    """

    draw: Callable[[Floats, Generator], NDArray[np.float64]]
    mean: float
    deviation: float


def _exponential(z: Floats, rng: Generator) -> Floats:
    return np.asarray((z * z + rng.standard_normal(z.shape) ** 2) / 2.0)


def _bimodal(z: Floats, rng: Generator) -> Floats:
    return np.asarray(z + np.where(rng.random(z.shape) < 0.5, -2.0, 2.0))


MARGINS: Mapping[str, Margin] = {
    "normal": Margin(lambda z, rng: z, 0.0, 1.0),
    "t3": Margin(lambda z, rng: z / np.sqrt(rng.chisquare(3, z.shape) / 3.0), 0.0, math.sqrt(3.0)),
    "lognormal": Margin(lambda z, rng: np.exp(z), math.exp(0.5), math.sqrt((math.e - 1.0) * math.e)),
    # Half the squared length of two normal values is exponential, so that no inverse function is needed.
    "exponential": Margin(_exponential, 1.0, 1.0),
    "uniform": Margin(lambda z, rng: np.exp(-_exponential(z, rng)), 0.5, math.sqrt(1.0 / 12.0)),
    "bimodal": Margin(_bimodal, 0.0, math.sqrt(5.0)),
    "poisson": Margin(lambda z, rng: rng.poisson(2.0, z.shape).astype(np.float64), 2.0, math.sqrt(2.0)),
    "rare": Margin(lambda z, rng: (z > 1.6448536269514722).astype(np.float64), 0.05, math.sqrt(0.0475)),
    "mostly_zero": Margin(
        lambda z, rng: np.where(rng.random(z.shape) < 0.9, 0.0, _exponential(z, rng)), 0.1, math.sqrt(0.19)
    ),
}
"""Distributions by name: ``poisson`` has mean 2, ``rare`` is 1 in 5 % of rows, ``mostly_zero`` 0 in 90 %."""


def location(
    shift: float = 1.0,
    *,
    signals: int = 1,
    columns: Sequence[int] = (0,),
    margin: str = "normal",
    noise: Noise = independent,
) -> Source:
    """Return numbers whose mean moves.

    Parameters
    ----------
    shift : float
        By how much, in standard deviations of the margin.
    signals : int
        Number of columns.
    columns : sequence of int
        Those that change.
    margin : str
        Their distribution, a key of `MARGINS`.
    noise : callable
        `independent`, ``autoregressive(phi)`` or ``seasonal(period)``.

    Raises
    ------
    InvalidParameterError
        When the margin is unknown or a column does not exist.

    Examples
    --------
    >>> rows, _ = location(2.0, margin="uniform").draw(np.random.default_rng(0), np.ones(10_000))
    >>> round(rows.mean() - 0.5, 2)  # two standard deviations of 0.29
    np.float64(0.58)
    """
    law, changing = _margin("margin", margin), _columns(columns, signals)

    def draw(rng: Generator, extent: Floats) -> tuple[Floats, None]:
        rows = law.draw(noise(rng, len(extent), signals), rng)
        rows[:, changing] += (shift * law.deviation * extent)[:, np.newaxis]
        return rows, None

    return Source(f"{margin} location {shift:+g} sd", changing, draw)


def scale(
    factor: float = 1.5,
    *,
    signals: int = 1,
    columns: Sequence[int] = (0,),
    margin: str = "normal",
    noise: Noise = independent,
) -> Source:
    """Return numbers whose standard deviation changes by a factor, while the mean stays.

    Parameters and errors are those of `location`.
    """
    law, changing = _margin("margin", margin), _columns(columns, signals)

    def draw(rng: Generator, extent: Floats) -> tuple[Floats, None]:
        rows = law.draw(noise(rng, len(extent), signals), rng)
        factors = (1.0 + (factor - 1.0) * extent)[:, np.newaxis]
        rows[:, changing] = law.mean + (rows[:, changing] - law.mean) * factors
        return rows, None

    return Source(f"{margin} scale ×{factor:g}", changing, draw)


def shape(
    after: str = "bimodal",
    *,
    signals: int = 1,
    columns: Sequence[int] = (0,),
    margin: str = "normal",
    noise: Noise = independent,
) -> Source:
    """Return numbers whose distribution changes to another one of the same mean and variance.

    Midway through the change a row has the new shape with the probability of its extent. Other parameters
    and errors are those of `location`.

    Parameters
    ----------
    after : str
        The new distribution, a key of `MARGINS`.
    """
    law, new, changing = _margin("margin", margin), _margin("after", after), _columns(columns, signals)

    def draw(rng: Generator, extent: Floats) -> tuple[Floats, None]:
        z = noise(rng, len(extent), signals)
        rows, others = law.draw(z, rng).copy(), new.draw(z, rng)
        standard = law.mean + law.deviation * (others - new.mean) / new.deviation
        changed = (rng.random(len(extent)) < extent)[:, np.newaxis]
        rows[:, changing] = np.where(changed, standard[:, changing], rows[:, changing])
        return rows, None

    return Source(f"{margin} shape to {after}", changing, draw)


def correlation(after: float = 0.8, *, before: float = 0.0, noise: Noise = independent) -> Source:
    """Return two standard normal columns whose correlation changes; each by itself stays as it was.

    Parameters
    ----------
    before, after : float
        Correlations, from -1 to 1.
    noise : callable
        See `location`.

    Raises
    ------
    InvalidParameterError
        When a correlation is out of range.
    """
    for name, value in (("before", before), ("after", after)):
        if not -1.0 <= value <= 1.0:
            raise InvalidParameterError(name, "a correlation, from -1 to 1", value)

    def draw(rng: Generator, extent: Floats) -> tuple[Floats, None]:
        rows = noise(rng, len(extent), 2)
        rho = before + (after - before) * extent
        rows[:, 1] = rho * rows[:, 0] + np.sqrt(1.0 - rho * rho) * rows[:, 1]
        return rows, None

    return Source(f"correlation {before:g} to {after:g}", (0, 1), draw)


def _margin(parameter: str, name: str) -> Margin:
    if name not in MARGINS:
        raise InvalidParameterError(parameter, "one of " + ", ".join(MARGINS), name)
    return MARGINS[name]


def _columns(columns: Sequence[int], signals: int) -> tuple[int, ...]:
    if signals < 1:
        raise InvalidParameterError("signals", "at least 1", signals)
    chosen = tuple(int(column) for column in columns)
    if not all(0 <= column < signals for column in chosen) or len(set(chosen)) != len(chosen):
        raise InvalidParameterError("columns", f"different columns from 0 to {signals - 1}", chosen)
    return chosen
