"""Store a state of every detector under its present version, once.

Run ``python -m tests.detectors.store_states``. Stored files are never rewritten: when a detector's
version rises, this adds files for the new version and those of the old one stay, so that every state
ever written keeps loading.
"""

from pathlib import Path

import numpy as np

from driftlead import state
from tests.detectors.cases import FACTORIES

FOLDER = Path(__file__).parents[1] / "data" / "states"
KIND = "stored_detector"
WITHOUT = ("budget",)  # thresholds from a budget are another module's promise


def rows(n_signals, n, seed):
    rng = np.random.default_rng(seed)
    block = rng.normal(size=(n, n_signals))
    block[n // 2 :] += 1.2
    block[rng.random(block.shape) < 0.05] = np.nan
    return np.round(block, 2)


def store_missing():
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, factory in FACTORIES.items():
        detector = factory()
        path = FOLDER / f"{name}-v{detector.version}.state"
        if path.exists() or name.endswith(WITHOUT):
            continue
        detector.update_many(rows(detector.n_signals, 301, 1))
        stored = detector.state()
        fed = rows(detector.n_signals, 150, 2)
        trace = detector.update_many(fed)
        later = {"rows": fed, "statistic": trace.statistic.copy(), "alarm": trace.alarm.copy()}
        state.save(path, KIND, 1, {"state": stored, "later": later})
        print(path)


if __name__ == "__main__":
    store_missing()
