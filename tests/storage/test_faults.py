"""Processes are killed and disks fill: nothing acknowledged is lost, nothing half-written."""

from __future__ import annotations

import multiprocessing
import resource
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

import numpy as np
import pytest

from driftlead.errors import StorageError
from driftlead.storage import SqlStore
from tests.storage.rows import predicted


def write_until_killed(url: str, run: int, acknowledged: Connection) -> None:
    """Add predictions and labels of even numbers; send each number that is durable."""
    store = SqlStore(url, model="digits", version="1")
    number = 0
    while True:
        ids = [f"{run} {number} {row}" for row in range(5)]
        store.add_predictions(predicted(ids))
        if number % 2 == 0:
            store.add_labels(ids, np.ones(5), received_at=1.0)
        acknowledged.send(number)
        number += 1


def test_what_was_acknowledged_survives_kill_9(url, make_store):
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([__name__])
    rng = np.random.default_rng(11)
    acknowledged: list[tuple[int, int]] = []
    for run in range(20):
        here, there = processes.Pipe(duplex=False)
        process = processes.Process(target=write_until_killed, args=(url, run, there))
        process.start()
        there.close()
        acknowledged.append((run, here.recv()))
        time.sleep(rng.uniform(0.0, 0.05))
        process.kill()
        process.join()
        try:
            while True:
                acknowledged.append((run, here.recv()))
        except (EOFError, OSError):  # cut off between two messages, or within one
            here.close()
    store = make_store()
    for run, number in acknowledged:
        ids = [f"{run} {number} {row}" for row in range(5)]
        joined = store.add_labels(ids, np.zeros(5), received_at=2.0)
        assert (len(joined), joined.duplicate) == ((0, 5) if number % 2 == 0 else (5, 0)), (run, number)


@contextmanager
def small_files() -> Iterator[None]:
    """No file of this process may grow beyond 400 kB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def fill(store: SqlStore) -> tuple[list[list[str]], list[str]]:
    """Add predictions until it fails; return the batches before, and the one that failed."""
    done: list[list[str]] = []
    while True:
        ids = [f"{len(done)} {row}" for row in range(500)]
        try:
            store.add_predictions(predicted(ids, columns=20))
        except StorageError:
            return done, ids
        done.append(ids)


def check_room_again(store: SqlStore, done: list[list[str]], failed: list[str]) -> None:
    """What was acknowledged is there, of what failed nothing is, and all works again."""
    for ids in done:
        assert len(store.add_labels(ids, np.ones(len(ids)), received_at=1.0)) == len(ids)
    assert store.add_labels(failed, np.ones(len(failed)), received_at=1.0).unmatched == len(failed)
    assert store.add_predictions(predicted(failed, columns=20)).new == len(failed)
    assert len(store.join_waiting()) == len(failed)


def test_a_file_may_grow_no_more(file_store):
    file_store.add_predictions(predicted(["first"]))
    with small_files():
        done, failed = fill(file_store)
        with pytest.raises(StorageError):
            file_store.add_predictions(predicted(failed, columns=20))
    check_room_again(file_store, done, failed)


def test_the_disk_is_full(tmp_path):
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", tmp_path], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this user may not mount a small disk")
    store = SqlStore(f"sqlite:///{tmp_path}/store.db", model="digits", version="1")
    try:
        done, failed = fill(store)
        with pytest.raises(StorageError, match=r"store\.db: (database or disk is full|disk I/O error)"):
            store.add_predictions(predicted(failed, columns=20))
        subprocess.run(["mount", "-o", "remount,size=16m", tmp_path], check=True)
        check_room_again(store, done, failed)
    finally:
        store.close()
        subprocess.run(["umount", tmp_path], check=True)
