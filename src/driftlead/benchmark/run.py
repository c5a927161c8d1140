"""Everyone on everything: tuned first, then measured, in several processes, going on where it stopped."""

from __future__ import annotations

import math
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Literal

from driftlead.benchmark.competitor import Competitor
from driftlead.benchmark.measure import Record, Unit
from driftlead.benchmark.results import Results
from driftlead.benchmark.scenario import Scenario
from driftlead.errors import InvalidParameterError

__all__ = ["run"]

Progress = Callable[[str, int, int], None]


def run(
    competitors: Sequence[Competitor],
    scenarios: Sequence[Scenario],
    *,
    seeds: int,
    budget: float,
    results: str | Path | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> list[Record]:
    """Measure every competitor on every scenario that it is made for, at its default and tuned.

    Parameters
    ----------
    competitors, scenarios : sequence
        With names of their own.
    seeds : int
        Draws of each scenario; every competitor sees the same ones.
    budget : float
        Rows per false alarm that competitors are tuned to.
    results : str or Path, optional
        File of JSON lines to which the records of each unit of work are added; units that it holds already
        are not done again. It knows functions by their names: begin a new file when one has changed.
    jobs : int
        Processes; with 1 everything is done in this one.
    progress : callable, optional
        Called with what is being done, how many units are done, and how many there are.

    Returns
    -------
    list of dict
        Records for `summarise`, in an order that does not depend on the processes.

    Raises
    ------
    InvalidParameterError
        A parameter breaks its rule.
    DriftleadError
        A competitor of another environment failed. What was done is in ``results``.
    """
    for name, value in (("seeds", seeds), ("jobs", jobs)):
        if value < 1:
            raise InvalidParameterError(name, "at least 1", value)
    if not budget > 1:
        raise InvalidParameterError("budget", "a number of rows above 1", budget)
    for parameter, names in (
        ("competitors", [each.name for each in competitors]),
        ("scenarios", [each.name for each in scenarios]),
    ):
        if not names or len(set(names)) != len(names):
            raise InvalidParameterError(parameter, "at least one, each with a name of its own", names)
    kept = Results(None if results is None else Path(results))
    pairs = [(who, what) for who in competitors for what in scenarios if what.takes in who.takes]
    tuning = [
        Unit("tune", who, what, 0, "tuned", None, budget) for who, what in pairs if who.levels is not None
    ]
    defaults = [
        Unit(work, who, what, seed, "default", None, budget)
        for who, what in pairs
        for work, seed in _works(who, seeds)
    ]
    _do(tuning + defaults, kept, jobs, progress, "tuning and measuring")
    tuned = [
        Unit("measure", unit.competitor, unit.scenario, seed, "tuned", kept[unit.digest][0]["level"], budget)
        for unit in tuning
        for work, seed in _works(unit.competitor, seeds)
        if work == "measure"
    ]
    _do(tuned, kept, jobs, progress, "measuring at the budget")
    return [record for unit in (*tuning, *defaults, *tuned) for record in kept[unit.digest]]


def _works(competitor: Competitor, seeds: int) -> Iterable[tuple[Literal["measure", "footprint"], int]]:
    yield "footprint", 0
    for seed in range(max(1, math.ceil(seeds * competitor.effort))):
        yield "measure", seed


def _do(units: list[Unit], kept: Results, jobs: int, progress: Progress | None, what: str) -> None:
    """Do the units that are not done."""
    digests = [unit.digest for unit in units]
    todo = [unit for unit, digest in zip(units, digests, strict=True) if digest not in kept]
    done = len(units) - len(todo)

    def add(records: list[Record]) -> None:
        nonlocal done
        kept.add(records)
        done += 1
        if progress is not None:
            progress(what, done, len(units))

    if jobs == 1:
        for unit in todo:
            add(unit.do())
        return
    # Not forked: a copy of a process with threads may hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        min(jobs, max(1, len(todo))), mp_context=context, initializer=_end_with_parent
    ) as pool:
        pending: set[Future[list[Record]]] = {pool.submit(unit.do) for unit in todo}
        try:
            while pending:
                finished, pending = wait(pending, return_when=FIRST_COMPLETED)
                for each in finished:
                    add(each.result())
        finally:
            pool.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    """End this process as soon as its parent is gone, however that went."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        assert parent is not None
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
