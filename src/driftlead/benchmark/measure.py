"""The units of work: tune one competitor, measure it on one draw, weigh it."""

from __future__ import annotations

import hashlib
import math
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from driftlead import __version__
from driftlead.benchmark.competitor import Competitor, Run
from driftlead.benchmark.scenario import Scenario
from driftlead.errors import InvalidParameterError
from driftlead.streams import Stream

__all__ = ["Record", "Unit", "footprint", "measure", "tune"]

Record = dict[str, Any]
"""What was measured, flat: strings, numbers and None."""

_CHUNK = 250
_TUNING_ALARMS = 50.0
_TUNING_SEED = 1_000_000  # draws for tuning and draws for measuring are never the same
_STRIDE, _STEPS = 0.125, 5  # strides and bisections: the level is found to 1/256 of its range
_FOOTPRINT_ROWS = 4_000


@dataclass(frozen=True)
class Unit:
    """One unit of work, which a process does by itself.

    Parameters
    ----------
    work : {"tune", "measure", "footprint"}
    competitor : Competitor
    scenario : Scenario
    seed : int
    setting : {"default", "tuned"}
    level : float or None
        Of the competitor's parameter; None for its default.
    budget : float
        Rows per false alarm to tune for.
    """

    work: Literal["tune", "measure", "footprint"]
    competitor: Competitor
    scenario: Scenario
    seed: int
    setting: Literal["default", "tuned"]
    level: float | None
    budget: float

    @property
    def digest(self) -> str:
        """The unit in 16 hexadecimal digits, the same in every process.

        Raises
        ------
        InvalidParameterError
            A callable in it has no name by which another process would know it.
        """
        parts = (
            __version__, self.work, self.competitor.name, _identity(self.competitor.start),
            self.competitor.levels, self.competitor.effort, self.scenario.name, _identity(self.scenario.make),
            self.seed, self.setting, self.level, self.budget,
        )  # fmt: skip
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]

    def do(self) -> list[Record]:
        """Do the work; return its records, which hold the digest and what the unit was."""
        works: dict[str, Callable[[Unit], list[Record]]] = {
            "tune": lambda unit: [tune(unit)],
            "measure": measure,
            "footprint": lambda unit: [footprint(unit)],
        }
        about: Record = {
            "digest": self.digest,
            "work": self.work,
            "competitor": self.competitor.name,
            "setting": self.setting,
            "scenario": self.scenario.name,
            "seed": self.seed,
        }
        return [about | record for record in works[self.work](self)]


def tune(unit: Unit) -> Record:
    """Find the level at which a competitor raises no more false alarms than the budget allows.

    Strides, then bisection on the logarithm of its parameter, over unchanged streams that are not measured
    on. Of the levels tried it is the one with most alarms within the budget; where even the fewest alarms are
    too many, the end of the range.
    """
    assert unit.competitor.levels is not None
    loud, quiet = (math.log(level) for level in unit.competitor.levels)
    draws = max(1, math.ceil(_draws(unit) * unit.competitor.effort))
    streams = [unit.scenario.make(_TUNING_SEED + unit.seed + number) for number in range(draws)]
    allowed = sum(len(drawn.unchanged.rows) for drawn in streams) / unit.budget

    def within(at: float) -> bool:
        alarms = 0
        for number, drawn in enumerate(streams):
            run = unit.competitor.start(drawn.reference, at, number, False)
            for batch in drawn.unchanged.batches(_CHUNK):
                alarms += int(run.feed(batch).sum())
                if alarms > allowed:
                    return False
        return True

    def level(position: float) -> float:
        return math.exp(loud + (quiet - loud) * position)

    # From the quiet end on: far at the loud end excursions run into each other, and are few again.
    high = 1.0
    while high > 0.0 and within(level(high - _STRIDE)):
        high -= _STRIDE
    low = max(0.0, high - _STRIDE)
    for _ in range(_STEPS):
        middle = (low + high) / 2.0
        low, high = (low, middle) if within(level(middle)) else (middle, high)
    return {"level": level(high), "expected_alarms": allowed}


def _draws(unit: Unit) -> int:
    """Return how many unchanged streams hold enough false alarms at the budget."""
    return math.ceil(_TUNING_ALARMS * unit.budget / len(unit.scenario.make(_TUNING_SEED).unchanged.rows))


def measure(unit: Unit) -> list[Record]:
    """Count false alarms on the unchanged stream of a draw, and the rows from each change to its alarm."""
    drawn = unit.scenario.make(unit.seed)

    def start() -> Run:
        return unit.competitor.start(drawn.reference, unit.level, unit.seed, False)

    run, alarms = start(), 0
    for batch in drawn.unchanged.batches(_CHUNK):
        alarms += int(run.feed(batch).sum())
    rows = len(drawn.unchanged.rows)
    records: list[Record] = [
        {"change": None, "level": unit.level, "rows": rows, "alarms": alarms, "seconds": run.seconds}
    ]
    for name, stream in drawn.changed.items():
        records.append({"change": name, "level": unit.level} | _delay(start(), stream))
    return records


def _delay(run: Run, stream: Stream) -> Record:
    """Return the rows from the change to the first alarm, the row of the alarm included."""
    (change,) = stream.changes
    waited = len(stream.rows) - change.row
    start = 0
    for batch in stream.batches(_CHUNK):
        raised = start + np.flatnonzero(run.feed(batch))
        if len(raised):
            early = bool(raised[0] < change.row)
            delay = None if early else int(raised[0]) - change.row + 1
            return {"early": early, "delay": delay, "waited": waited}
        start += len(batch)
    return {"early": False, "delay": None, "waited": waited}


def footprint(unit: Unit) -> Record:
    """Weigh a competitor: bytes that Python and NumPy hold for it, and how they grow with every row."""
    drawn = unit.scenario.make(unit.seed)
    rows = np.resize(drawn.unchanged.rows, (_FOOTPRINT_ROWS, drawn.reference.shape[1]))
    half = _FOOTPRINT_ROWS // 2
    unit.competitor.start(drawn.reference, unit.level, unit.seed, False).feed(rows[:10])  # imports, compiles
    run = unit.competitor.start(drawn.reference, unit.level, unit.seed, True)
    try:
        run.feed(rows[:half])
        first = run.held()
        run.feed(rows[half:])
        held = run.held()
    finally:
        tracemalloc.stop()
    return {"held": held, "growth": (held - first) / half}


def _identity(value: object) -> object:
    """Return what a callable does, as far as names and plain arguments say it."""
    if isinstance(value, partial):
        arguments = [_identity(each) for each in value.args]
        named = sorted((name, _identity(each)) for name, each in value.keywords.items())
        return (_identity(value.func), arguments, named)
    if isinstance(value, np.ndarray):
        return hashlib.sha256(_bytes(value)).hexdigest()
    if callable(value):
        name = getattr(value, "__qualname__", "<unnamed>")
        if "<" in name:
            raise InvalidParameterError("callable", "a function of a module, or a partial of one", name)
        return f"{value.__module__}.{name}"
    return repr(value)


def _bytes(array: NDArray[Any]) -> bytes:
    return f"{array.dtype}{array.shape}".encode() + array.tobytes()
