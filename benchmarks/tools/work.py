"""One tool at the job, in its own environment; what it cost and when it alarmed, as one line of JSON.

    .venv-peers/river/bin/python benchmarks/tools/work.py river:adwin FOLDER

Needs NumPy and the tool, nothing of the library. The user's code, a function of a file in `users`, is given
the reference, the names of its columns, and the stream in blocks of rows. It yields pairs: how many rows it
had looked at when it alarmed, and the features that it named, or None where its verdict is on all together.
"""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import inspect
import json
import os
import platform
import resource
import sys
import textwrap
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Alarm = tuple[int, "list[str] | None"]
User = Callable[[np.ndarray, Sequence[str], Iterator[np.ndarray]], Iterator[Alarm]]

BLOCK = 1_000
USERS = Path(__file__).with_name("users")


class Blocks:
    """The stream, read from its file in blocks; knows when the first of them was asked for."""

    def __init__(self, path: Path, columns: int, size: int) -> None:
        self._path, self._columns, self._size = path, columns, size
        self.began = 0.0
        self.rows = 0

    def __iter__(self) -> Iterator[np.ndarray]:
        self.began = time.process_time()
        with self._path.open("rb") as file:
            while len(block := np.fromfile(file, count=self._size * self._columns)):
                yield block.reshape(-1, self._columns)
                self.rows += len(block) // self._columns


def user(name: str) -> User:
    """Return the user's code of ``"file:function"``, not by import: its files bear the tools' names."""
    module, _, function = name.partition(":")
    spec = importlib.util.spec_from_file_location(f"user_of_{module}", USERS / f"{module}.py")
    assert spec is not None
    assert spec.loader is not None
    file = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(file)
    return getattr(file, function)


def lines(of: User) -> int:
    """Count the user's lines: those with code, less the head of the function and its docstring."""
    text = textwrap.dedent(inspect.getsource(of))
    body = ast.parse(text).body[0].body  # type: ignore[attr-defined]
    first = body[1] if ast.get_docstring(ast.parse(text).body[0]) else body[0]  # type: ignore[arg-type]
    code = text.splitlines()[first.lineno - 1 :]
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in code)


def work(name: str, folder: Path, block: int = BLOCK) -> dict[str, Any]:
    """Do the job; times are processor time of all threads of this process."""
    job = json.loads((folder / "job.json").read_text())
    reference = np.fromfile(folder / "reference.f64").reshape(job["reference"], len(job["names"]))
    blocks = Blocks(folder / "stream.f64", len(job["names"]), block)
    held = _peak()
    started = time.process_time()
    code = user(name)
    alarms = [[int(row), named] for row, named in code(reference, job["names"], iter(blocks))]
    ended = time.process_time()
    if blocks.rows != job["rows"]:
        raise RuntimeError(f"{name} looked at {blocks.rows} of {job['rows']} rows")
    return {
        "user": name,
        "seed": job["seed"],
        "change": job["change"],
        "rows": blocks.rows,
        "setup_seconds": blocks.began - started,
        "seconds": ended - blocks.began,
        "held_before": held,
        "held": _peak(),
        "lines": lines(code),
        "alarms": alarms,
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Return the versions of what matters that this environment holds."""
    found = {"Python": platform.python_version()}
    for package in (
        "evidently", "nannyml", "whylogs", "deepchecks", "river", "frouros", "alibi-detect",
        "numpy", "pandas", "scipy", "scikit-learn",
    ):  # fmt: skip
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _peak() -> int:
    """Return the most memory that this process has had resident, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    warnings.simplefilter("ignore")
    sys.path.pop(0)  # this folder: its files are no packages of anyone's
    # What the packages print must not end up in the answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    print(json.dumps(work(sys.argv[1], Path(sys.argv[2]))), file=answers, flush=True)


if __name__ == "__main__":
    main()
