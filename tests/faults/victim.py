"""A process that serves, is told labels, and is killed: it writes down what it was told is safe.

python -m tests.faults.victim FOLDER URL LIFE
"""

from __future__ import annotations

import itertools
import os
import sys
import time
from pathlib import Path

import numpy as np

from driftlead.monitor import Monitor, MonitorSettings, StateFolder
from driftlead.reference import ReferenceProfile
from driftlead.signals import feature_signals
from driftlead.storage import SqlStore

SAVE_EVERY = 0.1


def profile() -> ReferenceProfile:
    """The same in every life."""
    rows = np.random.default_rng(0).normal(size=(1_000, 3))
    return ReferenceProfile.from_rows(feature_signals(["a", "b", "c"]), rows, model_hash="1f")


def settings() -> MonitorSettings:
    return MonitorSettings(
        window=100,
        false_alarm_every=10_000,
        save_every_seconds=SAVE_EVERY,
        linger_seconds=0.002,
        label_deadline_seconds=1e9,
    )


def main(folder: str, url: str, life: str) -> None:
    said = os.open(Path(folder) / f"said-{life}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def say(*words: object) -> None:
        os.write(said, (" ".join(map(str, words)) + "\n").encode())

    monitor = Monitor(
        profile(),
        settings(),
        store=SqlStore(url, model="victim", version="1f"),
        folder=StateFolder(Path(folder) / "state"),
    )
    monitor.on_episode(lambda kind, episode: say("episode", kind, episode.id, time.time()))
    born = monitor.snapshot()
    say("born", born.rows, *(episode.id for episode in born.open_episodes))
    monitor.start()
    rng = np.random.default_rng(int(life))
    scores = np.array([[0.3, 0.7]], dtype=np.float32)
    for number in itertools.count():
        # Something drifts soon, and heals for a moment every few hundred rows.
        shift = 2.0 if number % 300 > 30 else 0.0
        name = f"{life}-{number}"
        monitor.observe(rng.normal(shift, 1.0, size=(1, 3)), ids=[name], scores=scores)
        if number % 20 == 19:
            names = [f"{life}-{number - back}" for back in range(0, 20, 2)]
            outcome = monitor.feedback(names, [1] * len(names))
            say("labels", outcome.matched, *names)
            snapshot = monitor.snapshot()
            say("rows", snapshot.rows, time.time(), snapshot.saved_at or 0.0)
        time.sleep(0.001)


if __name__ == "__main__":
    main(*sys.argv[1:])
