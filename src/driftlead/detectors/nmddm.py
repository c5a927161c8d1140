"""NM-DDM: whether the distribution changed within the window, and where."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from driftlead.detectors import _arguments, _rings, _ties
from driftlead.detectors._bins import CATEGORIES
from driftlead.detectors._kernels import released_code
from driftlead.detectors._nmddm_windows import (
    Histogram,
    KernelDensity,
    ReleasedCode,
    Windows,
    cushion,
    split_grid,
)
from driftlead.detectors._ties import RandomTies, Ties
from driftlead.detectors.base import Detector
from driftlead.errors import InvalidDataError, InvalidParameterError, StateError
from driftlead.ranks import SortedReference

__all__ = ["NMDDM", "released_code_statistic", "split_grid"]

RELEASED_CODE_THRESHOLD = -math.log(0.001)
"""Alarm level of the released code at its sensitivity of 0.001."""

_BINS = 32


class NMDDM(Detector):
    r"""Nonparametric multidimensional drift detection: a likelihood ratio on densities without a form.

    Reconstructed after Mustafa et al. 2017 from the authors' released code; the densities of every
    signal are estimated separately, and the detector alarms when any signal's statistic does. Until a
    signal's window is full its statistic is 0 and it cannot alarm. A missing value does not enter
    the window.

    Three statistics, all in nats:

    - default: the window's values are counted in bins that are quantiles of the reference. For a
      split into k older and w − k recent values with bin frequencies p̂ and q̂ and pooled m̂,
      :math:`G_k = k \, KL(\hat p \| \hat m) + (w-k) \, KL(\hat q \| \hat m)`, the log-likelihood
      ratio of "changed there" against "not changed"; the statistic is its maximum over `split_grid`.
    - ``variant="mustafa2017"``: the statistic of the released code, to the digit, on raw values; see
      `released_code_statistic`. It takes no account of chance: without drift it alarms in about every
      third window of 300 values and nearly every one of 1 000.
    - ``density="kde"``: mean over the window of ln(p̂/r̂), p̂ the window's kernel density and r̂ the
      reference's, both of normal scores on a grid of 64 cells with Scott's bandwidth. The density at
      one half of the window's values is estimated from the other half. This variant is ours.

    Parameters
    ----------
    reference : array of shape (n,) or (n, d), SortedReference, or None
        Reference sample of each signal. The released code's variant does without.
    window : int
        Values in the sliding window, at least 2; at least 200 for the released code's variant.
    bins : int
        Quantile bins of a signal, 2 to 32; fewer where ties leave fewer. The released code always
        has 4 bins over the window's range.
    variant : {"likelihood_ratio", "mustafa2017"}
    density : {"histogram", "kde"}
    categorical : array of bool, shape (d,), optional
        Signals whose values are categories: the 31 most frequent ones of the reference have a bin
        each, all others share one. Default density only.
    n_signals : int, optional
        Number of signals without a reference, 1 by default.
    threshold : float, array of shape (d,), or None
        Alarm when the statistic exceeds this. None: from ``false_alarm_every``; -ln 0.001 for the
        released code's variant.
    false_alarm_every : float
        Budget of one signal: rows per false alarm, where ``threshold`` is None. For kernel
        densities the threshold is 2·ln(budget)/w, from Markov's inequality on the two cross-fitted
        likelihood ratios; it is cautious, and supposes a reference much larger than the window.
    ties : {"exact", "random"}, optional
        Whether values that equal reference values share their bin (exact: with few distinct values, one
        bin each) or are put among them at random, so that all bins are equally probable whatever the
        data. By default random where the threshold comes from a budget, which rests on equal bins, and
        exact otherwise. Default density only; categories are never broken up.
    seed : int
        Seed of that; value number c of a signal always falls the same way.

    Raises
    ------
    InvalidParameterError
        A parameter breaks its rule.
    InvalidDataError
        The reference is not numeric, misshapen or empty.

    References
    ----------
    Mustafa, A. M. et al. (2017). Unsupervised deep embedding for novel class detection over data
    stream. IEEE Big Data 2017; released code: change_point_detection/CpdDP.
    Gemaque, R. N. et al. (2020). An overview of unsupervised drift detection methods. WIREs Data Mining
    and Knowledge Discovery 10(6) (the name).
    Wasserman, L., Ramdas, A. and Balakrishnan, S. (2020). Universal inference. PNAS 117(29), section 2
    (cross-fitted likelihood ratios).

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(7)
    >>> detector = NMDDM(rng.normal(size=1000), window=200, threshold=25.0)
    >>> trace = detector.update_many(np.concatenate([rng.normal(size=300), rng.normal(loc=2.0, size=60)]))
    >>> int(np.argmax(trace.alarm))
    322
    >>> detector.change_point  # the latest 60 values are the changed ones
    array([64])
    """

    kind: ClassVar[str] = "nmddm"
    version: ClassVar[int] = 2  # since 2: ties, seed
    _finds_change_point: ClassVar[bool] = True

    def __init__(
        self,
        reference: ArrayLike | SortedReference | None = None,
        window: int = 500,
        bins: int = 8,
        *,
        variant: Literal["likelihood_ratio", "mustafa2017"] = "likelihood_ratio",
        density: Literal["histogram", "kde"] = "histogram",
        categorical: ArrayLike | None = None,
        n_signals: int | None = None,
        threshold: float | ArrayLike | None = None,
        false_alarm_every: float = 1_000_000,
        ties: Ties | None = None,
        seed: int = 0,
    ) -> None:
        located, d = _arguments.reference_and_signals(reference, n_signals)
        self._variant = _arguments.choice("variant", variant, ("likelihood_ratio", "mustafa2017"))
        self._density = _arguments.choice("density", density, ("histogram", "kde"))
        released = self._variant == "mustafa2017"
        kde = self._density == "kde"
        if released and kde:
            raise InvalidParameterError("density", "histogram for variant mustafa2017", density)
        if located is None and not released:
            raise InvalidParameterError("reference", "given but for variant mustafa2017", None)
        self._window = _arguments.integer("window", window, 2, 2**22)
        if released and self._window < 2 * cushion(self._window):
            raise InvalidParameterError("window", "at least 200 for variant mustafa2017", window)
        self._bins = _arguments.integer("bins", bins, 2, _BINS)
        self._categorical = _categorical(categorical, d)
        if self._categorical.any() and (released or kde):
            raise InvalidParameterError("categorical", "left out but for the default density", categorical)
        self._ties = _ties.chosen(ties, possible=not (released or kde), by_budget=threshold is None)
        self._seed = _arguments.integer("seed", seed, 0, 2**63 - 1)
        self._windows: Windows
        if released or located is None:
            located = None
            self._windows = ReleasedCode(d, self._window)
        elif kde:
            self._windows = KernelDensity(located, self._window)
        else:
            broken = RandomTies(located, self._seed, ~self._categorical) if self._ties == "random" else None
            self._windows = Histogram(located, self._window, self._bins, self._categorical, broken)

        def from_budget(budget: float) -> list[float]:
            if released or located is None:
                return [RELEASED_CODE_THRESHOLD] * d
            if kde:
                return [2.0 * math.log(budget) / self._window] * d
            from driftlead import thresholds  # here, because it needs scipy, which takes a second to import

            solve = functools.cache(lambda n, b: thresholds.nmddm(budget, n, self._window, b))
            # The bin of all other categories stays empty where each category has one of its own.
            empty = self._categorical & (located.n_distinct <= CATEGORIES)
            bins = np.maximum(self.n_bins - empty, 2)
            return [solve(int(n), int(b)) for n, b in zip(located.sizes, bins, strict=True)]

        limits = _arguments.thresholds(threshold, d, false_alarm_every, from_budget)
        super().__init__(located, np.zeros(d, dtype=np.int64), np.zeros(d), limits)

    @property
    def window(self) -> int:
        """Values in the sliding window, w."""
        return self._window

    @property
    def n_bins(self) -> NDArray[np.int64]:
        """Bins of each signal, or cells of the grid of kernel densities, shape (d,)."""
        return self._windows.n_bins.copy()

    @property
    def change_point(self) -> NDArray[np.int64]:
        """How many of each signal's latest values lie after the best split, shape (d,).

        0 until the window is full, and always for kernel densities, which compare the whole window
        with the reference.
        """
        return self._windows.change.copy()

    def _feeding(
        self,
        columns: NDArray[np.float64] | None,
        slots: NDArray[np.int32],
        statistic: NDArray[np.float64],
        alarm: NDArray[np.bool_],
        change_point: NDArray[np.int32] | None,
    ) -> functools.partial[bool]:
        kept = (self._count, self._current, self._threshold, statistic, alarm, change_point)
        if self._reference is not None:
            return self._windows.feeding(slots, *kept)
        assert columns is not None
        return self._windows.feeding(columns, *kept)

    def _clear(self) -> None:
        self._windows.clear()

    def _state(self) -> dict[str, Any]:
        return {
            "window": self._window,
            "bins": self._bins,
            "variant": self._variant,
            "density": self._density,
            "categorical": self._categorical.copy(),
            "ties": self._ties,
            "seed": self._seed,
            "content": self._windows.content(self._count),
        }

    @classmethod
    def _restored(cls, state: Mapping[str, Any], reference: SortedReference | None) -> Self:
        detector = cls(
            reference,
            state["window"],
            state["bins"],
            variant=state["variant"],
            density=state["density"],
            categorical=state["categorical"],
            n_signals=len(state["threshold"]),
            threshold=state["threshold"],
            ties=state["ties"] if state["version"] > 1 else "exact",
            seed=state["seed"] if state["version"] > 1 else 0,
        )
        held = detector._windows
        count = _arguments.stored(state, "count", np.int64, (detector.n_signals,))
        content = _arguments.stored(
            state, "content", np.float64 if reference is None else np.int16, held.ring.shape
        )
        present = ~np.isnan(content) if reference is None else content >= 0
        if not _rings.holds(present, count):
            raise StateError("the state's window and its count disagree")
        if reference is not None and np.any(content >= held.n_bins[:, np.newaxis]):
            raise StateError("the state's window holds bins that the reference lacks")
        held.replay(content, count)
        return detector


def released_code_statistic(values: ArrayLike) -> tuple[float, int]:
    r"""Return the change statistic of the authors' released code over one window, and its split.

    Four equal-width bins over the window's range; p the bin frequencies of the first k values, q
    those from value k + 2 on (the code passes over one); the s empty bins of p get ε/s each with
    ε = 0.7/(n − k), the others are scaled by 1 − ε. The statistic is the maximum of
    :math:`S_k = k \sum_j q_j \ln(q_j / \tilde p_j)` over k from max(100, ⌊√n⌋) to n minus as much.
    Their code alarms from -ln 0.001 on.

    Parameters
    ----------
    values : array of shape (n,)
        The window, oldest value first. Infinite values belong to the outermost bins.

    Returns
    -------
    statistic : float
        In nats; NaN where no split is admissible, which needs 200 values.
    split : int
        k, the number of values before the change; -1 where no split is admissible.

    Raises
    ------
    InvalidDataError
        ``values`` is not numeric, not of one dimension, or holds a NaN.

    Examples
    --------
    >>> import numpy as np
    >>> values = np.random.default_rng(9).normal(size=250)
    >>> values[120:] += 5.0
    >>> statistic, split = released_code_statistic(values)
    >>> round(statistic, 6), split
    (482.152883, 120)
    """
    try:
        window = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidDataError(f"values must be numeric ({error})") from None
    if window.ndim != 1 or np.isnan(window).any():
        raise InvalidDataError("values must have shape (n,) and hold no NaN")
    if len(window) < 2 * cushion(len(window)):
        return math.nan, -1
    with np.errstate(divide="ignore"):
        logs = np.log(np.arange(len(window) + 1))
    statistic, split = released_code.scan(window, 0, cushion(len(window)), logs)
    return float(statistic), int(split)


def _categorical(mask: ArrayLike | None, n_signals: int) -> NDArray[np.bool_]:
    if mask is None:
        return np.zeros(n_signals, dtype=np.bool_)
    given = np.array(mask)
    if given.dtype != np.bool_ or given.shape != (n_signals,):
        raise InvalidParameterError("categorical", f"a boolean array of shape ({n_signals},)", mask)
    return given
