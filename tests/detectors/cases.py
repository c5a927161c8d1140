"""Detectors of every kind, mode and layout, for the tests that all of them must pass."""

from functools import partial

import numpy as np

from driftlead.detectors import NMDDM, IncrementalKS, PageHinkley


def reference(n=150, d=3, seed=11):
    """One continuous signal, one with heavy ties, one binary; a few values missing."""
    rng = np.random.default_rng(seed)
    columns = [rng.normal(size=n), np.round(rng.normal(size=n) * 2), (rng.random(n) < 0.3).astype(float)]
    block = np.column_stack([columns[j % 3] for j in range(d)])
    block[rng.random(block.shape) < 0.05] = np.nan
    return block


REFERENCE = reference()

FACTORIES = {
    "page_hinkley": partial(PageHinkley, n_signals=3, delta=0.1, threshold=12.0),
    "page_hinkley_scalar": partial(PageHinkley, delta=0.1, threshold=12.0),
    "page_hinkley_fading": partial(
        PageHinkley, n_signals=2, delta=[0.1, 0.0], threshold=[9.0, 20.0], alpha=0.99
    ),
    "page_hinkley_scores": partial(PageHinkley, REFERENCE, delta=0.05, threshold=12.0, seed=3),
    "page_hinkley_budget": partial(PageHinkley, REFERENCE, false_alarm_every=1e4),
    "incremental_ks": partial(IncrementalKS, REFERENCE, 40, threshold=0.35),
    "incremental_ks_budget": partial(IncrementalKS, REFERENCE, 64, false_alarm_every=1e4),
    "incremental_ks_wide": partial(IncrementalKS, REFERENCE[:, 0], 257, threshold=0.3),
    "incremental_ks_one": partial(IncrementalKS, [0.0], 1, threshold=0.99),
    "incremental_ks_ties": partial(IncrementalKS, REFERENCE, 40, threshold=0.35, ties="random", seed=5),
    "incremental_ks_adjacent": partial(IncrementalKS, window=30, past=50, n_signals=2, threshold=0.5),
    "nmddm": partial(NMDDM, REFERENCE, 60, threshold=8.0),
    "nmddm_budget": partial(NMDDM, REFERENCE[:, :2], 100, 4, false_alarm_every=1e3),
    "nmddm_categories": partial(NMDDM, REFERENCE, 50, categorical=[False, True, True], threshold=7.0),
    "nmddm_ties": partial(
        NMDDM, REFERENCE, 60, categorical=[False, False, True], threshold=8.0, ties="random", seed=5
    ),
    "nmddm_kde": partial(NMDDM, REFERENCE, 41, density="kde", threshold=0.4),
    "nmddm_kde_budget": partial(NMDDM, REFERENCE[:, 0], 60, density="kde"),
    "nmddm_released_code": partial(NMDDM, window=202, variant="mustafa2017", n_signals=2, threshold=12.0),
}
