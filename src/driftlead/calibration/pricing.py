"""From one budget to one threshold for every pair of signal and detector."""

from __future__ import annotations

import dataclasses
import functools
import math
import numbers
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from driftlead import rates, thresholds
from driftlead.calibration import autoregression, joint, specs
from driftlead.calibration.autoregression import Autoregressions
from driftlead.calibration.budget import rows_per_false_alarm
from driftlead.calibration.correlated import Correlated
from driftlead.calibration.findings import findings
from driftlead.calibration.laws import Law
from driftlead.calibration.result import Calibration, Pair, digest_of
from driftlead.calibration.simulation import SignalModel, simulate_laws
from driftlead.calibration.specs import DetectorSpec
from driftlead.calibration.watched import Progress, Watched
from driftlead.detectors import _arguments
from driftlead.errors import InvalidDataError, InvalidParameterError
from driftlead.reference import ReferenceProfile

__all__ = ["calibrate"]

_ROWS_IN_ALL = 300_000_000  # simulated for all signals together
_ROWS_PER_SIGNAL = (500_000, 2_000_000)
_EPISODE_GAP = 500
_LASTING = 0.1  # of a window: how long a false alarm lasts, 0.12 to 0.23 with KS, 0.05 to 0.16 with NM-DDM
_LONGEST = 700.0  # logarithm of the longest budget that a float holds
_WEAK = 0.2  # logarithm of the variance of a mean over that of independent rows: less needs no simulation


def calibrate(
    profile: ReferenceProfile,
    rows: ArrayLike | None = None,
    *,
    false_alarm_every: float | str = 1_000_000,
    rows_per_second: float | None = None,
    detectors: Sequence[DetectorSpec] | None = None,
    guarantee: float | None = None,
    joint_budget: bool = True,
    episode_gap: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Calibration:
    """Find the thresholds with which a monitor of these signals keeps its false-alarm budget.

    Independent signals are priced by shipped tables. A signal whose reference rows depend on those
    before them is simulated with that dependence, and so are detectors that the library does not know.

    Parameters
    ----------
    profile : ReferenceProfile
        The reference of every signal.
    rows : array of shape (n, d), optional
        The reference rows in the order of time. Without them signals are taken to be independent of
        their own past and of each other.
    false_alarm_every : float or str
        Budget: rows per false alarm of the whole monitor, or a time such as ``"30 days"``.
    rows_per_second : float, optional
        Expected traffic, where the budget is a time.
    detectors : sequence of DetectorSpec, optional
        The tests; by default Page-Hinkley, incremental KS and NM-DDM with a window of 500.
    guarantee : float, optional
        Share of references, such as 0.9, for which the budget shall hold; by default it holds on average.
    joint_budget : bool
        Whether alarms of any pairs less than ``episode_gap`` apart count as the one episode that they
        are. Otherwise every pair's alarms count, and the budget is split evenly.
    episode_gap : int, optional
        Rows without an alarm of any pair after which an episode is over; by default the longest window,
        500 where no detector has one.
    seed : int
        Of everything simulated.
    progress : callable, optional
        Called with what is being done, how many steps are done, and how many there are.

    Returns
    -------
    Calibration

    Raises
    ------
    InvalidParameterError
        A parameter breaks its rule, or two detectors share a name.
    InvalidDataError
        The rows do not fit the profile.

    Examples
    --------
    >>> import numpy as np
    >>> from driftlead.signals import Signal
    >>> rows = np.random.default_rng(0).normal(size=(5000, 2))
    >>> profile = ReferenceProfile.from_rows([Signal("a"), Signal("b")], rows, model_hash="1f")
    >>> calibration = calibrate(profile, rows, false_alarm_every="1e6 rows")
    >>> calibration.thresholds("incremental_ks").round(3)
    array([0.119, 0.119])
    """
    budget = rows_per_false_alarm(false_alarm_every, rows_per_second)
    if episode_gap is not None:
        _arguments.integer("episode_gap", episode_gap, 1)
    if guarantee is not None and not (isinstance(guarantee, numbers.Real) and 0.5 < guarantee < 1.0):
        raise InvalidParameterError("guarantee", "above 0.5 and below 1, or None", guarantee)
    _arguments.integer("seed", seed, 0, 2**63 - 1)
    chosen = tuple(detectors) if detectors is not None else _default_detectors()
    for spec in chosen:
        if not isinstance(spec, DetectorSpec):
            raise InvalidParameterError("detectors", "specifications, such as nmddm(window=500)", spec)
    names = [spec.name for spec in chosen]
    if not chosen or len(set(names)) != len(names):
        raise InvalidParameterError("detectors", "at least one, each with a name of its own", names)
    models, fitted, scores = _models(profile, rows, seed)
    watched = _laws(profile, models, chosen, seed, progress)
    if not watched:
        raise InvalidParameterError("detectors", "able to watch one of the signals", names)
    gap = episode_gap or max([spec.window or 0 for spec in chosen]) or _EPISODE_GAP
    length = _episode_length(watched, gap) if joint_budget else 0.0
    even = math.log(joint.rate_before_merging(1.0 / budget, length) / len(watched))
    log_rates = {spec.name: even for spec in chosen}
    if joint_budget and scores is not None:
        correlated = Correlated.of(watched, chosen, fitted, scores, gap, seed, progress)
        if correlated is not None:
            log_rates |= correlated.log_rates(budget)
    pairs = tuple(_priced(profile, each, log_rates[each.spec.name], guarantee) for each in watched)
    alarms = sum(math.exp(log_rates[each.spec.name]) for each in watched)
    return Calibration(
        false_alarm_every=budget,
        guarantee=guarantee,
        pairs=pairs,
        episode_share=min(1.0, round(1.0 / (budget * alarms), 6)),
        findings=tuple(findings(profile, pairs, chosen, models, budget, ordered=scores is not None)),
        model_hash=profile.model_hash,
        n_signals=profile.n_signals,
        parameters={spec.name: spec.parameters for spec in chosen},
        reference=digest_of(profile),
    )


def _episode_length(watched: list[Watched], gap: int) -> float:
    """Return the mean rows in which an alarm of another pair runs into one, where pairs are independent."""
    alarm = _LASTING * float(np.mean([each.spec.window or 0 for each in watched]))
    # A pair's own alarms are told apart already: only those of others run into them.
    return (gap + alarm) * (1.0 - 1.0 / len(watched))


def _default_detectors() -> tuple[DetectorSpec, ...]:
    return specs.page_hinkley(), specs.incremental_ks(), specs.nmddm()


def _models(
    profile: ReferenceProfile, rows: ArrayLike | None, seed: int
) -> tuple[list[SignalModel], Autoregressions, NDArray[np.float64] | None]:
    """Return what is known of each signal, and the reference's normal scores in the order of time."""
    d = profile.n_signals
    scores = None
    fitted = Autoregressions(np.zeros(d, dtype=np.int64), np.zeros((d, autoregression.MAX_ORDER)))
    if rows is not None:
        try:
            matrix = np.asarray(rows, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise InvalidDataError(f"rows must be numeric ({error})") from None
        if matrix.ndim != 2 or matrix.shape[1] != d or len(matrix) < 2:
            raise InvalidDataError(
                f"rows must have shape (n, {d}) with at least two rows, got {matrix.shape}"
            )
        scores = autoregression.normal_scores(matrix, seed)
        fitted = autoregression.fit(scores)
    models = []
    for j, (signal, sample) in enumerate(zip(profile.signals, profile.samples, strict=True)):
        shares = None
        if signal.kind == "categorical":
            counts = np.unique(sample, return_counts=True)[1]
            shares = np.cumsum(counts)[:-1] / len(sample)
            shares = np.append(shares, 1.0)
        models.append(SignalModel(len(sample), int(fitted.order[j]), fitted.coefficients[j], shares))
    return models, fitted, scores


def _laws(
    profile: ReferenceProfile,
    models: list[SignalModel],
    chosen: tuple[DetectorSpec, ...],
    seed: int,
    progress: Progress | None,
) -> list[Watched]:
    """Return every pair with the law of its rate, tables first, by detector and column."""
    by_table: dict[tuple[int, str], Law] = {}
    to_simulate: list[tuple[int, list[DetectorSpec]]] = []
    for column, model in enumerate(models):
        needed = []
        for spec in chosen:
            if model.categories is not None and spec.ordered_only:
                continue
            law = _table_law(spec, model)
            if law is not None:
                by_table[column, spec.name] = law
            elif model.categories is None or len(model.categories) > 1:
                needed.append(spec)
        if needed:
            to_simulate.append((column, needed))
    simulated: dict[tuple[int, str], Law] = {}
    if to_simulate:
        least, most = _ROWS_PER_SIGNAL
        found = simulate_laws(
            [(models[column], needed) for column, needed in to_simulate],
            int(np.clip(_ROWS_IN_ALL / len(to_simulate), least, most)),
            seed,
            None if progress is None else lambda done, total: progress("simulating signals", done, total),
        )
        for (column, _), of_signal in zip(to_simulate, found, strict=True):
            simulated.update({(column, name): law for name, law in of_signal.items()})
    return [
        Watched(column, spec, models[column], law, (column, spec.name) in simulated)
        for spec in chosen
        for column in range(profile.n_signals)
        if (law := by_table.get((column, spec.name)) or simulated.get((column, spec.name))) is not None
    ]


def _table_law(spec: DetectorSpec, model: SignalModel) -> Law | None:
    """Return the law of a test that the tables know, on observations with hardly any dependence.

    A weak dependence changes the variance of means and shares but not the course of an excursion: the
    levels are scaled, which spares the simulation.
    """
    if model.categories is not None and spec.law != "incremental_ks":  # whose ties are broken at random
        # A constant never alarms by chance, but one day another value may come.
        single = len(model.categories) == 1 and spec.law == "nmddm"
        return _scaled_law(dataclasses.replace(spec, bins=2), model.n, 0, 1.0, 0.0, 0.0) if single else None
    if model.order == 0:
        return _scaled_law(spec, model.n, 0, 1.0, 1.0 / model.n, 1.0 / (spec.window or 1))
    variance = float(autoregression.long_run_variance(model.coefficients[np.newaxis])[0])
    if abs(math.log(variance)) > _WEAK:
        return None
    of_sample = autoregression.variance_of_share(model.coefficients, model.n)
    of_window = autoregression.variance_of_share(model.coefficients, spec.window or 1)
    return _scaled_law(spec, model.n, model.order, variance, of_sample, of_window)


@functools.lru_cache(maxsize=1024)
def _scaled_law(
    spec: DetectorSpec, n: int, order: int, variance: float, of_sample: float, of_window: float
) -> Law | None:
    """Return a law by table, given the variances of √n times a mean and of shares of sample and window."""
    window = spec.window
    if spec.law == "page_hinkley":
        rate = functools.partial(
            rates.page_hinkley_scaled,
            delta=spec.delta,
            direction=spec.direction,
            spread=math.sqrt(variance),
            mean_error=math.sqrt(variance / n),
            log_spread_error=math.sqrt((0.5 + order) / n),
        )
        return Law(rate, 1e-9, quantile=lambda level, share: rate(level, quantile=share))
    if spec.law == "incremental_ks" and window is not None:
        unit = math.sqrt(of_sample + of_window)
        law = Law(
            lambda distance: rates.incremental_ks(max(distance / unit, rates.KS_LOWEST), n, window),
            rates.KS_LOWEST * unit,
        )
        return law.with_spread(lambda distance: rates.reference_spread(distance / unit, n, window))
    if spec.law == "nmddm" and window is not None:
        scale = max(variance, of_window * window) if order else 1.0
        law = Law(
            lambda level: rates.nmddm(level / scale, window, spec.bins),
            rates.nmddm_lowest(window, spec.bins) * scale,
        )
        return law.with_spread(lambda level: rates.TABLE_ERROR)
    return None


@functools.lru_cache(maxsize=1024)
def _log_rate_at(law: Law, level: float) -> float:
    return law.log_rate(level)


def _priced(profile: ReferenceProfile, each: Watched, log_rate: float, guarantee: float | None) -> Pair:
    level = each.level(log_rate, guarantee)
    if each.spec.law == "incremental_ks" and each.spec.window is not None:
        level = thresholds.on_lattice(level, each.model.n, each.spec.window)
    mute = each.spec.law == "incremental_ks" and level >= 1.0  # no distance exceeds 1
    error = 0.0 if mute else 1.96 * each.law.error(level)
    expected = -math.inf if mute else _log_rate_at(each.law, level)
    return Pair(
        signal=profile.signals[each.column].name,
        column=each.column,
        detector=each.spec.name,
        threshold=level,
        simulated=each.simulated,
        order=each.model.order,
        n=each.model.n,
        false_alarm_every=_rows(expected),
        interval=(_rows(expected + error), _rows(expected - error)),
    )


def _rows(log_rate: float) -> float:
    """Return the rows per alarm, infinite where a float cannot hold them."""
    return math.exp(-log_rate) if log_rate > -_LONGEST else math.inf
