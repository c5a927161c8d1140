"""A calibration in words: one line per signal, alike signals together."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from driftlead.wording import counted

if TYPE_CHECKING:
    from driftlead.calibration.result import Calibration, Pair

__all__ = ["lines"]

_WIDEST = 40  # characters of a signal's name
_WIDTH = 18  # of a detector's column
_ALL = 0.995  # episodes per alarm, rounded to all of them


def lines(calibration: Calibration, rows: int | None) -> Iterator[str]:
    """Yield the lines of `Calibration.report`."""
    pairs = calibration.pairs
    detectors = list(dict.fromkeys(pair.detector for pair in pairs))
    signals = len({pair.column for pair in pairs})
    kept = (
        f"for {calibration.guarantee:.0%} of references"
        if calibration.guarantee
        else "on average over references"
    )
    yield (
        f"one false alarm per {calibration.false_alarm_every:,.0f} rows, {kept}:"
        f" {counted(signals, 'signal')}, {counted(len(detectors), 'detector')},"
        f" {counted(len(pairs), 'pair')} of them"
    )
    if calibration.episode_share < _ALL:
        share = f"{calibration.episode_share:.2f} episodes per alarm"
        yield f"false alarms come together: {share}, thresholds lowered"
    yield _expected(calibration)
    yield ""
    grouped = _grouped(pairs, detectors)
    labels = [_label(names) for names, _ in grouped]
    shown = grouped if rows is None else grouped[:rows]
    widest = max(len("signal"), *(len(label) for label in labels[: len(shown)]))
    yield f"{'signal':{widest}}  {'values':>9}  {'lags':>4}" + "".join(f"  {d:>{_WIDTH}}" for d in detectors)
    for label, (_, of_signal) in zip(labels, shown, strict=False):
        first = next(iter(of_signal.values()))
        cells = (_cell(of_signal.get(detector)) for detector in detectors)
        yield f"{label:{widest}}  {first.n:>9,}  {first.order:>4}" + "".join(
            f"  {c:>{_WIDTH}}" for c in cells
        )
    if len(shown) < len(grouped):
        left = sum(len(names) for names, _ in grouped[len(shown) :])
        yield f"… and {counted(left, 'signal')} more"
    if any(pair.simulated for pair in pairs):
        yield "~ simulated: the rate at this threshold is known to within so much; elsewhere by table"
    if calibration.findings:
        yield ""
        yield from calibration.findings


def _expected(calibration: Calibration) -> str:
    """Say what all pairs together are expected to do; their simulations' noises are independent."""
    able = [pair for pair in calibration.pairs if math.isfinite(pair.false_alarm_every)]
    if not able:
        return "expected: no alarms"
    rates = [1.0 / pair.false_alarm_every for pair in able]
    errors = [math.log(pair.interval[1] / pair.interval[0]) / 2.0 for pair in able]
    every = 1.0 / (calibration.episode_share * sum(rates))
    off = math.hypot(*(rate * error for rate, error in zip(rates, errors, strict=True))) / sum(rates)
    noise = f" ({every * math.exp(-off):,.0f} to {every * math.exp(off):,.0f} by the simulations' noise)"
    return f"expected: one per {every:,.0f} rows{noise if off else ''}, on average over references"


def _grouped(pairs: tuple[Pair, ...], detectors: list[str]) -> list[tuple[list[str], dict[str, Pair]]]:
    """Return names and pairs of the signals, by column; those with equal numbers by table together."""
    by_column: dict[int, dict[str, Pair]] = {}
    for pair in pairs:
        by_column.setdefault(pair.column, {})[pair.detector] = pair
    groups: dict[object, tuple[list[str], dict[str, Pair]]] = {}
    for column in sorted(by_column):
        of_signal = by_column[column]
        first = next(iter(of_signal.values()))
        alike: object = column
        if not any(pair.simulated for pair in of_signal.values()):
            known = [of_signal[d].threshold if d in of_signal else None for d in detectors]
            alike = (first.n, first.order, *known)
        groups.setdefault(alike, ([], of_signal))[0].append(first.signal)
    return list(groups.values())


def _label(names: list[str]) -> str:
    first = names[0] if len(names[0]) <= _WIDEST else names[0][: _WIDEST - 1] + "…"
    return first if len(names) == 1 else f"{first} and {len(names) - 1} more"


def _cell(pair: Pair | None) -> str:
    if pair is None:
        return "-"
    if not math.isfinite(pair.false_alarm_every):
        return "cannot alarm"
    if not pair.simulated:
        return f"{pair.threshold:.4g}"
    off = (pair.interval[1] / pair.interval[0]) ** 0.5 - 1.0
    return f"{pair.threshold:.4g} ~{off:.0%}"
