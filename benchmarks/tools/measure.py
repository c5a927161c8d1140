"""Every tool at every stream, in turn, each in a process of its own; a second run goes on from the first."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.tools.streams import Job, write
from benchmarks.tools.tools import TOOLS, Tool
from driftlead.errors import DriftleadError

__all__ = ["measure", "missing"]

ROOT = Path(__file__).parents[2]
WORK = Path(__file__).with_name("work.py")
ALIKE = {
    # One thread each: then processor time is what the work costs, however many cores there are.
    **{
        f"{name}_NUM_THREADS": "1"
        for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA", "RAYON", "POLARS")
    },
    # And no reports to their makers, which would cost the tools that send them time.
    "DO_NOT_TRACK": "1",
    "NML_DISABLE_USAGE_LOGGING": "1",
    "WHYLOGS_NO_ANALYTICS": "True",
}


def missing(tools: Sequence[Tool], peers: Path) -> list[Path]:
    """Return the environments that are not there."""
    pythons = dict.fromkeys(python(tool, peers) for tool in tools)
    return [each.parents[1] for each in pythons if not each.exists()]


def python(tool: Tool, peers: Path) -> Path:
    """Return the interpreter that has a tool."""
    return (
        peers.absolute() / tool.environment / "bin" / "python" if tool.environment else Path(sys.executable)
    )


def measure(
    peers: Path,
    results: Path,
    streams: Path,
    *,
    tools: Sequence[Tool] = TOOLS,
    seeds: int = 5,
    rows: int | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> list[dict[str, Any]]:
    """Return the records of all tools and seeds, in the order of `tools`; each is also a line of `results`.

    Raises
    ------
    DriftleadError
        A tool failed, in its own words.
    """
    results.parent.mkdir(parents=True, exist_ok=True)
    lines = results.read_text(encoding="utf-8").splitlines() if results.exists() else []
    done = {(record["user"], record["seed"]): record for record in map(json.loads, lines)}
    for seed in range(seeds):
        folder = streams / str(seed)
        wanted = [tool for tool in tools if seed < tool.streams and (tool.user, seed) not in done]
        if wanted:
            say(f"stream {seed}: writing")
            _write(folder, seed, rows)
        for tool in wanted:
            say(f"stream {seed}: {tool.name}")
            record = _work(tool, python(tool, peers), folder)
            done[tool.user, seed] = record
            with results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
    order = [tool.user for tool in tools]
    found = [record for record in done.values() if record["user"] in order and record["seed"] < seeds]
    return sorted(found, key=lambda record: (order.index(record["user"]), record["seed"]))


def _write(folder: Path, seed: int, rows: int | None) -> Job:
    return write(folder, seed) if rows is None else write(folder, seed, rows)


def _work(tool: Tool, interpreter: Path, folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        [interpreter, WORK, tool.user, folder],
        cwd=ROOT,
        env=os.environ | ALIKE,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        raise DriftleadError(f"{tool.name} failed: {said[-1]}")
    return dict(json.loads(done.stdout))
