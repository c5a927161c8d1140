"""The work that is measured of driftlead, and `np.searchsorted` of the same values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.speed.clock import Probe, probe
from driftlead.detectors import NMDDM, Detector, IncrementalKS, PageHinkley, update_all
from driftlead.ranks import SortedReference

_RNG = np.random.default_rng(1)


@dataclass(frozen=True)
class Sizes:
    """How much is measured; the defaults are those of the published page."""

    rounds: int = 10
    values: int = 20_000
    growth: tuple[int, ...] = (100, 316, 1_000, 3_162, 10_000, 31_623, 100_000)
    reference: int = 1_000
    window: int = 500
    block: tuple[int, int] = (1_000, 100)
    row: int = 30
    peer_milliseconds: float = 30.0


def ks(size: int, values: int) -> dict[str, Probe]:
    """One signal, reference and window of the same size, in batches."""
    reference = _RNG.normal(size=size)
    detector = _filled(IncrementalKS(reference, size), size)
    return {
        f"ks@{size}": _batch(detector, values),
        f"searchsorted@{size}": _searchsorted(reference, values),
    }


def page_hinkley(sizes: Sizes) -> dict[str, Probe]:
    """One signal: in batches, on raw values and on normal scores, and one float at a time."""
    alone = PageHinkley()

    def feed(values: list[float]) -> None:
        for x in values:
            alone.update(x)

    single = max(1, sizes.values // 4)
    return {
        "page_hinkley": _batch(PageHinkley(), sizes.values),
        "page_hinkley.scores": _batch(PageHinkley(_RNG.normal(size=sizes.reference)), sizes.values),
        "page_hinkley.single": probe(lambda: _RNG.normal(size=single).tolist(), feed, single),
    }


def nmddm(sizes: Sizes) -> dict[str, Probe]:
    """One signal, defaults, in batches."""
    reference = _RNG.normal(size=sizes.reference)
    detector = _filled(NMDDM(reference, sizes.window), sizes.window)
    return {
        "nmddm": _batch(detector, sizes.values),
        "nmddm.searchsorted": _searchsorted(reference, sizes.values),
    }


def block(sizes: Sizes) -> dict[str, Probe]:
    """All three on many signals: located once as a monitor does, and each from the values."""
    rows, signals = sizes.block
    samples = _RNG.normal(size=(sizes.reference, signals))
    reference = SortedReference(samples)
    three = all_three(reference, sizes)
    ordered = np.sort(samples, axis=0).T.copy()

    def draw() -> NDArray[np.float64]:
        return _RNG.normal(size=(rows, signals))

    def located_once(X: NDArray[np.float64]) -> None:
        slots = reference.locate(X)
        for detector in three:
            detector.update_located(slots)

    def from_values(X: NDArray[np.float64]) -> None:
        for detector in three:
            detector.update_many(X)

    def searchsorted(columns: NDArray[np.float64]) -> None:
        for sample, column in zip(ordered, columns, strict=True):
            sample.searchsorted(column)

    units = rows * signals
    stages: dict[str, Callable[[NDArray[np.int32]], object]] = {
        f"block.{detector.kind}": detector.update_located for detector in three
    }
    return {
        "block": probe(draw, located_once, units),
        "block.values": probe(draw, from_values, units),
        "block.searchsorted": probe(lambda: draw().T.copy(), searchsorted, units),
        "block.locate": probe(draw, reference.locate, units),
        **{name: probe(lambda: reference.locate(draw()), stage, units) for name, stage in stages.items()},
    }


def row(sizes: Sizes, signals: int) -> dict[str, Probe]:
    """All three on one row of several signals at a time; the unit is the row."""
    reference = SortedReference(_RNG.normal(size=(sizes.reference, signals)))
    three, others, watched = (all_three(reference, sizes) for _ in range(3))
    count = max(1, sizes.values // 100)

    def together(rows: list[NDArray[np.float64]]) -> None:
        for each in rows:
            update_all(three, each)

    def apart(rows: list[NDArray[np.float64]]) -> None:
        page_hinkley, incremental_ks, nmddm = others
        for each in rows:
            page_hinkley.update(each)
            incremental_ks.update(each)
            nmddm.update(each)

    def located(rows: list[NDArray[np.float64]]) -> None:
        page_hinkley, incremental_ks, nmddm = watched
        for each in rows:
            slots = reference.locate(each[np.newaxis])
            page_hinkley.update_located(slots)
            incremental_ks.update_located(slots)
            nmddm.update_located(slots)

    def draw() -> list[NDArray[np.float64]]:
        return list(_RNG.normal(size=(count, signals)))

    return {f"row.{work.__name__}@{signals}": probe(draw, work, count) for work in (together, apart, located)}


def all_three(reference: SortedReference, sizes: Sizes) -> tuple[Detector, Detector, Detector]:
    """Return the three detectors with full windows; the KS window is as large as the reference."""
    return (
        PageHinkley(reference),
        _filled(IncrementalKS(reference, sizes.reference), sizes.reference),
        _filled(NMDDM(reference, sizes.window), sizes.window),
    )


def _filled(detector: Detector, window: int) -> Detector:
    detector.update_many(_RNG.normal(size=(window, detector.n_signals)))
    return detector


def _batch(detector: Detector, values: int) -> Probe:
    return probe(lambda: _RNG.normal(size=values), detector.update_many, values)


def _searchsorted(reference: NDArray[np.float64], values: int) -> Probe:
    return probe(lambda: _RNG.normal(size=values), np.sort(reference).searchsorted, values)
