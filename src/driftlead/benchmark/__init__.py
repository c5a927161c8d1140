"""Detectors side by side: delays at one false-alarm rate, misses, false alarms, time and memory.

competitors = [of_detector("mine", build), ...]
records = run(competitors, scenarios, seeds=30, budget=1_000, results="results.jsonl")
print(markdown(summarise(records)))

A competitor is anything that takes rows and says at which of them it raised an alarm; one that lives in
another Python environment is spoken to through a pipe.
"""

from __future__ import annotations

from driftlead.benchmark.competitor import Competitor, DetectorRun, Run, of_detector
from driftlead.benchmark.measure import Unit, footprint, measure, tune
from driftlead.benchmark.peer import PeerRun, of_peer
from driftlead.benchmark.results import Results, write_parquet
from driftlead.benchmark.run import run
from driftlead.benchmark.scenario import Drawn, Scenario, draw
from driftlead.benchmark.summary import Interval, Row, bootstrap, summarise
from driftlead.benchmark.tables import markdown, rich_table

__all__ = [
    "Competitor",
    "DetectorRun",
    "Drawn",
    "Interval",
    "PeerRun",
    "Results",
    "Row",
    "Run",
    "Scenario",
    "Unit",
    "bootstrap",
    "draw",
    "footprint",
    "markdown",
    "measure",
    "of_detector",
    "of_peer",
    "rich_table",
    "run",
    "summarise",
    "tune",
    "write_parquet",
]
