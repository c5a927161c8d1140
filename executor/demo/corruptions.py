"""Three ways in which a camera goes bad, on raw values; each row has a severity of its own.

Every corruption is a pure function ``(rows, severity, low, high, rng) -> rows`` that leaves a row of
severity 0 exactly as it was. For harder sets of the same idea see Hendrycks and Dietterich 2019,
"Benchmarking neural network robustness to common corruptions and perturbations", section 4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter

__all__ = ["CORRUPTIONS", "NEEDS_IMAGES", "blur", "contrast", "corrupt", "sensor_noise"]

Floats = NDArray[np.float64]

#: Standard deviation of the Gaussian blur at severity 1, in pixels.
BLUR_PIXELS = 2.0


def sensor_noise(rows: Floats, severity: Floats, low: Floats, high: Floats, rng: Generator) -> Floats:
    """Add Gaussian noise; at severity 1 its standard deviation is half of the sensor's range."""
    noise = rng.standard_normal(rows.shape)
    return rows + _per_row(severity, rows) * (high - low) / 2 * noise


def blur(rows: Floats, severity: Floats, low: Floats, high: Floats, rng: Generator) -> Floats:
    """Take images out of focus: a Gaussian blur of ``2 · severity`` pixels over height and width."""
    blurred = rows.copy()
    for row in np.flatnonzero(severity):
        # Height and width come first; channels are blurred each by itself.
        blurred[row] = gaussian_filter(rows[row], BLUR_PIXELS * severity[row], mode="nearest", axes=(0, 1))
    return blurred


def contrast(rows: Floats, severity: Floats, low: Floats, high: Floats, rng: Generator) -> Floats:
    """Pull every value towards the middle of the range; at severity 1 all of them are the middle."""
    middle = (low + high) / 2
    return rows + _per_row(severity, rows) * (middle - rows)


CORRUPTIONS: Mapping[str, Callable[[Floats, Floats, Floats, Floats, Generator], Floats]] = {
    "sensor_noise": sensor_noise,
    "blur": blur,
    "contrast": contrast,
}

#: Corruptions that mean nothing on a table.
NEEDS_IMAGES = frozenset({"blur"})


def corrupt(
    kind: str, rows: ArrayLike, severity: ArrayLike, low: ArrayLike, high: ArrayLike, rng: Generator
) -> Floats:
    """Corrupt rows and clip them to the valid range.

    Parameters
    ----------
    kind : str
        A key of `CORRUPTIONS`.
    rows : array_like, shape (rows, ...)
        Raw values; images as (rows, height, width) or (rows, height, width, channels).
    severity : array_like, shape (rows,)
        0 (untouched) to 1, for each row.
    low, high : array_like
        Valid range: a number, or one for each feature.
    rng : numpy.random.Generator
        Draws the noise.

    Examples
    --------
    >>> image = np.full((2, 8, 8), 16.0)
    >>> faded = corrupt("contrast", image, [0.0, 0.5], 0.0, 16.0, np.random.default_rng(0))
    >>> faded[:, 0, 0]
    array([16., 12.])
    """
    values, strength, bottom, top = (
        np.asarray(array, dtype=np.float64) for array in (rows, severity, low, high)
    )
    return np.clip(CORRUPTIONS[kind](values, strength, bottom, top, rng), bottom, top)


def _per_row(severity: Floats, rows: Floats) -> Floats:
    return severity.reshape((-1,) + (1,) * (rows.ndim - 1))
