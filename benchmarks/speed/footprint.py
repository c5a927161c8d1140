"""What the detectors hold in memory, and what a process pays before its first verdict."""

from __future__ import annotations

import gc
import json
import math
import subprocess
import sys
import tracemalloc
from typing import Any

import numpy as np

from driftlead.detectors import NMDDM, Detector, IncrementalKS, PageHinkley
from driftlead.ranks import SortedReference

_START = """
import json, time
wall, cpu = time.perf_counter(), time.process_time()
import numpy as np
from driftlead.detectors import NMDDM, IncrementalKS, PageHinkley
from driftlead.ranks import SortedReference
reference = SortedReference(np.linspace(-2.0, 2.0, 1000))
for detector in (PageHinkley(reference), IncrementalKS(reference), NMDDM(reference)):
    detector.update(0.5)
print(json.dumps({"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}))
"""


def memory(size: int, signals: int) -> dict[str, float]:
    """Return the bytes per signal of all three detectors, windows as large as the reference and full.

    Counted twice over: the arrays that can be reached from the detectors, and what Python's allocator
    handed out for them. With one reference for all three, and with one for each.
    """
    _three(size, 2, shared=True)  # compiled code is no part of a signal
    shared, separate = [_traced(size, signals, shared=one) / signals for one in (True, False)]
    held = arrays(_three(size, signals, shared=True)) / signals
    return {"memory.arrays": held, "memory.traced": shared, "memory.separate": separate}


def arrays(roots: Any) -> int:
    """Return the bytes of all distinct array buffers reachable from ``roots``."""
    buffers: dict[int, int] = {}
    seen: set[int] = set()
    pending = [roots]
    while pending:
        each = pending.pop()
        if id(each) in seen or isinstance(each, str | type):
            continue
        seen.add(id(each))
        if isinstance(each, np.ndarray):
            if isinstance(each.base, np.ndarray):
                pending.append(each.base)
            else:
                buffers[id(each)] = each.nbytes
        elif isinstance(each, dict):
            pending.extend(each.values())
        elif isinstance(each, list | tuple):
            pending.extend(each)
        elif hasattr(each, "__dict__"):
            pending.append(vars(each))
    return sum(buffers.values())


def startup(processes: int) -> dict[str, float]:
    """Return the seconds of import, construction and first update in fresh processes, kernels cached."""
    wall = cpu = math.inf
    for number in range(processes + 1):
        answer = subprocess.run([sys.executable, "-c", _START], check=True, capture_output=True, text=True)
        spent = json.loads(answer.stdout)
        if number > 0:  # the first one may have had to compile
            wall, cpu = min(wall, spent["wall"]), min(cpu, spent["cpu"])
    return {"startup.wall": wall, "startup.cpu": cpu}


def _traced(size: int, signals: int, *, shared: bool) -> int:
    gc.collect()
    tracemalloc.start()
    try:
        three = _three(size, signals, shared=shared)
        gc.collect()
        held = tracemalloc.get_traced_memory()[0]
        del three
    finally:
        tracemalloc.stop()
    return held


def _three(size: int, signals: int, *, shared: bool) -> list[Detector]:
    rng = np.random.default_rng(3)
    samples, rows = rng.normal(size=(size, signals)), rng.normal(size=(size, signals))
    one = SortedReference(samples) if shared else samples
    three = [PageHinkley(one), IncrementalKS(one, size), NMDDM(one, size)]
    for detector in three:
        detector.update_many(rows)  # as values: then the KS detector keeps them for rebase(), the dearer case
    return three
