"""Records in numbers: mean delays, misses and false alarms, with intervals over seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from driftlead.benchmark.measure import Record

__all__ = ["Interval", "Row", "bootstrap", "summarise"]

_RESAMPLES = 1_000


class Interval(NamedTuple):
    """An estimate with its 95 % interval."""

    value: float
    low: float
    high: float


class Row(NamedTuple):
    """One competitor in one setting on one change of one scenario.

    Attributes
    ----------
    competitor, setting, scenario, change : str
    level : float or None
        Of its parameter, where it was tuned.
    false_alarm_every : Interval
        Mean time between false alarms (MTFA): rows of unchanged streams per alarm. Without a single alarm the
        value is infinite, and the lower end is the rate that three alarms would have had.
    delay : Interval
        Censored mean delay in rows over the runs without an earlier alarm; a miss counts as long as was
        waited. NaN where there is no such run.
    detection : float
        Mean time to detection (MTD) over those runs that detected; NaN where none did.
    missed : Interval
        Missed detection rate (MDR): share of those runs without an alarm.
    early : float
        Share of all runs that had alarmed before the change and say nothing about the delay.
    runs : int
        All runs.
    microseconds : float
        Processor time per row, median over seeds.
    held, growth : float
        Bytes held after some thousand rows, and bytes more with every row; NaN where not weighed.
    """

    competitor: str
    setting: str
    scenario: str
    change: str
    level: float | None
    false_alarm_every: Interval
    delay: Interval
    detection: float
    missed: Interval
    early: float
    runs: int
    microseconds: float
    held: float
    growth: float


def summarise(records: Sequence[Record], seed: int = 0) -> list[Row]:
    """Summarise what `driftlead.benchmark.run` returned.

    Parameters
    ----------
    records : sequence of dict
    seed : int
        Of the bootstrap.

    Returns
    -------
    list of Row
        In the order of the records.
    """
    unchanged: dict[tuple[str, str, str], list[Record]] = {}
    changed: dict[tuple[str, str, str, str], list[Record]] = {}
    weight: dict[tuple[str, str], Record] = {}
    for record in records:
        who = (record["competitor"], record["setting"], record["scenario"])
        if record["work"] == "footprint":
            weight[record["competitor"], record["scenario"]] = record
        elif record["work"] == "measure" and record["change"] is None:
            unchanged.setdefault(who, []).append(record)
        elif record["work"] == "measure":
            changed.setdefault((*who, record["change"]), []).append(record)
    rows = []
    for (competitor, setting, scenario, change), runs in changed.items():
        quiet = unchanged[competitor, setting, scenario]
        clean = [each for each in runs if not each["early"]]
        delays = np.array([each["waited"] if each["delay"] is None else each["delay"] for each in clean])
        misses = np.array([float(each["delay"] is None) for each in clean])
        weighed = weight.get((competitor, scenario), {})
        # The median, because the first run of a process also compiles and imports.
        per_row = float(np.median([each["seconds"] / each["rows"] for each in quiet]))
        rows.append(
            Row(
                competitor, setting, scenario, change,
                level=quiet[0]["level"],
                false_alarm_every=_false_alarm_every(quiet, seed),
                delay=bootstrap(delays.astype(np.float64), seed),
                detection=_mean(delays[misses == 0.0]),
                missed=bootstrap(misses, seed),
                early=1.0 - len(clean) / len(runs),
                runs=len(runs),
                microseconds=1e6 * per_row,
                held=float(weighed.get("held", math.nan)),
                growth=float(weighed.get("growth", math.nan)),
            )
        )  # fmt: skip
    return rows


def bootstrap(
    values: NDArray[np.float64],
    seed: int = 0,
    statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]] = lambda drawn: drawn.mean(axis=1),
) -> Interval:
    """Return a statistic with its percentile bootstrap interval.

    Parameters
    ----------
    values : array, shape (n,) or (n, k)
        One entry per seed.
    seed : int
        Of the resampling.
    statistic : callable
        From resampled values, shape (resamples, n) or (resamples, n, k), to one number each.

    Returns
    -------
    Interval
        All NaN where there are no values.

    References
    ----------
    Efron, B. (1979). Bootstrap methods: another look at the jackknife. Annals of Statistics 7(1).

    Examples
    --------
    >>> bootstrap(np.array([10.0, 20.0, 30.0, 40.0]))
    Interval(value=25.0, low=15.0, high=35.0)
    """
    if len(values) == 0:
        return Interval(math.nan, math.nan, math.nan)
    draws = np.random.default_rng(seed).integers(len(values), size=(_RESAMPLES, len(values)))
    low, high = np.quantile(statistic(values[draws]), (0.025, 0.975))
    return Interval(float(statistic(values[np.newaxis])[0]), float(low), float(high))


def _false_alarm_every(quiet: Sequence[Record], seed: int) -> Interval:
    counts = np.array([[each["rows"], each["alarms"]] for each in quiet], dtype=np.float64)
    rows, alarms = counts.sum(axis=0)
    if alarms == 0:
        return Interval(math.inf, float(rows) / 3.0, math.inf)  # the rule of three

    def per_alarm(drawn: NDArray[np.float64]) -> NDArray[np.float64]:
        total = drawn.sum(axis=1)
        return np.asarray(total[:, 0] / np.maximum(total[:, 1], 1.0))

    return bootstrap(counts, seed, per_alarm)


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else math.nan
