"""Real server programs that some tests run: found, or the test is skipped, or CI fails."""

from __future__ import annotations

import os
import shutil

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
