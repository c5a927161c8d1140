"""Signals that move together: the rates at which the episodes of all their tests keep one budget."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from driftlead.calibration import joint
from driftlead.calibration.autoregression import MAX_ORDER, Autoregressions
from driftlead.calibration.specs import DetectorSpec
from driftlead.calibration.watched import Progress, Watched

__all__ = ["Correlated"]

_ROWS = 100_000_000  # to simulate, times pairs
_MOST_ROWS = 2_000_000
_LEVELS = 10
_LEAST = 0.4  # correlation below which signals hardly ever raise a false alarm together


@dataclass(frozen=True)
class Correlated:
    """Signals that raise their false alarms together, and what is needed to simulate them."""

    watched: list[Watched]
    specs: list[DetectorSpec]
    columns: NDArray[np.int64]
    fitted: Autoregressions
    correlation: NDArray[np.float64]
    gap: int
    seed: int
    progress: Progress | None

    @classmethod
    def of(
        cls,
        watched: list[Watched],
        chosen: tuple[DetectorSpec, ...],
        fitted: Autoregressions,
        scores: NDArray[np.float64],
        gap: int,
        seed: int,
        progress: Progress | None,
    ) -> Correlated | None:
        """Return the numeric signals, or None where they correlate too little to matter."""
        numeric = [each for each in watched if each.model.categories is None]
        columns = np.unique([each.column for each in numeric])
        if len(columns) < 2:
            return None
        correlation = joint.innovation_correlation(scores[:, columns], fitted.select(columns))
        least = max(_LEAST, _by_chance(len(scores), len(columns)))
        if np.abs(correlation - np.diag(np.diag(correlation))).max() < least:
            return None
        specs = [spec for spec in chosen if any(each.spec is spec for each in numeric)]
        return cls(watched, specs, columns, fitted.select(columns), correlation, gap, seed, progress)

    def log_rates(self, budget: float) -> dict[str, float]:
        """Return the log rate of each test's pairs at which all episodes together keep the budget.

        First each test by itself: all have as many episodes as pairs, so that those whose alarms come
        together may raise more of them. Then all tests at once: their episodes coincide too.
        """
        rows = min(_ROWS / len(self.watched), _MOST_ROWS)
        # From as frequent as episodes can be told apart to as rare as they are seen in these rows.
        most, least = math.log(1.0 / (5.0 * self.gap)), math.log(10.0 / rows)
        grid = np.linspace(most, max(least, most - 8.0), _LEVELS)
        alone = grid - math.log(len(self.columns) / 4.0)
        seen = self._simulate([alone] * len(self.specs), int(rows), "simulating rows")
        shares = [
            joint.fit_share(alone, begun, free, seen.rows, *self._pairs(spec))
            for spec, begun, free in zip(self.specs, seen.begun, seen.free, strict=False)
        ]
        if len(self.specs) == 1:
            return {self.specs[0].name: _solved(self._even(budget, shares[0]), shares[0])}
        wanted = grid - math.log(len(self.watched) / len(self.specs))  # episodes, divided by pairs
        each = [np.array([_solved(rate, share) for rate in wanted]) for share in shares]
        seen = self._simulate(each, int(rows / 2), "simulating tests together")
        apart = sum(self._pairs(spec)[1] for spec in self.specs)
        together = joint.fit_share(
            wanted, seen.begun[-1], seen.free[-1], seen.rows, len(self.watched) - apart, apart
        )
        target = _solved(self._even(budget, together), together)
        return {spec.name: _solved(target, share) for spec, share in zip(self.specs, shares, strict=True)}

    def _even(self, budget: float, share: joint.EpisodeShare | None) -> float:
        """Return the log rate of a pair at which the budget is kept if each alarm is an episode."""
        length = self.gap if share is None else share.length
        return math.log(joint.rate_before_merging(1.0 / budget, length) / len(self.watched))

    def _of(self, spec: DetectorSpec) -> list[Watched]:
        """Return the pairs of a test on numeric signals."""
        return [each for each in self.watched if each.spec is spec and each.model.categories is None]

    def _pairs(self, spec: DetectorSpec) -> tuple[int, int]:
        """Return how many pairs of a test are on numeric signals, and on others."""
        numeric = len(self._of(spec))
        return numeric, sum(each.spec is spec for each in self.watched) - numeric

    def _simulate(self, log_rates: list[NDArray[np.float64]], rows: int, what: str) -> joint.Episodes:
        levels = [
            np.array([[each.level(rate) for rate in of_spec] for each in self._of(spec)])
            for spec, of_spec in zip(self.specs, log_rates, strict=True)
        ]
        progress = self.progress
        return joint.simulate_episodes(
            [
                (spec, np.searchsorted(self.columns, [each.column for each in self._of(spec)]))
                for spec in self.specs
            ],
            self.fitted,
            self.correlation,
            min(each.model.n for spec in self.specs for each in self._of(spec)),
            levels,
            self.gap,
            rows,
            self.seed,
            None if progress is None else lambda done, total: progress(what, done, total),
        )


def _by_chance(rows: int, signals: int) -> float:
    """Return what the strongest correlation among independent signals exceeds in 1 of 100 references."""
    residuals = rows - MAX_ORDER
    if residuals <= 3:
        return math.inf
    pairs = signals * (signals - 1) / 2.0
    return math.tanh(-float(special.ndtri(0.005 / pairs)) / math.sqrt(residuals - 3.0))  # Fisher's z


def _solved(even: float, share: joint.EpisodeShare | None) -> float:
    """Return the log rate of a pair at which its share of it is the even rate."""
    if share is None or share.slope <= -1.0:
        return even
    # log rate + constant + slope · log rate = even, the share being at most 1.
    return max(even, (even - share.constant) / (1.0 + share.slope))
