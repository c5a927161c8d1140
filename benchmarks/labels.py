"""Join a million predictions with their labels, which come in no order; count that none is lost.

    python benchmarks/labels.py [--url postgresql://user@host/name] [--rows 1000000] [--batch 5000]

Ten classes, ids of 32 characters in no order either: the worst case of an index. Half of a batch per
thousand is sent twice, as clients do. Memory is that of the program, whatever the number of rows.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from driftlead.monitor.records import PredictionBatch
from driftlead.storage import SqlStore

SEED = 20240
CLASSES = 10
HOUR = 3600.0
# Odd, so that multiplication by it is one-to-one: ids that look random, without a list of them.
SCATTER = 0x9E3779B97F4A7C15F39CC0605CEDC835


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--url", help="database; a temporary SQLite file unless given")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=5_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = arguments.url or f"sqlite:///{folder}/labels.db"
        store = SqlStore(url, model=f"benchmark {time.time_ns()}", version="1")
        try:
            run(store, arguments.rows, arguments.batch)
        finally:
            store.close()


def run(store: SqlStore, rows: int, batch: int) -> None:
    rng = np.random.default_rng(SEED)
    columns = (TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        task = progress.add_task("predictions", total=rows)
        clock = 0.0
        for start in range(0, rows, batch):
            numbers = np.arange(start, min(start + batch, rows))
            outputs = rng.dirichlet(np.ones(CLASSES), len(numbers)).astype(np.float32)
            made = PredictionBatch(ids_of(numbers), HOUR * numbers / rows, outputs)
            started = time.perf_counter()
            store.add_predictions(made)
            clock += time.perf_counter() - started
            progress.advance(task, len(numbers))
        predictions_per_second = rows / clock

        task = progress.add_task("labels", total=rows)
        joined_times = np.zeros(rows, dtype=np.int8)
        duplicates, clock = 0, 0.0
        order = rng.permutation(rows)
        for start in range(0, rows, batch):
            numbers = order[start : start + batch]
            again = numbers[: len(numbers) // 2000]
            sent = np.concatenate([numbers, again])
            started = time.perf_counter()
            joined = store.add_labels(ids_of(sent), (sent % CLASSES).astype(np.float64), received_at=HOUR)
            clock += time.perf_counter() - started
            found = np.rint(joined.made_at * rows / HOUR).astype(np.int64)
            joined_times[found] += 1
            duplicates += joined.duplicate - len(again)
            assert (joined.labels == found % CLASSES).all(), "a label went to another prediction"
            progress.advance(task, len(numbers))

    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"predictions/s   {predictions_per_second:10,.0f}")
    print(f"labels/s        {rows / clock:10,.0f}")
    print(f"joined once     {(joined_times == 1).sum():10,} of {rows:,}")
    print(f"memory          {megabytes:10,.0f} MB at most")
    assert (joined_times == 1).all(), "labels were lost, or joined twice"
    assert duplicates == 0, "a label was called a duplicate that is none"


def ids_of(numbers: np.ndarray) -> list[str]:
    return [f"{(number + 1) * SCATTER % 2**128:032x}" for number in numbers.tolist()]


if __name__ == "__main__":
    main()
