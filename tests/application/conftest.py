"""Data sets on disk, small enough to train on in a second."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits, load_iris

from model.artefact import Artefact, load


@pytest.fixture(scope="session")
def trained(trained_model_path) -> Artefact:
    return load(trained_model_path)


@pytest.fixture
def iris_csv(tmp_path) -> Path:
    """Fisher's irises: four measurements, the species' name, and a row number that is no feature."""
    iris = load_iris()
    lines = ["row,sepal length,sepal width,petal length,petal width,species"]
    for row, (values, species) in enumerate(zip(iris.data, iris.target, strict=True)):
        lines.append(",".join([str(row), *map(str, values), iris.target_names[species]]))
    path = tmp_path / "iris.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def digit_folder(tmp_path) -> Path:
    """Thirty zeros and thirty ones of the digits, as PNG files."""
    digits = load_digits(n_class=2)
    root = tmp_path / "my digits"
    for label, name in enumerate(("nought", "one")):
        (root / name).mkdir(parents=True)
        for number, image in enumerate(digits.images[digits.target == label][:30]):
            Image.fromarray((image * 15).astype(np.uint8)).save(root / name / f"{number:02}.png")
    return root
