"""Images as arrays: the digits inside scikit-learn, and a folder of class folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from dataloader.config import FolderSource
from dataloader.dataset import Dataset, served_name
from driftlead.errors import InvalidDataError

__all__ = ["pixel_names", "read_digits", "read_folder"]

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
PILLOW_MODES = {"grayscale": "L", "rgb": "RGB"}


def read_digits() -> Dataset:
    """Read scikit-learn's handwritten digits: 8 × 8 pixels with values 0 (paper) to 16 (ink).

    Notes
    -----
    The test part of the UCI set "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak, 1998); it
    ships inside the scikit-learn package, so nothing is downloaded.
    """
    from sklearn.datasets import load_digits  # a second to import, and only this source needs it

    bunch = load_digits()
    return Dataset(
        name="digits",
        features=bunch.images.astype(np.float32),
        labels=bunch.target.astype(np.int64),
        feature_names=pixel_names(8, 8),
        class_names=tuple(str(name) for name in bunch.target_names),
    )


def read_folder(source: FolderSource) -> Dataset:
    """Read ``path/<class>/<image>``, classes and files in alphabetical order, pixels 0 to 255.

    Files and folders whose name begins with a dot are skipped; any other file that is no image is an error,
    because an image that is silently left out is worse.

    Raises
    ------
    InvalidDataError
        The folder is missing or holds fewer than two class folders; a class folder is empty; a file is no
        readable image with 8 bits per channel.
    """
    if not source.path.is_dir():
        raise InvalidDataError(
            f"{source.path} must be a folder with one folder of images per class, found none"
        )
    classes = [folder for folder in _visible(source.path) if folder.is_dir()]
    if len(classes) < 2:
        found = ", ".join(folder.name for folder in classes) or "none"
        raise InvalidDataError(f"{source.path} must hold at least 2 class folders, got {found}")
    images: list[NDArray[np.float32]] = []
    labels: list[int] = []
    for label, folder in enumerate(classes):
        files = _visible(folder)
        if not files:
            raise InvalidDataError(f"{folder} must hold at least one image, got none")
        images.extend(_read_image(file, source) for file in files)
        labels.extend([label] * len(files))
    return Dataset(
        name=served_name(source.path),
        features=np.stack(images),
        labels=np.asarray(labels, dtype=np.int64),
        feature_names=pixel_names(*source.size, colours=source.mode == "rgb"),
        class_names=tuple(folder.name for folder in classes),
    )


def pixel_names(height: int, width: int, colours: bool = False) -> tuple[str, ...]:
    """Name every scalar of an image, row by row.

    Examples
    --------
    >>> pixel_names(1, 2)
    ('pixel_0_0', 'pixel_0_1')
    >>> pixel_names(1, 1, colours=True)
    ('pixel_0_0_red', 'pixel_0_0_green', 'pixel_0_0_blue')
    """
    suffixes = ("_red", "_green", "_blue") if colours else ("",)
    return tuple(
        f"pixel_{row}_{column}{suffix}"
        for row in range(height)
        for column in range(width)
        for suffix in suffixes
    )


def _visible(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))


def _read_image(file: Path, source: FolderSource) -> NDArray[np.float32]:
    if file.suffix.lower() not in SUFFIXES:
        raise InvalidDataError(
            f"{file} must be an image ({', '.join(SUFFIXES)}); move it out of the class folder"
        )
    height, width = source.size
    try:
        with Image.open(file) as opened:
            if opened.mode.startswith(("I", "F")):
                # Pillow clips these to 255 on conversion: a picture would become a white rectangle.
                raise InvalidDataError(f"{file} must have 8 bits per channel, got mode {opened.mode}")
            upright = ImageOps.exif_transpose(opened).convert(PILLOW_MODES[source.mode])
            if upright.size != (width, height):
                upright = upright.resize((width, height), Image.Resampling.BILINEAR)
            return np.asarray(upright, dtype=np.float32)
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise InvalidDataError(f"{file} cannot be read as an image: {' '.join(str(error).split())}") from None
