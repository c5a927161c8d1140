"""The published page: tables and figures from the records, below a reading written by hand."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.detection.competitors import TOLD_THE_BUDGET
from benchmarks.speed.page import machine, our_versions, table
from driftlead.benchmark import Row, figures, markdown
from driftlead.benchmark.tables import fill

__all__ = ["at_the_budget", "our_versions", "page", "peer_versions", "write"]

DELAYS, FALSE_ALARMS = "images/detection-delays.svg", "images/detection-false-alarms.svg"

_HOW = """\
Written by `make evaluate`. Every detector sees the same seeded streams: {seeds} draws of each scenario, the
slow ones the first {fewest} of them. After 300 to 900 unchanged rows, a random number, {after} changed ones
follow. A delay is the number of rows from the change to the first alarm, that row included, averaged over
the draws without an earlier alarm; a miss counts {after}. Brackets are 95 % bootstrap intervals over draws.

A delay says nothing without its false-alarm rate: whoever always cries wolf is never late. So every
detector's own threshold parameter is set, by bisection on other unchanged streams of the same kind, to one
false alarm in {budget} rows, and the rate is then measured again on streams that neither it nor the bisection
has seen. `driftlead, all three` and alibi-detect have nothing to tune: they are told the budget and find
their thresholds themselves."""


def at_the_budget(rows: Sequence[Row]) -> list[Row]:
    """Keep the tuned rows, and those of competitors that are told the budget, in the competitors' order."""
    kept = [row for row in rows if row.setting == "tuned" or row.competitor in TOLD_THE_BUDGET]
    order = list(dict.fromkeys(row.competitor for row in rows))
    return sorted(kept, key=lambda row: order.index(row.competitor))


def at_their_defaults(rows: Sequence[Row]) -> list[Row]:
    """Keep what users get who set nothing; ours and alibi-detect's are told the budget."""
    return [row for row in rows if row.setting == "default"]


def page(
    rows: Sequence[Row], records: Sequence[Mapping[str, Any]], budget: float, versions: Mapping[str, str]
) -> str:
    """Return what was measured as Markdown."""
    draws = sorted({row.runs for row in rows})
    waited = next(each["waited"] for each in records if "waited" in each)
    named = ", ".join(f"{name} {version}" for name, version in versions.items())
    return "\n\n".join([
        "## Delay at one false-alarm rate",
        f"![Mean delays in rows, by detector and change]({DELAYS})",
        "## False alarms at the defaults",
        f"![Rows per false alarm of every detector as its package sets it]({FALSE_ALARMS})",
        "## How it was measured",
        _HOW.format(
            seeds=draws[-1], fewest=draws[0], after=_count(waited), budget=_count(budget)
        ),
        f"Machine: {machine()}. {named}.",
        "## Everything at one false-alarm rate",
        markdown(at_the_budget(rows)).strip(),
        "## Everything at the defaults",
        markdown(at_their_defaults(rows)).strip(),
        "## Mean times",
        "Mean time between false alarms (MTFA), to detection where something was detected (MTD), and missed"
        " detection rate (MDR), over all scenarios at the budget, for comparison with papers that give these;"
        " time and memory per row, which is what Python and NumPy hold and how it grows with every row.",
        table(
            ("detector", "MTFA", "MTD", "MDR", "CPU µs per row", "KiB held", "bytes more per row"),
            _mean_times(at_the_budget(rows)),
        ),
        "Times are medians of processor time. Ours take rows in batches of 250; the others have none and"
        " are called for each row, from Python. [Benchmarks](benchmarks.md) compares speed.",
    ])  # fmt: skip


def write(
    folder: Path,
    rows: Sequence[Row],
    records: Sequence[Mapping[str, Any]],
    budget: float,
    versions: Mapping[str, str],
) -> None:
    """Write the figures into ``folder``, and the numbers between the marks of its ``detection.md``."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    title = f"Mean delay in rows, everyone at about one false alarm in {_count(budget)} rows"
    figures.write(figures.delays(at_the_budget(rows), title), folder / DELAYS)
    quiet = figures.false_alarms(at_their_defaults(rows), budget, "Rows per false alarm, as packages set it")
    figures.write(quiet, folder / FALSE_ALARMS)
    fill(folder / "detection.md", "measured", page(rows, records, budget, versions))


def peer_versions(found: Mapping[str, str]) -> dict[str, str]:
    """Return the versions of the peers themselves."""
    return {name: version for name, version in found.items() if name in ("river", "frouros", "alibi-detect")}


def _mean_times(rows: Sequence[Row]) -> Iterable[list[str]]:
    for name in dict.fromkeys(row.competitor for row in rows):
        mine = [row for row in rows if row.competitor == name]
        quiet = {row.scenario: row.false_alarm_every.value for row in mine}.values()
        rate = statistics.mean(0.0 if math.isinf(each) else 1.0 / each for each in quiet)
        detections = [row.detection for row in mine if not math.isnan(row.detection)]
        misses = [row.missed.value for row in mine if not math.isnan(row.missed.value)]
        yield [
            name,
            _count(1.0 / rate) if rate else "no alarm",
            _count(statistics.mean(detections)) if detections else "–",
            f"{statistics.mean(misses):.0%}" if misses else "–",
            f"{statistics.median(row.microseconds for row in mine):.2g}",
            f"{mine[0].held / 1024:.0f}",
            f"{max(0.0, mine[0].growth):.1f}",
        ]


def _count(number: float) -> str:
    return f"{number:,.0f}".replace(",", " ")
