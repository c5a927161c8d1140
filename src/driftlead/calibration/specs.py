"""What is calibrated: how a test is built, and how its false alarms are counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from driftlead.detectors import NMDDM, Detector, IncrementalKS, PageHinkley
from driftlead.errors import InvalidParameterError
from driftlead.ranks import SortedReference
from driftlead.rates import Direction

__all__ = ["DetectorSpec", "incremental_ks", "nmddm", "page_hinkley"]

Build = Callable[[SortedReference, NDArray[np.float64], NDArray[np.bool_]], Detector]


@dataclass(frozen=True)
class DetectorSpec:
    """A test to calibrate; for the three of this library, use the functions of this module.

    Parameters
    ----------
    name : str
        Name of the detector in thresholds and report.
    build : callable
        ``build(reference, threshold, categorical)`` returns a `Detector` over the reference's d signals
        with the thresholds, shape (d,); infinite ones must be accepted. ``categorical``, shape (d,),
        marks signals whose values are codes.
    window : int or None
        Rows without an alarm after which an excursion is over; None for a detector that restarts
        itself after every alarm.
    ordered_only : bool
        Whether the test needs an order, so that categorical signals are not watched.
    law : {"incremental_ks", "page_hinkley", "nmddm"} or None
        Whose rate is known for independent observations; None has everything simulated.
    delta, direction, bins
        Parameters that the law needs.
    further_parameters : mapping of str to number, str or bool
        What else a threshold depends on: a calibration made with other values is refused.

    Raises
    ------
    InvalidParameterError
        When the window is below 1.
    """

    name: str
    build: Build
    window: int | None
    ordered_only: bool = True
    law: Literal["incremental_ks", "page_hinkley", "nmddm"] | None = None
    delta: float = 0.25
    direction: Direction = "both"
    bins: int = 8
    further_parameters: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def parameters(self) -> dict[str, Any]:
        """What a threshold depends on; a calibration holds for detectors with the same parameters."""
        own: dict[str, Any] = {} if self.window is None else {"window": self.window}
        if self.law == "page_hinkley":
            own |= {"delta": self.delta, "direction": self.direction}
        if self.law == "nmddm":
            own |= {"bins": self.bins}
        return own | dict(self.further_parameters)

    def make(
        self,
        reference: SortedReference,
        threshold: NDArray[np.float64],
        categorical: NDArray[np.bool_],
    ) -> Detector:
        """Return what `build` returns, once it is known to be what was asked for.

        Raises
        ------
        InvalidParameterError
            It is no detector over this reference with these thresholds.
        """
        detector = self.build(reference, threshold, categorical)
        if not isinstance(detector, Detector):
            raise InvalidParameterError(
                "build", f"a function that returns a Detector ({self.name})", detector
            )
        if detector.reference is None or detector.n_signals != reference.n_signals:
            rule = f"a function whose Detector takes the reference that it is given ({self.name})"
            raise InvalidParameterError("build", rule, detector)
        if not np.array_equal(detector.threshold, threshold):
            rule = f"a function whose Detector has the thresholds that it is given ({self.name})"
            raise InvalidParameterError("build", rule, detector.threshold)
        return detector

    def __post_init__(self) -> None:
        if self.window is not None and self.window < 1:
            raise InvalidParameterError("window", "at least 1", self.window)


def incremental_ks(window: int = 500, seed: int = 0) -> DetectorSpec:
    """Return `IncrementalKS` against a fixed reference, its ties broken at random."""
    return DetectorSpec(
        "incremental_ks",
        lambda reference, threshold, _: IncrementalKS(
            reference, window, threshold=threshold, ties="random", seed=seed
        ),
        window,
        ordered_only=False,  # any order of categories does: shares that differ differ somewhere along it
        law="incremental_ks",
    )


def page_hinkley(delta: float = 0.25, direction: Direction = "both", seed: int = 0) -> DetectorSpec:
    """Return `PageHinkley` on normal scores; ``seed`` is that of its random ranks."""
    return DetectorSpec(
        "page_hinkley",
        lambda reference, threshold, _: PageHinkley(
            reference, delta=delta, direction=direction, threshold=threshold, seed=seed
        ),
        None,
        law="page_hinkley",
        delta=delta,
        direction=direction,
    )


def nmddm(window: int = 500, bins: int = 8, seed: int = 0) -> DetectorSpec:
    """Return `NMDDM` in its default form, ties of numeric signals broken at random."""
    return DetectorSpec(
        "nmddm",
        lambda reference, threshold, categorical: NMDDM(
            reference, window, bins, categorical=categorical, threshold=threshold, ties="random", seed=seed
        ),
        window,
        ordered_only=False,
        law="nmddm",
        bins=bins,
    )
