"""What other libraries' drift detectors do at their defaults: false alarms, and delays after a change.

    .venv-peers/river/bin/python benchmarks/peer_alarms.py [alarms|delays]
    .venv-peers/frouros/bin/python benchmarks/peer_alarms.py [alarms|delays]

Whatever of river and frouros the environment holds is measured, and the rule that many write themselves:
alarm when a two-sample KS test says p < 0.05. Needs numpy and scipy beside it. Both parts by default,
a quarter of an hour with river, most of it KSWIN's.
"""

from __future__ import annotations

import importlib.util
import itertools
import math
import sys
from collections.abc import Callable, Iterator

import numpy as np
from scipy import signal, stats

SEED = 4_2024
STREAMS, ROWS = 20, 5_000

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
Alarms = Callable[[float], bool]  # takes a value, says whether it raised an alarm


def autoregressive(rng: np.random.Generator, size: tuple[int, ...], phi: float) -> np.ndarray:
    steps = rng.normal(size=(size[0], size[1] + 300)) * math.sqrt(1.0 - phi * phi)
    return signal.lfilter([1.0], [1.0, -phi], steps, axis=1)[:, 300:]


FAMILIES: dict[str, Draw] = {
    "normal": lambda rng, size: rng.normal(size=size),
    "t3": lambda rng, size: rng.standard_t(3, size=size),
    "lognormal": lambda rng, size: rng.lognormal(size=size),
    "AR(1) 0.6": lambda rng, size: autoregressive(rng, size, 0.6),
}

CHANGES: dict[str, tuple[str, Draw]] = {  # the family before, and what comes after
    "location +1 sd": ("normal", lambda rng, size: rng.normal(loc=1.0, size=size)),
    "scale x1.5": ("normal", lambda rng, size: rng.normal(scale=1.5, size=size)),
    "t3 +0.5 sd": ("t3", lambda rng, size: rng.standard_t(3, size=size) + 0.5 * math.sqrt(3.0)),
    "normal, none": ("normal", FAMILIES["normal"]),
    "t3, none": ("t3", FAMILIES["t3"]),
}


def detectors() -> Iterator[tuple[str, Callable[[], Alarms]]]:
    """Yield names, and what makes a detector for one stream."""
    if importlib.util.find_spec("river"):
        from river import drift

        def river(make: Callable[[], object]) -> Alarms:
            detector = make()

            def alarms(x: float) -> bool:
                detector.update(x)
                return bool(detector.drift_detected)

            return alarms

        yield "river PageHinkley", lambda: river(drift.PageHinkley)
        yield "river ADWIN", lambda: river(drift.ADWIN)
        yield "river KSWIN", lambda: river(lambda: drift.KSWIN(seed=1))
    if importlib.util.find_spec("frouros"):
        from frouros.detectors.concept_drift import PageHinkley

        def frouros() -> Alarms:
            detector = PageHinkley()

            def alarms(x: float) -> bool:
                detector.update(value=x)
                alarmed = bool(detector.drift)
                if alarmed:
                    detector.reset()
                return alarmed

            return alarms

        yield "frouros PageHinkley", frouros
    yield "KS at p < 0.05 of each 100 rows", windows_of_100


def windows_of_100() -> Alarms:
    """Two-sample KS tests of successive, disjoint windows against the first 1 000 rows."""
    reference: list[float] = []
    window: list[float] = []

    def alarms(x: float) -> bool:
        if len(reference) < 1_000:
            reference.append(x)
            return False
        window.append(x)
        if len(window) < 100:
            return False
        alarmed = bool(stats.ks_2samp(reference, window).pvalue < 0.05)
        window.clear()
        return alarmed

    return alarms


def alarms() -> None:
    """Count alarms on streams that never drift."""
    for name, make in detectors():
        cells = []
        for number, (family, draw) in enumerate(FAMILIES.items()):
            streams = draw(np.random.default_rng([SEED, 6, number]), (STREAMS, ROWS))
            counts = [sum(map(make(), stream.tolist())) for stream in streams]
            some = sum(count > 0 for count in counts)
            cells.append(f"{family} {per_alarm(STREAMS * ROWS, sum(counts))} ({some} of {STREAMS} streams)")
        print(f"{name}: rows per alarm " + " · ".join(cells), flush=True)


def delays(runs: int = 100, n: int = 5_000, wait: int = 2_000) -> None:
    """Rows from the change to the next alarm, after the rows that our detectors have for reference.

    Whoever alarms always alarms soon after a change too: false alarms before it are counted on the same
    streams, and so is the time to the next alarm where nothing changes.
    """
    print(
        f"\nrows to the next alarm, mean of {runs} streams, a miss counts {wait}; rows per false alarm before"
    )
    for name, make in detectors():
        cells = []
        before = {family: [0, 0] for family, _ in CHANGES.values()}  # rows and false alarms
        for number, (change, (family, after)) in enumerate(CHANGES.items()):
            rng = np.random.default_rng([SEED, 8, number])
            found = []
            for _ in range(runs):
                start = n + int(rng.integers(500, 800))
                alarmed = make()
                before[family][0] += start
                before[family][1] += sum(map(alarmed, FAMILIES[family](rng, (1, start))[0].tolist()))
                late = map(alarmed, after(rng, (1, wait))[0].tolist())
                found.append(1 + next(itertools.compress(itertools.count(), late), wait - 1))
            cells.append(f"{change} {np.mean(found):.0f}±{np.std(found) / math.sqrt(runs):.0f}")
        cells += [f"{family} {per_alarm(*counts)}" for family, counts in before.items()]
        print(f"{name}: " + " · ".join(cells), flush=True)


def per_alarm(rows: int, alarms: int) -> str:
    return f"{rows / alarms:,.0f}" if alarms else f"none in {rows:,}"


PARTS = {part.__name__: part for part in (alarms, delays)}

if __name__ == "__main__":
    for chosen in sys.argv[1:] or PARTS:
        PARTS[chosen]()
