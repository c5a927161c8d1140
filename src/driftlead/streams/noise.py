"""Standard normal noise, each row independent of those before it or not."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from driftlead.errors import InvalidParameterError

__all__ = ["Noise", "autoregressive", "independent", "seasonal"]

Noise = Callable[[Generator, int, int], NDArray[np.float64]]
"""``noise(rng, rows, columns)`` returns values of mean 0 and variance 1, shape (rows, columns)."""


def independent(rng: Generator, rows: int, columns: int) -> NDArray[np.float64]:
    """Draw independent standard normal values."""
    return rng.standard_normal((rows, columns))


def autoregressive(phi: float) -> Noise:
    """Return stationary AR(1) noise: ``z_t = φ z_{t-1} + √(1 - φ²) e_t`` in each column.

    Parameters
    ----------
    phi : float
        Correlation of neighbouring rows, -1 < φ < 1.

    Raises
    ------
    InvalidParameterError
        When φ is out of range.

    Examples
    --------
    >>> z = autoregressive(0.6)(np.random.default_rng(0), 100_000, 1)[:, 0]
    >>> round(z.std(), 2), round(np.corrcoef(z[1:], z[:-1])[0, 1], 2)
    (np.float64(1.0), np.float64(0.6))
    """
    if not -1.0 < phi < 1.0:
        raise InvalidParameterError("phi", "above -1 and below 1", phi)

    def noise(rng: Generator, rows: int, columns: int) -> NDArray[np.float64]:
        z = rng.standard_normal((rows, columns))
        z[1:] *= math.sqrt(1.0 - phi * phi)
        # After the step of size s every row holds the sum of its last 2s innovations.
        size, weight = 1, phi
        while size < rows and abs(weight) > 1e-18:
            z[size:] += weight * z[:-size].copy()
            size, weight = 2 * size, weight * weight
        return z

    return noise


def seasonal(period: float, share: float = 0.5) -> Noise:
    """Return noise with a season: a sine of random phase, the same in all columns, plus independent noise.

    Parameters
    ----------
    period : float
        Rows of one season, above 0.
    share : float
        The season's share of the variance, 0 to 1.

    Raises
    ------
    InvalidParameterError
        When one is out of range.
    """
    if not period > 0.0:
        raise InvalidParameterError("period", "above 0", period)
    if not 0.0 <= share <= 1.0:
        raise InvalidParameterError("share", "0 to 1", share)

    def noise(rng: Generator, rows: int, columns: int) -> NDArray[np.float64]:
        turns = np.arange(rows)[:, np.newaxis] / period + rng.random()
        season = math.sqrt(2.0 * share) * np.sin(2.0 * np.pi * turns)
        return np.asarray(season + math.sqrt(1.0 - share) * rng.standard_normal((rows, columns)))

    return noise
