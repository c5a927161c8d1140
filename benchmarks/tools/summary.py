"""What each tool's records say: delays, false alarms, costs."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.tools.streams import CHANGED
from benchmarks.tools.tools import OURS, Tool

__all__ = ["Delay", "Result", "summarise"]

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Delay:
    """Rows from the change to the alarm that named the feature, that row included, by stream; None: never."""

    rows: tuple[int | None, ...]

    @property
    def noticed(self) -> list[int]:
        """Delays where it was noticed, ascending."""
        return sorted(each for each in self.rows if each is not None)

    @property
    def missed(self) -> int:
        """Streams in which it was not."""
        return sum(each is None for each in self.rows)


@dataclass(frozen=True)
class Result:
    """A row of the tables.

    Attributes
    ----------
    first : Delay
        Until any changed feature was named, or an alarm that names none.
    by_feature : dict of str to Delay
        By the names in `CHANGED`; empty for a verdict on all features together.
    false_alarms : float
        Rows with an alarm, or blocks of rows where the verdict is on blocks, in 100 000 unchanged rows.
    unchanged : int
        Rows before the changes of all its streams.
    microseconds : float
        Processor time per row, the median over streams.
    times_ours : float
        That over ours on the same stream, the median over streams.
    setup_seconds : float
    held : int
        Most bytes resident.
    lines : int
        Of user code.
    """

    tool: Tool
    first: Delay
    by_feature: dict[str, Delay]
    false_alarms: float
    unchanged: int
    microseconds: float
    times_ours: float
    setup_seconds: float
    held: int
    lines: int


def summarise(tools: Sequence[Tool], records: Sequence[Record]) -> list[Result]:
    """Return a result for each tool that has records, in the order of the tools."""
    ours = {record["seed"]: per_row(record) for record in records if record["user"] == OURS.user}
    results = []
    for tool in tools:
        mine = [record for record in records if record["user"] == tool.user]
        if not mine:
            continue
        unchanged = sum(record["change"] for record in mine)
        results.append(
            Result(
                tool=tool,
                first=Delay(tuple(delay(record, set(CHANGED)) for record in mine)),
                by_feature={
                    name: Delay(tuple(delay(record, {name}) for record in mine))
                    for name in (CHANGED if tool.names_features else ())
                },
                false_alarms=100_000 * sum(map(false_alarms, mine)) / unchanged,
                unchanged=unchanged,
                microseconds=statistics.median(map(per_row, mine)),
                times_ours=statistics.median(per_row(record) / ours[record["seed"]] for record in mine),
                setup_seconds=statistics.median(record["setup_seconds"] for record in mine),
                held=max(record["held"] for record in mine),
                lines=mine[0]["lines"],
            )
        )
    return results


def delay(record: Record, features: set[str]) -> int | None:
    """Return the rows from the change to the first alarm after it that names one of the features, or none."""
    for row, named in record["alarms"]:
        if row > record["change"] and (named is None or features & set(named)):
            return int(row - record["change"])
    return None


def false_alarms(record: Record) -> int:
    """Return how many rows before the change had an alarm."""
    return len({row for row, _ in record["alarms"] if row <= record["change"]})


def per_row(record: Record) -> float:
    """Return microseconds of processor time per row."""
    return 1e6 * float(record["seconds"]) / int(record["rows"])
