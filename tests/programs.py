"""Real server programs that some tests run: found, or the test skips, or CI fails. And ports for them."""

from __future__ import annotations

import os
import shutil
import socket

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


def free_port() -> int:
    """Port on which nothing listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
