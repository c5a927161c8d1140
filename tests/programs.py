"""Real server programs that some tests run: found, or the test skips, or CI fails. Their ports, their log."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from typing import Any

import pytest


def require_program(name: str) -> str:
    """Path of a program. Without it the test skips, or fails where DRIFTLEAD_REQUIRE_SERVERS=1."""
    path = shutil.which(name)
    if path is None:
        reason = f"{name} is not installed on this machine"
        if os.environ.get("DRIFTLEAD_REQUIRE_SERVERS") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return path


def log_until_serving(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """Lines that a service logs until it serves, that one included."""
    said = []
    for line in process.stderr:
        if line.startswith("{"):
            said.append(json.loads(line))
            if said[-1]["event"] == "serving":
                return said
    raise AssertionError(f"it did not start: {said}")


def free_port() -> int:
    """Port on which nothing listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
