"""Time a scrape of many signals, written by us and by prometheus_client: ``python -m benchmarks.scrape``."""

from __future__ import annotations

import gzip
import sys
import time
from collections.abc import Callable

import numpy as np
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest

from driftlead.exporters.exposition import expose
from driftlead.exporters.prometheus import MonitorCollector
from driftlead.monitor import Monitor
from driftlead.reference import ReferenceProfile
from driftlead.signals import Signal

OPEN_METRICS = "application/openmetrics-text; version=1.0.0"


def build_registry(n_signals: int) -> CollectorRegistry:
    """Watch signals with all three detectors, and export them all."""
    rng = np.random.default_rng(0)
    signals = [Signal(f"feature:{number}") for number in range(n_signals)]
    profile = ReferenceProfile.from_rows(signals, rng.normal(size=(2_000, n_signals)), model_hash="1f")
    monitor = Monitor(profile)
    monitor.process(rng.normal(size=(600, n_signals)))
    registry = CollectorRegistry()
    registry.register(MonitorCollector(monitor, model="digits", version="1f", max_signals=n_signals))
    return registry


def milliseconds(act: Callable[[], object], repeats: int = 15) -> np.ndarray:
    """Least and median time of some calls after a first."""
    act()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        act()
        times.append(1e3 * (time.perf_counter() - started))
    return np.quantile(times, [0, 0.5])


def main(n_signals: int = 500) -> None:
    """Print the times."""
    registry = build_registry(n_signals)
    text = expose(registry, OPEN_METRICS)[0]
    packed = gzip.compress(text, compresslevel=1)
    lines = sum(not line.startswith(b"#") for line in text.splitlines())
    print(f"{n_signals} signals, {lines} series, {len(text)} bytes, {len(packed)} compressed")
    for name, act in (
        ("expose", lambda: expose(registry, OPEN_METRICS)),
        ("compress", lambda: gzip.compress(text, compresslevel=1)),
        ("prometheus_client", lambda: generate_latest(registry)),
    ):
        least, median = milliseconds(act)
        print(f"{name:20}{least:8.1f} ms at least{median:8.1f} ms median")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
