"""The peers' work, timed inside an environment of their own.

Run as a module by that environment's Python. It answers one JSON object per line: ``{"work": "river_ks",
"size": 1000}`` with ``{"ns": …}``, nanoseconds per value; ``{"work": "versions"}`` with the packages found.
"""

from __future__ import annotations

import functools
import importlib.metadata
import json
import platform
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.speed.clock import Probe, probe

Feed = Callable[[list[Any]], None]
PACKAGES = ("river", "frouros", "scipy", "numpy")
_RNG = np.random.default_rng(2)


def river_ks(size: int) -> Feed:
    """river feeds and reverts pairs only: a window value changes by reverting it with a reference value."""
    from river.stats import KolmogorovSmirnov

    reference, window = _normal(size), _normal(size)
    test = KolmogorovSmirnov()
    for pair in zip(reference, window, strict=True):
        test.update(*pair)
    at = 0

    def feed(values: list[float]) -> None:
        nonlocal at
        for x in values:
            test.revert(reference[at], window[at])
            test.update(reference[at], x)
            window[at] = x
            at = (at + 1) % size
            test.get()

    return feed


def frouros_ks(size: int) -> Feed:
    """frouros sorts the window anew for every value, and computes the p-value along with it."""
    from frouros.detectors.data_drift import IncrementalKSTest

    test = IncrementalKSTest(window_size=size)
    test.fit(X=_RNG.normal(size=size))

    def feed(values: list[float]) -> None:
        for x in values:
            test.update(value=x)

    feed(_normal(size))
    return feed


def scipy_ks(size: int) -> Feed:
    """SciPy from scratch for every value, with the p-value that costs least."""
    from scipy.stats import ks_2samp

    reference, window = _RNG.normal(size=size), _RNG.normal(size=size)
    at = 0

    def feed(values: list[float]) -> None:
        nonlocal at
        for x in values:
            window[at] = x
            at = (at + 1) % size
            ks_2samp(reference, window, method="asymp")

    return feed


def river_page_hinkley(size: int) -> Feed:
    """One detector per signal, ``size`` signals; one row costs one pass. The verdict is not even read."""
    from river.drift import PageHinkley

    tests = [PageHinkley(delta=0.005, threshold=50.0, alpha=1.0, mode="both") for _ in range(size)]
    (only,) = tests if size == 1 else (None,)

    def feed(values: list[float]) -> None:
        for x in values:
            only.update(x)

    def feed_rows(rows: list[list[float]]) -> None:
        for row in rows:
            for test, x in zip(tests, row, strict=True):
                test.update(x)

    return feed if only is not None else feed_rows


WORK: dict[str, Callable[[int], Feed]] = {
    work.__name__: work for work in (river_ks, frouros_ks, scipy_ks, river_page_hinkley)
}


@functools.cache
def _probe(work: str, size: int, milliseconds: float) -> Probe:
    """Return a probe that takes about so many milliseconds, so that slow peers do not take all day."""
    feed = WORK[work](size)
    width = size if work == "river_page_hinkley" else 1

    def draw(units: int) -> list[Any]:
        return _normal(units) if width == 1 else _RNG.normal(size=(units, width)).tolist()

    feed(draw(2))
    data, start = draw(5), time.thread_time_ns()
    feed(data)
    each = (time.thread_time_ns() - start) / 5
    units = int(np.clip(milliseconds * 1e6 / each, 5, 20_000))
    return probe(lambda: draw(units), feed, units)


def _normal(size: int) -> list[float]:
    """Return Python floats: the peers are slower with NumPy's."""
    return _RNG.normal(size=size).tolist()


def versions() -> dict[str, str]:
    """Return the version of Python and of each peer that this environment has."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def main() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        if request["work"] == "versions":
            answer: dict[str, Any] = versions()
        else:
            answer = {"ns": _probe(request["work"], request["size"], request["milliseconds"])()}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
