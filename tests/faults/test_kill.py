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

from driftlead.monitor import Monitor, StateFolder
from driftlead.storage import SqlStore
from tests.faults import victim
from tests.monitor.test_monitor import wait_until
from tests.postgres import postgres_server

ROOT = Path(__file__).parents[2]


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
    acknowledged: list[str] = []
    opened: list[tuple[str, float]] = []
    kept_rows = told = 0
    killed_at = []
    for life in range(lives):
        said = live_and_die(folder, url, life, float(rng.uniform(0.1, 1.0)))
        killed_at.append(time.time())
        born = int(said[0][1])
        # What was saved before the last save began is there, and no row is there twice.
        assert kept_rows <= born <= told
        rows = [(int(words[1]), float(words[2]), float(words[3])) for words in said if words[0] == "rows"]
        saves = sorted({saved for _, _, saved in rows if saved})
        certain = saves[-2] if len(saves) > 1 else 0.0
        kept_rows = max([born, *(count for count, at, _ in rows if at <= certain)])
        told = max(count for count, _, _ in rows) + 50  # in the moment after it last said so
        for words in said:
            if words[0] == "labels":
                assert int(words[1]) == len(words) - 2, "a label did not find the prediction before it"
                acknowledged += words[2:]
            elif words[:2] == ["episode", "opened"]:
                opened.append((words[2], float(words[3])))
    assert not list((folder / "state").glob("*.aside")), "a state was damaged"
    assert len(acknowledged) > 20 * lives
    assert kept_rows > 10 * lives, "hardly anything was ever carried over"
    assert opened, "nothing ever drifted"
    check_kept(folder, url, acknowledged, [name for name, at in opened if long_before(at, killed_at)])


def long_before(moment, killed_at):
    """Whether a process lived on for two seconds: an episode is written by a thread of its own."""
    return min(at for at in killed_at if at >= moment) - moment > 2.0


def check_kept(folder, url, acknowledged, episodes):
    store = SqlStore(url, model="victim", version="1f")
    again = store.add_labels(acknowledged, np.zeros(len(acknowledged)), time.time())
    assert (again.duplicate, len(again), again.unmatched) == (len(acknowledged), 0, 0)
    assert set(episodes) <= {record.id for record in store.episodes(10_000)}
    # Whatever the store calls open, the next process goes on with.
    monitor = Monitor(victim.profile(), victim.settings(), store=store, folder=StateFolder(folder / "state"))
    monitor._tidy()
    monitor._recorder.flush()
    held = {episode.id for episode in monitor.snapshot().open_episodes}
    assert {record.id for record in store.episodes(10_000, unresolved=True)} <= held
    lost = [record for record in store.episodes(10_000) if record.document["resolution"] == "lost"]
    assert not lost, "the state did not know an episode that the store knew"
    monitor.close()


@pytest.fixture
def rng():
    return np.random.default_rng(5)
