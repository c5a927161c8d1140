"""Rows per false alarm of other libraries' drift detectors at their defaults, on streams that never drift.

    .venv-peers/river/bin/python benchmarks/peer_alarms.py
    .venv-peers/frouros/bin/python benchmarks/peer_alarms.py

Whatever of river and frouros the environment holds is measured, and the rule that many write themselves:
alarm when a two-sample KS test says p < 0.05. Needs numpy and scipy beside it. A minute or two.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Iterator

import numpy as np
from scipy import signal, stats

SEED = 4_2024
STREAMS, ROWS = 20, 5_000


def autoregressive(rng: np.random.Generator, size: tuple[int, int], phi: float) -> np.ndarray:
    steps = rng.normal(size=(size[0], size[1] + 300)) * math.sqrt(1.0 - phi * phi)
    return signal.lfilter([1.0], [1.0, -phi], steps, axis=1)[:, 300:]


FAMILIES: dict[str, Callable[[np.random.Generator, tuple[int, int]], np.ndarray]] = {
    "normal": lambda rng, size: rng.normal(size=size),
    "t3": lambda rng, size: rng.standard_t(3, size=size),
    "lognormal": lambda rng, size: rng.lognormal(size=size),
    "AR(1) 0.6": lambda rng, size: autoregressive(rng, size, 0.6),
}


def detectors() -> Iterator[tuple[str, Callable[[np.ndarray], int]]]:
    """Yield names and functions from a stream to its number of alarms."""
    if importlib.util.find_spec("river"):
        from river import drift

        def river(make: Callable[[], object]) -> Callable[[np.ndarray], int]:
            def alarms(stream: np.ndarray) -> int:
                detector, count = make(), 0
                for x in stream:
                    detector.update(float(x))
                    count += detector.drift_detected
                return count

            return alarms

        yield "river PageHinkley", river(drift.PageHinkley)
        yield "river ADWIN", river(drift.ADWIN)
        yield "river KSWIN", river(lambda: drift.KSWIN(seed=1))
    if importlib.util.find_spec("frouros"):
        from frouros.detectors.concept_drift import PageHinkley

        def frouros(stream: np.ndarray) -> int:
            detector, count = PageHinkley(), 0
            for x in stream:
                detector.update(value=float(x))
                if detector.drift:
                    count += 1
                    detector.reset()
            return count

        yield "frouros PageHinkley", frouros
    yield "KS at p < 0.05 of each 100 rows", windows_of_100


def windows_of_100(stream: np.ndarray) -> int:
    """Alarms of two-sample KS tests of successive, disjoint windows against the first 1 000 rows."""
    reference, rest = stream[:1_000], stream[1_000:]
    return sum(stats.ks_2samp(reference, window).pvalue < 0.05 for window in rest.reshape(-1, 100))


def main() -> None:
    for name, alarms in detectors():
        cells = []
        for number, (family, draw) in enumerate(FAMILIES.items()):
            streams = draw(np.random.default_rng([SEED, 6, number]), (STREAMS, ROWS))
            counts = [alarms(stream) for stream in streams]
            total, some = sum(counts), sum(count > 0 for count in counts)
            every = f"{STREAMS * ROWS / total:,.0f}" if total else f"none in {STREAMS * ROWS:,}"
            cells.append(f"{family} {every} ({some} of {STREAMS} streams)")
        print(f"{name}: rows per alarm " + " · ".join(cells), flush=True)


if __name__ == "__main__":
    main()
