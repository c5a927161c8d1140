"""kill -9 at random moments: what was acknowledged is there, and windows go on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from driftlead.monitor import StateFolder
from driftlead.storage import SqlStore
from tests.faults import victim
from tests.monitor.test_monitor import wait_until
from tests.postgres import postgres_server

ROOT = Path(__file__).parents[2]
SLACK = 1.5  # seconds that a busy machine may take from deciding to save to having saved


def live_and_die(folder: Path, url: str, life: int, seconds: float) -> list[list[str]]:
    """Run the victim, kill it some time after it began to work, and return what it had said."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.victim", folder, url, str(life)],
        cwd=ROOT,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    said = folder / f"said-{life}"
    try:
        wait_until(lambda: process.poll() is not None or (said.exists() and "rows" in said.read_text()))
        time.sleep(seconds)
        assert process.poll() is None, process.stderr.read()
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    # A line that was cut short was not said.
    return [line.split() for line in said.read_text().split("\n")[:-1]]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.server)])
def test_nothing_acknowledged_is_lost(tmp_path, database, rng):
    if database == "sqlite":
        check(tmp_path, f"sqlite:///{tmp_path}/kept.db", rng, lives=14)
    else:
        with postgres_server() as server:
            check(tmp_path, server.database(), rng, lives=6)


def check(folder, url, rng, lives):
    acknowledged, opened, before = [], set(), []
    killed_at = 0.0
    for life in range(lives):
        said = live_and_die(folder, url, life, float(rng.uniform(0.0, 0.8)))
        born = int(said[0][1])
        survived = [
            int(words[1]) for words in before if float(words[2]) < killed_at - victim.SAVE_EVERY - SLACK
        ]
        # All rows but those of the last moments, and none twice.
        assert max(survived, default=0) <= born <= max((int(words[1]) for words in before), default=0) + 200
        killed_at = time.time()
        before = [words for words in said if words[0] == "rows"]
        for words in said:
            if words[0] == "labels":
                assert int(words[1]) == len(words) - 2, (
                    "a label did not find the prediction that came before it"
                )
                acknowledged += words[2:]
            elif words[0] == "episode":
                opened.add(words[2])
    assert not list((folder / "state").glob("*.aside")), "a state was damaged"
    assert len(acknowledged) > 20 * lives
    store = SqlStore(url, model="victim", version="1f")
    again = store.add_labels(acknowledged, np.zeros(len(acknowledged)), time.time())
    assert (again.duplicate, len(again), again.unmatched) == (len(acknowledged), 0, 0)
    kept = {record.id for record in store.episodes(10_000)}
    store.close()
    # An episode is written by a thread of its own: the one of the last moment may be missing in each life.
    assert len(opened - kept) <= lives
    StateFolder(folder / "state").close()


@pytest.fixture
def rng():
    return np.random.default_rng(5)
