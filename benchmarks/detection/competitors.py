"""Who competes, and between which levels each is tuned."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from driftlead.benchmark import Competitor, of_detector, of_peer
from driftlead.detectors import NMDDM, Detector, IncrementalKS, PageHinkley

PEERS = Path(__file__).with_name("peers.py")
WINDOW = 100
TOLD_THE_BUDGET = ("driftlead, all three", "alibi-detect CVM", "alibi-detect MMD")


def page_hinkley(budget: float, reference: np.ndarray, level: float | None, seed: int) -> Detector:
    every = budget * reference.shape[1]
    return PageHinkley(reference, delta=0.25, threshold=level, false_alarm_every=every, seed=seed)


def incremental_ks(budget: float, reference: np.ndarray, level: float | None, seed: int) -> Detector:
    return IncrementalKS(reference, WINDOW, threshold=level, false_alarm_every=budget * reference.shape[1])


def nmddm(budget: float, reference: np.ndarray, level: float | None, seed: int) -> Detector:
    return NMDDM(reference, WINDOW, threshold=level, false_alarm_every=budget * reference.shape[1])


def all_three(budget: float, reference: np.ndarray, level: float | None, seed: int) -> Sequence[Detector]:
    return [build(3 * budget, reference, level, seed) for build in (page_hinkley, incremental_ks, nmddm)]


def ours(budget: float) -> list[Competitor]:
    """Our tests; at their default their thresholds come from the budget and the shipped tables alone."""
    return [
        of_detector("driftlead Page-Hinkley", functools.partial(page_hinkley, budget), levels=(2.0, 100.0)),
        of_detector(
            "driftlead incremental KS",
            functools.partial(incremental_ks, budget),
            gap=WINDOW,
            levels=(0.05, 0.9),
        ),
        of_detector("driftlead NM-DDM", functools.partial(nmddm, budget), gap=WINDOW, levels=(2.0, 100.0)),
        of_detector("driftlead, all three", functools.partial(all_three, budget), gap=WINDOW),
    ]


def peers(folder: Path, budget: float) -> list[Competitor]:
    """Other packages' detectors, each in its package's environment below the folder.

    A level of None leaves their thresholds as the packages set them; alibi-detect has no default run length
    and is told the budget.
    """

    def python(package: str) -> Path:
        return folder.absolute() / package / "bin" / "python"

    river = functools.partial(of_peer, python=python("river"), program=PEERS)
    frouros = functools.partial(of_peer, python=python("frouros"), program=PEERS)
    alibi = functools.partial(of_peer, python=python("alibi-detect-torch"), program=PEERS)
    return [
        river("river ADWIN", adapter="river_adwin", levels=(0.9, 1e-12), parameter="delta"),
        river("river Page-Hinkley", adapter="river_page_hinkley", levels=(1.0, 1_000.0)),
        river("river KSWIN", adapter="river_kswin", levels=(0.2, 1e-9), parameter="alpha",
              takes=("numbers",), effort=0.2),
        river("river DDM", adapter="river_ddm", levels=(0.5, 10.0), parameter="drift_threshold",
              takes=("errors",)),
        river("river EDDM", adapter="river_eddm", levels=(0.95, 0.1), parameter="beta", takes=("errors",)),
        river("river FHDDM", adapter="river_fhddm", levels=(0.5, 1e-12), parameter="confidence_level",
              takes=("errors",)),
        river("river HDDM_A", adapter="river_hddm_a", levels=(0.5, 1e-12), parameter="drift_confidence",
              takes=("errors",)),
        river("river HDDM_W", adapter="river_hddm_w", levels=(0.5, 1e-12), parameter="drift_confidence",
              takes=("errors",)),
        frouros("frouros Page-Hinkley", adapter="frouros_page_hinkley", levels=(1.0, 1_000.0),
                parameter="lambda_"),
        frouros("frouros CUSUM", adapter="frouros_cusum", levels=(1.0, 1_000.0), parameter="lambda_"),
        # Tuned it would be our incremental KS: the statistic is the same.
        frouros("frouros incremental KS", adapter="frouros_incremental_ks", takes=("numbers",), effort=0.2),
        alibi("alibi-detect CVM", adapter=f"alibi_cvm:{budget:g}", takes=("numbers",), effort=0.2),
        alibi("alibi-detect MMD", adapter=f"alibi_mmd:{budget:g}", takes=("numbers",), effort=0.1),
    ]  # fmt: skip
