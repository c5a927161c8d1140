"""What the monitor takes in: rows through all detectors, and labels joined to their predictions.

    python -m benchmarks.monitor
    python -m benchmarks.monitor --predictions 1000000

In one process: rows in batches of 1 000 × 100 signals through three detectors, bins and counts; labels
through `Monitor.feedback`, with quality and the test of errors behind it, on SQLite. Rates of CPU time are
what other load on the machine disturbs least; those on the clock are printed beside them.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.progress import track

from driftlead.monitor import Monitor, MonitorSettings
from driftlead.reference import ReferenceProfile
from driftlead.signals import feature_signals
from driftlead.storage import SqlStore

ROWS, SIGNALS, BATCHES = 1_000, 100, 50
LABELS_AT_ONCE = 1_000


def timed(work: Callable[[], None]) -> tuple[float, float]:
    """Seconds on the clock, and of CPU time."""
    clock, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - cpu


def rows_through_all_detectors() -> None:
    rng = np.random.default_rng(0)
    profile = ReferenceProfile.from_rows(
        feature_signals([str(number) for number in range(SIGNALS)]),
        rng.normal(size=(5_000, SIGNALS)),
        model_hash="1f",
    )
    monitor = Monitor(profile, MonitorSettings())
    batches = rng.normal(size=(BATCHES, ROWS, SIGNALS))
    for batch in batches[:3]:
        monitor.process(batch)  # windows are full, kernels loaded

    def work() -> None:
        for batch in track(batches, description="rows"):
            monitor.process(batch)

    clock, cpu = timed(work)
    values = batches.size
    print(
        f"rows: {values / cpu:,.0f} values/s of CPU time, {values / clock:,.0f} on the clock (bar 1,000,000)"
    )


def labels_joined(predictions: int) -> None:
    rng = np.random.default_rng(0)
    scores = rng.dirichlet([1.0] * 10, size=predictions).astype(np.float32)
    truth = rng.integers(0, 10, predictions)
    profile = ReferenceProfile.from_rows(
        feature_signals(["a"]), rng.normal(size=(5_000, 1)), model_hash="1f"
    ).with_quality(scores[:5_000], truth[:5_000])
    with tempfile.TemporaryDirectory() as folder:
        store = SqlStore(f"sqlite:///{Path(folder) / 'kept.db'}", model="m", version="1f")
        monitor = Monitor(profile, MonitorSettings(kept_predictions=predictions), store=store)
        ids = [f"r{number}" for number in range(predictions)]
        monitor.process(rng.normal(size=(predictions, 1)), ids=ids, scores=scores)
        monitor.feedback(["none"], [0])  # opens the database
        clock, _ = timed(monitor._recorder.flush)
        print(f"predictions: {predictions / clock:,.0f}/s on the clock")
        order = rng.permutation(predictions)
        pieces = [
            ([ids[place] for place in piece], truth[piece])
            for piece in np.array_split(order, predictions // LABELS_AT_ONCE)
        ]

        def work() -> None:
            for some, labels in track(pieces, description="labels"):
                monitor.feedback(some, labels)

        clock, cpu = timed(work)
        outcomes = monitor.snapshot().labels.outcomes
        print(
            f"labels: {predictions / clock:,.0f}/s on the clock, {predictions / cpu:,.0f}/s of CPU time"
            f" (bar 20,000); {outcomes['matched']:,} of {predictions:,} matched"
        )
        monitor.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--predictions", type=int, default=200_000, help="that wait for their labels")
    options = parser.parse_args()
    rows_through_all_detectors()
    labels_joined(options.predictions)


if __name__ == "__main__":
    main()
