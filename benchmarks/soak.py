"""Whether a monitor's memory stays flat: ten million rows, their predictions and some of their labels.

    python -m benchmarks.soak                10 million rows of 8 signals; some minutes
    python -m benchmarks.soak --rows 1e6     shorter

Rows drift now and then, so that alarms and episodes are a part of it. Printed is the memory of this process
at ten moments; the last nine should not differ.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.progress import track

from driftlead.monitor import Monitor, MonitorSettings, StateFolder
from driftlead.reference import ReferenceProfile
from driftlead.signals import feature_signals
from driftlead.storage import SqlStore

SIGNALS, BATCH = 8, 1_000


def resident_mebibytes() -> float:
    """Memory of this process that is in use."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def main() -> None:
    """Feed and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=float, default=1e7)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    truth = rng.random(5_000) < 0.8
    scores = np.column_stack([rng.uniform(0, 0.5, 5_000), np.zeros(5_000)]).astype(np.float32)
    scores[:, 1] = 1 - scores[:, 0]
    names = [f"s{number}" for number in range(SIGNALS)]
    profile = ReferenceProfile.from_rows(
        feature_signals(names), rng.normal(size=(5_000, SIGNALS)), model_hash="1f"
    ).with_quality(scores, truth.astype(float))
    batches = int(options.rows) // BATCH
    memory: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        store = SqlStore(f"sqlite:///{folder}/kept.db", model="m", version="1f", keep_seconds=60)
        monitor = Monitor(
            profile, MonitorSettings(queue_rows=20_000), store=store, folder=StateFolder(Path(folder))
        )
        monitor.start()
        began = time.perf_counter()
        for number in track(range(batches), description="rows"):
            shift = 1.0 if number % 200 > 190 else 0.0
            rows = rng.normal(shift, 1.0, size=(BATCH, SIGNALS))
            while monitor.snapshot().queue_rows > 10_000:
                time.sleep(0.001)
            # Predictions of a tenth of the rows are kept: a database of ten million would measure the disk.
            kept = BATCH // 10
            ids = [f"{number}/{row}" for row in range(kept)]
            monitor.observe(rows[:kept], ids=ids, scores=scores[:kept])
            monitor.observe(rows[kept:])
            if number % 10 == 9:
                monitor.feedback(ids, truth[:kept].astype(float))
            if number % max(1, batches // 10) == max(1, batches // 10) - 1:
                memory.append(resident_mebibytes())
        seconds = time.perf_counter() - began
        monitor.close()
        snapshot = monitor.snapshot()
    print("MiB: " + " ".join(f"{each:.0f}" for each in memory))
    print(f"growth of the last nine tenths: {memory[-1] - memory[0]:+.1f} MiB")
    print(
        f"{snapshot.rows:,} rows in {seconds:.0f} s, {sum(snapshot.dropped_rows.values())} dropped, errors"
        f" {sum(snapshot.errors.values())}; labels {snapshot.labels.outcomes}"
    )


if __name__ == "__main__":
    main()
