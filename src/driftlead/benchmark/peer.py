"""Competitors of other packages, at the other end of a pipe: in the Python environment that they live in."""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftlead.benchmark.competitor import Competitor
from driftlead.benchmark.scenario import Takes
from driftlead.errors import DriftleadError

__all__ = ["PeerRun", "of_peer", "versions"]


def of_peer(
    name: str,
    python: Path,
    program: Path,
    adapter: str,
    *,
    levels: tuple[float, float] | None = None,
    parameter: str = "threshold",
    takes: tuple[Takes, ...] = ("numbers", "errors"),
    effort: float = 1.0,
) -> Competitor:
    """Let a detector of another environment compete.

    The program reads requests from its standard input and answers on its standard output: a line of JSON
    each, followed in a request by the values of an array of float64, by rows.

    - ``{"do": "start", "adapter", "level", "seed", "traced", "shape"}`` and the reference: ``{}``
    - ``{"do": "feed", "shape"}`` and rows: ``{"alarms": [row, …], "seconds"}``
    - ``{"do": "held"}``: ``{"bytes"}``
    - ``{"do": "versions"}``: versions by package
    - whatever went wrong: ``{"error"}``

    Parameters
    ----------
    name : str
    python : Path
        The environment's interpreter.
    program : Path
        The script that it runs.
    adapter : str
        Which of the program's detectors.
    levels, parameter, takes, effort
        See `Competitor`.
    """
    start = functools.partial(PeerRun, str(python), str(program), adapter)
    return Competitor(name, start, levels, parameter, takes, effort)


class PeerRun:
    """A detector of another environment at work; see `of_peer` and `driftlead.benchmark.Run`."""

    def __init__(
        self,
        python: str,
        program: str,
        adapter: str,
        reference: NDArray[np.float64],
        level: float | None,
        seed: int,
        traced: bool,
    ) -> None:
        self._pipe = _pipe(python, program)
        self._pipe.ask(reference, do="start", adapter=adapter, level=level, seed=seed, traced=traced)
        self.seconds = 0.0

    def feed(self, rows: NDArray[np.float64]) -> NDArray[np.bool_]:
        """See `Run`."""
        answer = self._pipe.ask(rows, do="feed")
        self.seconds += answer["seconds"]
        raised = np.zeros(len(rows), dtype=np.bool_)
        raised[answer["alarms"]] = True
        return raised

    def held(self) -> int:
        """See `Run`."""
        return int(self._pipe.ask(None, do="held")["bytes"])


def versions(python: Path, program: Path) -> dict[str, str]:
    """Return the versions of the packages at the other end.

    Raises
    ------
    DriftleadError
        The program did not answer.
    """
    return {
        str(name): str(version)
        for name, version in _pipe(str(python), str(program)).ask(None, do="versions").items()
    }


class _Pipe:
    def __init__(self, python: str, program: str) -> None:
        self._name = program
        try:
            self._process = subprocess.Popen([python, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        except OSError as error:
            raise DriftleadError(f"{python} cannot be started: {error.strerror}") from None

    def ask(self, rows: NDArray[np.float64] | None, **request: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        body = b""
        if rows is not None:
            request["shape"] = rows.shape
            body = np.ascontiguousarray(rows, dtype="<f8").tobytes()
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n" + body)
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except (BrokenPipeError, ValueError):  # it ended before, or was closed after an earlier failure
            line = b""
        if not line:
            self.close()
            raise DriftleadError(f"{self._name} ended while it was asked to {request['do']}")
        answer = json.loads(line)
        if "error" in answer:
            raise DriftleadError(f"{self._name}: {answer['error']}")
        return dict(answer)

    def close(self) -> None:
        """End the program, which stops at the end of its input."""
        for end in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(BrokenPipeError):
                if end is not None:
                    end.close()
        self._process.wait()


@functools.cache
def _pipe(python: str, program: str) -> _Pipe:
    """Return this process's pipe to a program, which ends with it."""
    pipe = _Pipe(python, program)
    atexit.register(pipe.close)
    return pipe
