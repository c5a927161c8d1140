"""A peer at the other end of a pipe: another environment's Python that times its own packages."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Self

from benchmarks.speed.clock import Probe

ROOT = Path(__file__).parents[2]


class Peer:
    """A process of `benchmarks.speed.peers` under a given Python."""

    def __init__(self, python: Path) -> None:
        self._process = subprocess.Popen(
            [python, "-m", "benchmarks.speed.peers"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.versions: dict[str, str] = self._ask(work="versions")

    def probe(self, work: str, size: int, milliseconds: float) -> Probe:
        """Return a measurement that the peer makes when called."""
        self._ask(work=work, size=size, milliseconds=milliseconds)  # builds, fills and warms up
        return lambda: float(self._ask(work=work, size=size, milliseconds=milliseconds)["ns"])

    def _ask(self, **request: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the peer ended while it was asked for {request}")
        return dict(json.loads(answer))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()
