"""Page-Hinkley test: whether the mean moved up or down."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from driftlead.detectors import _arguments
from driftlead.detectors._kernels import page_hinkley as kernel
from driftlead.detectors._row import bind
from driftlead.detectors._ties import RandomTies
from driftlead.detectors.base import Detector
from driftlead.errors import InvalidParameterError, StateError
from driftlead.ranks import SortedReference

__all__ = ["PageHinkley"]

Direction = Literal["both", "up", "down"]
_DIRECTIONS: tuple[str, ...] = get_args(Direction)

_THRESHOLD, _FALSE_ALARM_EVERY = 50.0, 1_000_000.0
_DELTA, _DELTA_OF_SCORES = 0.005, 0.25


class PageHinkley(Detector):
    r"""Page-Hinkley test on each signal, upward, downward or both.

    After every value x the two gaps become

    .. math::
        g^+ \leftarrow \max(0,\ \alpha g^+ + (x - \mu - \delta)), \qquad
        g^- \leftarrow \max(0,\ \alpha g^- - (x - \mu + \delta))

    and the signal alarms when :math:`\max(g^+, g^-) > \lambda`, the statistic. Then it restarts: both
    gaps and the running mean begin anew, while the row of the alarm keeps the statistic that alarmed.
    With α = 1 and the running mean this is :math:`S_T - \min S_t` with
    :math:`S_T = \sum_t (x_t - \bar x_t - \delta)`, term by term; α < 1 fades the gap itself, so that no
    direction can alarm at the opposite change.

    Without a reference, x is the raw value and μ its running mean, the current value included. With
    one, x is the value's *normal score*: its rank in the reference, as a standard normal quantile. The
    place between two reference values is drawn at random from ``seed``, and so is the order among equal
    ones. Then μ = 0, and neither unit nor tails of the signal matter.

    An infinite value deviates by the largest float there is, so it alarms at once, and does not
    enter the running mean.

    Parameters
    ----------
    reference : array of shape (n,) or (n, d), SortedReference, or None
        Reference sample of each signal.
    n_signals : int, optional
        Number of signals without a reference, 1 by default.
    delta : float or array of shape (d,), optional
        Slack δ ≥ 0: deviations up to this are tolerated. In the unit of x. By default 0.25 with a reference,
        where x has unit variance and its mean is known to 1/√n only; 0.005 without.
    threshold : float or array of shape (d,), optional
        λ > 0, in the unit of x. By default from ``false_alarm_every`` where there is a reference, found for
        α = 1, which holds a fortiori for less; 50 where there is none.
    direction : {"both", "up", "down"}
        Which changes of the mean to look for.
    alpha : float
        Fading factor α of the gaps, 0 < α ≤ 1.
    false_alarm_every : float, optional
        Budget of one signal: rows per false alarm, 1 000 000 by default. It takes a reference to keep one.
    seed : int
        Seed of the random ranks.

    Raises
    ------
    InvalidParameterError
        A parameter breaks its rule.
    InvalidDataError
        The reference is not numeric, misshapen or empty.

    References
    ----------
    Page, E. S. (1954). Continuous inspection schemes. Biometrika 41(1/2), section 2.
    Hinkley, D. V. (1971). Inference about the change-point from cumulative sum tests. Biometrika 58(3).
    Gama, J. et al. (2014). A survey on concept drift adaptation. ACM Computing Surveys 46(4), section 3.2.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(7)
    >>> detector = PageHinkley(delta=0.1, threshold=20.0)
    >>> stream = np.concatenate([rng.normal(size=200), rng.normal(loc=1.0, size=50)])
    >>> [row for row, x in enumerate(stream) if detector.update(x)]
    [210]
    """

    kind: ClassVar[str] = "page_hinkley"
    version: ClassVar[int] = 2  # since 2: equal reference values have an order, as those of other tests do

    def __init__(
        self,
        reference: ArrayLike | SortedReference | None = None,
        n_signals: int | None = None,
        delta: float | ArrayLike | None = None,
        threshold: float | ArrayLike | None = None,
        direction: Direction = "both",
        alpha: float = 1.0,
        *,
        false_alarm_every: float | None = None,
        seed: int = 0,
    ) -> None:
        located, d = _arguments.reference_and_signals(reference, n_signals)
        if delta is None:
            delta = _DELTA if located is None else _DELTA_OF_SCORES
        slack = _arguments.per_signal(
            "delta", delta, d, "at least 0 and finite", lambda v: (v >= 0) & np.isfinite(v)
        )
        self._direction: Direction = _arguments.choice("direction", direction, _DIRECTIONS)  # type: ignore[assignment]
        self._alpha = _arguments.number(
            "alpha", alpha, "greater than 0 and at most 1", lambda a: 0.0 < a <= 1.0
        )
        self._seed = _arguments.integer("seed", seed, 0, 2**63 - 1)
        if located is None:
            if false_alarm_every is not None:
                rule = "left out where there is no reference: how raw values vary is not known"
                raise InvalidParameterError("false_alarm_every", rule, false_alarm_every)
            threshold = _THRESHOLD if threshold is None else threshold
        budget = _FALSE_ALARM_EVERY if false_alarm_every is None else false_alarm_every

        def from_budget(budget: float) -> list[float]:
            from driftlead import thresholds  # here, because it needs scipy, which takes a second to import

            assert located is not None
            solve = functools.cache(lambda n, v: thresholds.page_hinkley(budget, n, v, self._direction))
            return [solve(int(n), float(v)) for n, v in zip(located.sizes, slack, strict=True)]

        self._cells = cells = np.zeros((d, kernel.CELLS))
        cells[:, kernel.DELTA] = slack
        cells[:, kernel.THRESHOLD] = _arguments.thresholds(threshold, d, budget, from_budget)
        cells[:, kernel.ALPHA] = self._alpha
        cells[:, kernel.RISES] = self._direction in ("both", "up")
        cells[:, kernel.FALLS] = self._direction in ("both", "down")
        self._ordered = True
        self._ties = None if located is None else self._order(located)
        self._one_raw_value = d == 1 and located is None
        self._feed_value: Callable[[float], bool] | None = None
        super().__init__(
            located, cells[:, kernel.COUNT], cells[:, kernel.CURRENT], cells[:, kernel.THRESHOLD]
        )

    def update(self, x: ArrayLike) -> bool:  # noqa: D102
        if self._one_raw_value and isinstance(x, float):
            if self._feed_value is None:
                self._feed_value = bind(functools.partial(kernel.advance_value, self._cells), 0.0)
            self._n_seen += 1
            return self._feed_value(x)
        return super().update(x)

    update.__doc__ = Detector.update.__doc__

    def _order(self, reference: SortedReference) -> RandomTies:
        """Return the order of equal reference values; a state of version 1 spaced them evenly instead."""
        repeated = reference.sizes > reference.n_distinct
        return RandomTies(reference, self._seed, repeated & self._ordered)

    def _feeding(
        self,
        columns: NDArray[np.float64] | None,
        slots: NDArray[np.int32],
        statistic: NDArray[np.float64],
        alarm: NDArray[np.bool_],
        change_point: NDArray[np.int32] | None,
    ) -> functools.partial[bool]:
        reference = self._reference
        if reference is None:
            assert columns is not None
            return functools.partial(kernel.advance_values, columns, self._cells, statistic, alarm)
        assert self._ties is not None
        seed, layout, cumulative, positions = self._ties.arguments
        return functools.partial(
            kernel.advance_scores, slots, cumulative, reference.offsets, seed, layout, positions, self._cells,
            statistic, alarm,
        )  # fmt: skip

    def _clear(self) -> None:
        self._cells[:, : kernel.KEPT] = 0.0
        self._cells[:, kernel.ROWS] = 0.0

    def _state(self) -> dict[str, Any]:
        return {
            "delta": self._cells[:, kernel.DELTA].copy(),
            "direction": self._direction,
            "alpha": self._alpha,
            "seed": self._seed,
            "ordered": self._ordered,
            "gaps": self._cells[:, : kernel.KEPT].copy(),
        }

    @classmethod
    def _restored(cls, state: Mapping[str, Any], reference: SortedReference | None) -> Self:
        detector = cls(
            reference,
            n_signals=len(state["threshold"]),
            delta=state["delta"],
            threshold=state["threshold"],
            direction=state["direction"],
            alpha=state["alpha"],
            seed=state["seed"],
        )
        detector._ordered = state["version"] > 1 and bool(state["ordered"])
        if reference is not None and not detector._ordered:
            detector._ties = detector._order(reference)
        gaps = _arguments.stored(state, "gaps", np.float64, (detector.n_signals, kernel.KEPT))
        detector._cells[:, : kernel.KEPT] = gaps
        detector._cells[:, kernel.ROWS] = state["n_seen"]
        if not np.isfinite(gaps).all():
            raise StateError("the state's gaps are not finite")
        return detector
