"""Ways in which a camera goes bad, on raw values; each row has a severity of its own.

Every corruption is a pure function ``(rows, severity, low, high, rng) -> rows`` that leaves a row of
severity 0 exactly as it was. The kinds are those of Hendrycks and Dietterich 2019, "Benchmarking neural
network robustness to common corruptions and perturbations", section 4, which make sense on small images, and
what happens to cameras on a wall: dirt, a knock, dead pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

__all__ = [
    "CORRUPTIONS",
    "NEEDS_IMAGES",
    "blur",
    "brightness",
    "contrast",
    "corrupt",
    "impulse_noise",
    "motion_blur",
    "occlusion",
    "pixelate",
    "rotation",
    "sensor_noise",
    "shift",
    "shot_noise",
    "speckle_noise",
    "stuck_pixels",
]

Floats = NDArray[np.float64]

#: Standard deviation of the Gaussian blur at severity 1, in pixels.
BLUR_PIXELS = 2.0

#: Length of the motion blur at severity 1, in pixels, and the exposures that it is made of.
MOTION_PIXELS, EXPOSURES = 4.0, 9

#: Photons that a pixel at the top of the range receives at severity 1.
PHOTONS = 3.0


def sensor_noise(rows: Floats, severity: Floats, low: Floats, high: Floats, rng: Generator) -> Floats:
    """Add Gaussian noise; at severity 1 its standard deviation is half of the sensor's range."""
    noise = rng.standard_normal(rows.shape)
    return rows + _per_row(severity, rows) * (high - low) / 2 * noise


def shot_noise(rows: Floats, severity: Floats, low: Floats, high: Floats, rng: Generator) -> Floats:
    """Count photons: a pixel at the top of the range receives 3 of them at severity 1, 30 at 0.1."""
    photons = PHOTONS / np.maximum(_per_row(severity, rows), 1e-9)
    share = np.clip((rows - low) / (high - low), 0.0, 1.0)
    # Where all photons count, they are too many for a Poisson variable to be drawn.
    counted = rng.poisson(np.where(np.isnan(share), 0.0, share) * np.minimum(photons, 1e6)) / photons
    return np.where((_per_row(severity, rows) > 0.0) & ~np.isnan(rows), low + (high - low) * counted, rows)


def impulse_noise(rows: Floats, severity: Floats, low: Floats, high: Floats, rng: Generator) -> Floats:
    """Turn pixels white or black, at severity 1 half of all."""
    lost = rng.random(rows.shape) < _per_row(severity, rows) / 2
    return np.where(lost, np.where(rng.random(rows.shape) < 0.5, low, high), rows)


def speckle_noise(rows: Floats, severity: Floats, low: Floats, high: Floats, rng: Generator) -> Floats:
    """Add Gaussian noise that grows with the value, by as much as the value itself at severity 1."""
    return rows + _per_row(severity, rows) * (rows - low) * rng.standard_normal(rows.shape)


def blur(rows: Floats, severity: Floats, low: Floats, high: Floats, rng: Generator) -> Floats:
    """Take images out of focus: a Gaussian blur of ``2 · severity`` pixels over height and width."""
    # Height and width come first; channels are blurred each by itself.
    return _each(
        rows,
        severity,
        lambda image, s: ndimage.gaussian_filter(image, BLUR_PIXELS * s, mode="nearest", axes=(0, 1)),
    )


def motion_blur(rows: Floats, severity: Floats, low: Floats, high: Floats, rng: Generator) -> Floats:
    """Move the camera sideways during the exposure, by ``4 · severity`` pixels, half to each side."""

    def moved(image: Floats, s: float) -> Floats:
        offsets = MOTION_PIXELS * s * np.linspace(-0.5, 0.5, EXPOSURES)
        return np.asarray(np.mean([_moved(image, (0.0, offset), "nearest") for offset in offsets], axis=0))

    return _each(rows, severity, moved)


def contrast(rows: Floats, severity: Floats, low: Floats, high: Floats, rng: Generator) -> Floats:
    """Pull every value towards the middle of the range; at severity 1 all of them are the middle."""
    middle = (low + high) / 2
    return rows + _per_row(severity, rows) * (middle - rows)


def brightness(rows: Floats, severity: Floats, low: Floats, high: Floats, rng: Generator) -> Floats:
    """Raise every value, at severity 1 by half of the range."""
    return rows + _per_row(severity, rows) * (high - low) / 2


def pixelate(rows: Floats, severity: Floats, low: Floats, high: Floats, rng: Generator) -> Floats:
    """Show images at a lower resolution, at severity 1 a quarter of it in height and width."""

    def coarse(image: Floats, s: float) -> Floats:
        for axis in (0, 1):
            side = image.shape[axis]
            block = np.arange(side) * max(1, round(side * (1.0 - 0.75 * s))) // side
            starts = np.flatnonzero(np.diff(block, prepend=-1))
            sizes = np.diff(starts, append=side)
            total = np.add.reduceat(image, starts, axis=axis)
            shape = [-1 if each == axis else 1 for each in range(image.ndim)]
            image = np.repeat(total / sizes.reshape(shape), sizes, axis=axis)
        return image

    return _each(rows, severity, coarse)


def occlusion(rows: Floats, severity: Floats, low: Floats, high: Floats, rng: Generator) -> Floats:
    """Cover a square at a random place of each image, at severity 1 half of its area."""
    places = rng.random((len(rows), 2))

    def covered(image: Floats, s: float, place: Floats) -> Floats:
        sides = [max(1, round(math.sqrt(s / 2) * side)) for side in image.shape[:2]]
        top, left = (
            int(where * (whole - side + 1))
            for where, whole, side in zip(place, image.shape, sides, strict=False)
        )
        out = image.copy()
        out[top : top + sides[0], left : left + sides[1]] = low
        return out

    out = rows.copy()
    for row in np.flatnonzero(severity):
        out[row] = covered(rows[row], float(severity[row]), places[row])
    return out


def shift(rows: Floats, severity: Floats, low: Floats, high: Floats, rng: Generator) -> Floats:
    """Point the camera aside: images move to the right, at severity 1 by half of their width."""
    return _each(rows, severity, lambda image, s: _moved(image, (0.0, s * image.shape[1] / 2), low=low))


def rotation(rows: Floats, severity: Floats, low: Floats, high: Floats, rng: Generator) -> Floats:
    """Turn the camera, at severity 1 by a quarter turn."""
    return _each(
        rows,
        severity,
        lambda image, s: ndimage.rotate(
            image, 90.0 * s, reshape=False, order=1, mode="constant", cval=float(np.min(low))
        ),
    )


def stuck_pixels(rows: Floats, severity: Floats, low: Floats, high: Floats, rng: Generator) -> Floats:
    """Burn pixels into the sensor, the same in all images: at severity 1 a quarter of them, at their top."""
    pixels = rows.shape[1] * rows.shape[2]
    # Pixels that stick at a severity stick at every higher one, whichever batch a row comes in.
    turn = np.argsort(np.random.default_rng(pixels).permutation(pixels)).reshape(rows.shape[1:3])
    lost = np.where(severity > 0.0, np.maximum(1.0, np.round(severity * pixels / 4)), 0.0)
    stuck = turn[np.newaxis] < lost[:, np.newaxis, np.newaxis]
    return np.where(stuck.reshape(stuck.shape + (1,) * (rows.ndim - 3)), high, rows)


CORRUPTIONS: Mapping[str, Callable[[Floats, Floats, Floats, Floats, Generator], Floats]] = {
    each.__name__: each
    for each in (
        sensor_noise, shot_noise, impulse_noise, speckle_noise, blur, motion_blur, contrast, brightness,
        pixelate, occlusion, shift, rotation, stuck_pixels,
    )
}  # fmt: skip

#: Corruptions that mean nothing on a table.
NEEDS_IMAGES = frozenset(
    {"blur", "motion_blur", "pixelate", "occlusion", "shift", "rotation", "stuck_pixels"}
)


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


def _each(rows: Floats, severity: Floats, change: Callable[[Floats, float], Floats]) -> Floats:
    """Change the images that have a severity, one by one."""
    out = rows.copy()
    for row in np.flatnonzero(severity):
        out[row] = change(rows[row], float(severity[row]))
    return out


def _moved(
    image: Floats,
    offset: tuple[float, float],
    mode: Literal["constant", "nearest"] = "constant",
    low: Floats | float = 0.0,
) -> Floats:
    """Move an image by a part of a pixel; what comes in is the bottom of the range or its edge."""
    whole = (*offset, *(0.0 for _ in image.shape[2:]))
    return np.asarray(ndimage.shift(image, whole, order=1, mode=mode, cval=float(np.min(low))))
