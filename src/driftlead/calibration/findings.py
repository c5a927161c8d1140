"""What a user should know of a calibration: where the reference is too small for what is asked of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from driftlead.calibration import autoregression
from driftlead.calibration.result import Pair
from driftlead.calibration.simulation import SignalModel
from driftlead.calibration.specs import DetectorSpec
from driftlead.reference import ReferenceProfile
from driftlead.wording import counted

__all__ = ["findings"]

_ENOUGH_WINDOWS, _FEWEST_WINDOWS = 20, 2
_ENOUGH_ROWS = 5_000
_SHORTEST_BUDGET = 4  # windows
_ENOUGH_INDEPENDENT = 25
_IDENTIFIER = 0.5  # categories per value, from which on they hardly recur
_RAREST_SEEN = 100_000  # rows per alarm of one signal, of which a simulation sees enough


def findings(
    profile: ReferenceProfile,
    pairs: Sequence[Pair],
    specs: Sequence[DetectorSpec],
    models: Sequence[SignalModel],
    budget: float,
    *,
    ordered: bool,
) -> Iterator[str]:
    """Yield one sentence per finding, each with its numbers and the first signal that it holds for."""
    if not ordered:
        yield "without rows in the order of time, every signal was taken to be independent of its past"
    names = [signal.name for signal in profile.signals]
    small = [j for j, model in enumerate(models) if model.n < _ENOUGH_ROWS]
    if small:
        least = min(small, key=lambda j: models[j].n)
        yield (
            f"{len(small)} of {len(models)} references hold fewer than {_ENOUGH_ROWS:,} values"
            f" ({names[least]}: {models[least].n:,}): the rate of a single reference may be several times"
            " the average"
        )
    dependent = [j for j in small if models[j].order]
    if dependent:
        yield (
            f"{len(dependent)} of those depend on their past"
            f" ({names[dependent[0]]}: {models[dependent[0]].order} lags): the strength of that"
            " dependence is itself uncertain, and the rate with it"
        )
    longest = [j for j, model in enumerate(models) if model.order == autoregression.MAX_ORDER]
    if longest:
        yield (
            f"the longest memory that is looked for, {autoregression.MAX_ORDER} lags, is that of"
            f" {counted(len(longest), 'signal')} ({names[longest[0]]}): a season or a trend would not be seen"
        )
    unique = [
        j
        for j, model in enumerate(models)
        if model.categories is not None and len(model.categories) > max(_IDENTIFIER * model.n, 20)
    ]
    if unique:
        first = unique[0]
        yield (
            f"{len(unique)} of {len(models)} signals have a category for every other value or more"
            f" ({names[first]}): what identifies rows says nothing of drift, leave it out"
        )
    for spec in specs:
        yield from _of_spec(spec, names, pairs, models, budget)


def _of_spec(
    spec: DetectorSpec,
    names: Sequence[str],
    pairs: Sequence[Pair],
    models: Sequence[SignalModel],
    budget: float,
) -> Iterator[str]:
    watched = [pair for pair in pairs if pair.detector == spec.name]
    if not watched:
        return
    if spec.window is not None and spec.law == "incremental_ks":
        short = [pair for pair in watched if pair.n < _ENOUGH_WINDOWS * spec.window]
        if short:
            least = min(short, key=lambda pair: pair.n)
            yield (
                f"{spec.name}: {len(short)} of {len(watched)} references are shorter than {_ENOUGH_WINDOWS}"
                f" windows of {spec.window} ({least.signal}: {least.n:,}): their noise raises the thresholds"
            )
        tiny = [pair for pair in watched if pair.n < _FEWEST_WINDOWS * spec.window]
        if tiny:
            least = min(tiny, key=lambda pair: pair.n)
            yield (
                f"{spec.name}: {len(tiny)} of those are shorter than {_FEWEST_WINDOWS} windows"
                f" ({least.signal}: {least.n:,}): the rate is a rough estimate, a window of at most"
                f" {least.n // _FEWEST_WINDOWS} would suit"
            )
    mute = [pair for pair in watched if math.isinf(pair.false_alarm_every)]
    if mute:
        reason = f"a window of {spec.window} is too short for the budget"
        yield (
            f"{spec.name}: {len(mute)} of {len(watched)} pairs cannot alarm ({mute[0].signal}): "
            + (reason if spec.law else "no level kept the budget in the simulation")
        )
    rare = [pair for pair in watched if _RAREST_SEEN < pair.false_alarm_every < math.inf]
    if rare and spec.law is None:
        yield (
            f"{spec.name}: one false alarm of a signal per {rare[0].false_alarm_every:,.0f} rows is rarer"
            " than was simulated: its threshold continues the logarithm of the rate as a straight line"
        )
    if spec.window is not None:
        # Pairs of simulated signals only: elsewhere rows are worth what they count.
        worth = {pair: _worth(models[pair.column], spec.window) for pair in watched if pair.simulated}
        thin = [pair for pair, rows in worth.items() if rows < _ENOUGH_INDEPENDENT]
        if thin:
            least = min(thin, key=lambda pair: worth[pair])
            yield (
                f"{spec.name}: {len(thin)} of {len(watched)} signals change so slowly that a window of"
                f" {spec.window} is worth fewer than {_ENOUGH_INDEPENDENT} independent rows"
                f" ({least.signal}: {worth[least]:.0f}): use a longer one, the rate is a rough estimate"
            )
    if spec.window is not None and budget < _SHORTEST_BUDGET * spec.window:
        yield (
            f"{spec.name}: one false alarm per {budget:,.0f} rows is more than a window of {spec.window}"
            " can raise: alarms will be rarer"
        )
    if spec.law == "page_hinkley":
        unsure = [pair for pair in watched if spec.delta < 2.0 * _mean_error(models[pair.column])]
        if unsure:
            first = unsure[0]
            yield (
                f"{spec.name}: delta {spec.delta:g} lies within the error of the mean of {len(unsure)} of"
                f" {len(watched)} references"
                f" ({first.signal}: ±{2.0 * _mean_error(models[first.column]):.3g}):"
                " thresholds are high and detection is slow"
            )


def _mean_error(model: SignalModel) -> float:
    """Return the standard error of a reference's mean normal score."""
    spread = autoregression.long_run_variance(model.coefficients[np.newaxis])[0]
    return math.sqrt(float(spread) / model.n)


def _worth(model: SignalModel, window: int) -> float:
    """Return how many independent rows would leave the share below the median as uncertain."""
    return 1.0 / autoregression.variance_of_share(model.coefficients, window)
