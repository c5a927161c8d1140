"""What many tests need and what takes seconds to make: one trained model."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def trained_model_path(tmp_path_factory) -> Path:
    """Train the digits once with the defaults, and write the ``model.pt``."""
    from executor.training import train
    from model.artefact import save
    from model.config import ModelSettings

    path = tmp_path_factory.mktemp("trained") / "model.pt"
    save(path, train(ModelSettings()).artefact)
    return path
