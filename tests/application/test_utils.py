import io
import json
import logging
import random
from pathlib import Path

import numpy as np
import pytest
import structlog
import torch

from utils.logging import configure_logging
from utils.seeding import seed_everything

ROOT = Path(__file__).parents[2]


def test_utils_is_a_closed_list():
    """What fits none of these has a better home; a drawer for everything else is what this test prevents."""
    entries = {entry.name for entry in (ROOT / "utils").iterdir() if entry.name != "__pycache__"}
    assert entries == {"__init__.py", "seeding.py", "logging.py", "environment.py"}


@pytest.mark.usefixtures("restored_logging")
def test_logs_are_json_lines_from_the_level_up():
    stream = io.StringIO()
    configure_logging("warning", stream)
    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("queue full", dropped=3, path=Path("x"))
    logging.getLogger("uvicorn").info("quiet too")
    logging.getLogger("uvicorn").error("port %s in use", 80, extra={"request_id": "42"})
    ours, theirs = map(json.loads, stream.getvalue().splitlines())
    assert (ours["event"], ours["level"], ours["dropped"]) == ("queue full", "warning", 3)
    assert (theirs["event"], theirs["level"], theirs["logger"]) == ("port 80 in use", "error", "uvicorn")
    assert theirs["request_id"] == "42"
    assert ours["timestamp"].endswith("Z")
    assert theirs["timestamp"].endswith("Z")


@pytest.mark.usefixtures("restored_logging")
def test_an_exception_stays_on_its_line():
    stream = io.StringIO()
    configure_logging("info", stream)
    try:
        raise ValueError("boom")
    except ValueError:
        structlog.get_logger().exception("failed")
        logging.getLogger("other").exception("failed")
    for line in stream.getvalue().splitlines():
        assert "ValueError: boom" in json.loads(line)["exception"]
    assert len(stream.getvalue().splitlines()) == 2


def test_one_seed_decides_every_generator():
    def draws(seed):
        own = seed_everything(seed)
        return random.random(), np.random.rand(), float(torch.rand(1)), float(torch.rand(1, generator=own))  # noqa: NPY002

    assert draws(3) == draws(3)
    assert all(a != b for a, b in zip(draws(3), draws(4), strict=True))
