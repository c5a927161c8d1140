"""What many tests need: one trained model, which takes seconds to make, and examples that do not vary."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

# The same examples in every run, and no clock: a busy machine is no fault of the code.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def trained_model_path(tmp_path_factory) -> Path:
    """Train the digits once with the defaults, and write the ``model.pt``."""
    from executor.training import train
    from model.artefact import save
    from model.config import ModelSettings

    path = tmp_path_factory.mktemp("trained") / "model.pt"
    save(path, train(ModelSettings()).artefact)
    return path


@pytest.fixture
def restored_logging() -> Iterator[None]:
    """Undo what a test sets up of the log, which would go on to a stream that is closed."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
