"""Who competes: a name, how it starts, and the one parameter that trades alarms for delay."""

from __future__ import annotations

import functools
import gc
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from driftlead.benchmark.scenario import Takes
from driftlead.detectors import Detector

__all__ = ["Build", "Competitor", "DetectorRun", "Run", "of_detector"]

Build = Callable[[NDArray[np.float64], float | None, int], Detector | Sequence[Detector]]
"""``build(reference, level, seed)`` returns a detector, or several of which any may alarm; the level None
leaves it at its default."""


class Run(Protocol):
    """A competitor at work on one stream.

    Attributes
    ----------
    seconds : float
        Processor time that it has taken.
    """

    seconds: float

    def feed(self, rows: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Take rows, shape (n, d); return at which of them an alarm was raised, shape (n,)."""

    def held(self) -> int:
        """Return the bytes that are held, where the run was started ``traced``."""


@dataclass(frozen=True)
class Competitor:
    """One detector in one configuration.

    Parameters
    ----------
    name : str
    start : callable
        ``start(reference, level, seed, traced)`` returns a `Run`; a function of a module or a
        `functools.partial` of one, so that other processes can have it.
    levels : (float, float) or None
        Its own threshold parameter, from most alarms to fewest, both above 0; None where it has none to tune.
    parameter : str
        What that parameter is called.
    takes : tuple of str
        The kinds of stream it is made for: ``numbers``, ``errors``.
    effort : float
        Share of seeds and of rows for tuning that it is given: below 1 for slow ones.
    """

    name: str
    start: Callable[[NDArray[np.float64], float | None, int, bool], Run]
    levels: tuple[float, float] | None = None
    parameter: str = "threshold"
    takes: tuple[Takes, ...] = ("numbers", "errors")
    effort: float = 1.0


def of_detector(
    name: str,
    build: Build,
    *,
    gap: int = 1,
    levels: tuple[float, float] | None = None,
    parameter: str = "threshold",
    takes: tuple[Takes, ...] = ("numbers", "errors"),
    effort: float = 1.0,
) -> Competitor:
    """Let a `Detector` compete, this library's or anyone's.

    Parameters
    ----------
    name : str
    build : callable
        ``build(reference, level, seed)``; a function of a module or a `functools.partial` of one.
    gap : int
        Alarms fewer rows apart are one excursion and count once; 1 for a detector that restarts itself.
    levels, parameter, takes, effort
        See `Competitor`.
    """
    return Competitor(name, functools.partial(_start, build, gap), levels, parameter, takes, effort)


class DetectorRun:
    """Detectors of this library's interface at work.

    Parameters
    ----------
    detectors : sequence of Detector
        An alarm of any is an alarm.
    gap : int
        See `of_detector`.

    Examples
    --------
    >>> from driftlead.detectors import PageHinkley
    >>> run = DetectorRun([PageHinkley(threshold=8.0, direction="up")], gap=1)
    >>> int(run.feed(np.repeat([0.0, 1.0], 20)[:, np.newaxis]).argmax())
    30
    """

    def __init__(self, detectors: Sequence[Detector], gap: int) -> None:
        self._detectors = detectors
        self._gap = gap
        self._since = gap  # rows since the latest alarmed one
        self.seconds = 0.0

    def feed(self, rows: NDArray[np.float64]) -> NDArray[np.bool_]:
        """See `Run`."""
        started = time.process_time()
        alarmed = np.zeros(len(rows), dtype=np.bool_)
        for detector in self._detectors:
            alarmed |= detector.update_many(rows).alarm.any(axis=1)
        self.seconds += time.process_time() - started
        at = np.flatnonzero(alarmed)
        opening = np.diff(at, prepend=-self._since) >= self._gap
        self._since = len(rows) - int(at[-1]) if len(at) else self._since + len(rows)
        raised = np.zeros(len(rows), dtype=np.bool_)
        raised[at[opening]] = True
        return raised

    def held(self) -> int:
        """See `Run`."""
        gc.collect()
        return tracemalloc.get_traced_memory()[0]


def _start(
    build: Build, gap: int, reference: NDArray[np.float64], level: float | None, seed: int, traced: bool
) -> DetectorRun:
    if traced:
        tracemalloc.start()
    built = build(reference, level, seed)
    return DetectorRun([built] if isinstance(built, Detector) else built, gap)
