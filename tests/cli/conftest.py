"""Recorded tables with a known change, and the command line as a function and as a process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from driftlead.cli import app
from tests.programs import log_until_serving

PROGRAM = [sys.executable, "-c", "from driftlead.cli import app; app(prog_name='driftlead')"]

PORTS = ("--port", "0", "--metrics-port", "0")

#: First changed row of the recorded table.
CHANGE = 1_001


@pytest.fixture
def run() -> Callable[..., Any]:
    """Run a command in this process; arguments may be of any type."""
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def start(*arguments: Any, **options: Any) -> subprocess.Popen[str]:
    """Start a command in a process of its own."""
    command = [*PROGRAM, *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.Popen(command, text=True, env=environment, **pipes)


@contextmanager
def serving(*arguments: Any, **options: Any) -> Iterator[dict[str, Any]]:
    """Run a command that serves; yield its first log line, and see that it ends well."""
    process = start(*arguments, *PORTS, **options)
    try:
        yield log_until_serving(process)[-1]
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 0, errors
        assert json.loads(errors.splitlines()[-1])["event"] == "stopped"
        assert "Traceback" not in errors
    finally:
        process.kill()
        process.communicate()


def table(rng: np.random.Generator, rows: int, change: int | None = None) -> list[list[Any]]:
    """Rows of a number, a number that changes, and a text that becomes another one."""
    after = np.arange(rows) >= (rows if change is None else change - 1)
    city = np.where(rng.random(rows) < np.where(after, 0.1, 0.6), "Rome", "Oslo")
    return list(zip(rng.normal(size=rows), rng.normal(2.0 * after), city, strict=True))


def write_csv(path: Path, rows: list[list[Any]]) -> Path:
    path.write_text("\n".join(["a,b,city", *(f"{a:.6f},{b:.6f},{city}" for a, b, city in rows)]) + "\n")
    return path


@pytest.fixture(scope="session")
def recorded(tmp_path_factory) -> dict[str, Path]:
    """``reference``, ``clean`` and ``drifted`` tables."""
    rng = np.random.default_rng(3)
    folder = tmp_path_factory.mktemp("recorded")
    return {
        "reference": write_csv(folder / "reference.csv", table(rng, 2_000)),
        "clean": write_csv(folder / "clean.csv", table(rng, 1_000)),
        "drifted": write_csv(folder / "drifted.csv", table(rng, 1_500, CHANGE)),
    }
