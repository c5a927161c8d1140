"""False alarms of a whole monitor whose rows never drift and lack some of their values.

    python benchmarks/missing_values.py

Every test, that of the share of missing values among them, over numbers and a category. A minute.
"""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

from driftlead.monitor import Monitor, MonitorSettings
from driftlead.reference import ReferenceProfile
from driftlead.signals import Signal

SEED = 4_2024
SIGNALS = (*(Signal(f"s{j}") for j in range(4)), Signal("kind", "categorical"))
BUDGET, WINDOW = 2_000, 100


def draw(rng: np.random.Generator, rows: int, share: float) -> np.ndarray:
    """Rows of independent values, each missing with the same probability."""
    drawn = np.column_stack([rng.normal(size=(rows, 4)), rng.integers(0, 5, rows)])
    drawn[rng.random(drawn.shape) < share] = np.nan
    return drawn


def measure(share: float, references: int = 150, rows: int = 20_000, n: int = 5_000) -> None:
    """Print alarms of all pairs over those that the budget lets them raise, and how many each test raised."""
    rng = np.random.default_rng([SEED, 10, int(1_000 * share)])
    alarms: Counter[str] = Counter()
    each = []
    for _ in range(references):
        profile = ReferenceProfile.from_rows(SIGNALS, draw(rng, n, share), model_hash="benchmark")
        monitor = Monitor(profile, MonitorSettings(window=WINDOW, false_alarm_every=BUDGET))
        monitor.process(draw(rng, 3 * WINDOW, share))  # fills the windows
        before = raised(monitor)
        monitor.process(draw(rng, rows, share))
        new = raised(monitor) - before
        alarms += new
        each.append(new.total() * BUDGET / rows)
    error = np.std(each) / math.sqrt(references)
    print(
        f"{share:.0%} missing: {np.mean(each):.2f}±{error:.2f} of the budget; " + counted(alarms), flush=True
    )


def raised(monitor: Monitor) -> Counter[str]:
    return Counter({seen.name: int(seen.alarms.sum()) for seen in monitor.snapshot().detectors})


def counted(alarms: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in alarms.items())


if __name__ == "__main__":
    for missing in (0.0, 0.05, 0.3):
        measure(missing)
