"""Which signals see a bad camera first, and how much accuracy it costs."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataloader.corruptions import CORRUPTIONS, NEEDS_IMAGES, corrupt
from driftlead.errors import InvalidParameterError
from driftlead.monitor import MonitorSettings
from driftlead.monitor.watch import Watch, build_watches
from driftlead.ranks import SortedReference
from driftlead.reference import ReferenceProfile
from driftlead.signals import Signal
from model.artefact import Artefact
from model.predictor import TorchPredictor

__all__ = ["GROUPS", "SEVERITIES", "Quiet", "Sight", "measure_drift"]

GROUPS = ("features", "activations", "predictions", "errors")
"""What may be watched: a model's inputs, its inside, its answers; its mistakes, were labels there at once."""

SEVERITIES = (0.05, 0.1, 0.2, 0.4, 0.8)

CLEAN_ROWS = (400, 800)
WAIT = 2_000
_QUIET_ROWS = 20_000
_CHUNK = 250

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class Sight:
    """How one corruption at one severity was seen.

    Attributes
    ----------
    corruption : str
    severity : float
    lost : float
        Accuracy on held-out rows, clean minus corrupted, 0 to 1.
    delays : mapping of str to tuple
        By group, for each seed: rows from the first corrupted one to the alarm, that row included; infinite
        where there was none within `WAIT` rows; NaN where an alarm came before the corruption.
    """

    corruption: str
    severity: float
    lost: float
    delays: Mapping[str, tuple[float, ...]]

    def delay(self, group: str) -> float:
        """Return the median delay, infinite where half of the seeds saw nothing; NaN where none counts."""
        counted = [each for each in self.delays[group] if not math.isnan(each)]
        return sorted(counted)[len(counted) // 2] if counted else math.nan


@dataclass(frozen=True)
class Quiet:
    """False alarms on clean rows: rows watched, and episodes by group."""

    rows: int
    alarms: Mapping[str, int]


def measure_drift(
    artefact: Artefact,
    *,
    seeds: int = 5,
    kinds: Sequence[str] = tuple(CORRUPTIONS),
    severities: Sequence[float] = SEVERITIES,
    false_alarm_every: float = 1_000_000,
    window: int = 250,
    progress: Progress | None = None,
) -> tuple[list[Sight], Quiet]:
    """Corrupt held-out rows in every way, and watch each group of signals with the whole budget.

    Each group has the same budget and the monitor's three tests, so that a group with many signals has
    higher thresholds, as it would when it is watched alone. Clean rows come first, a random number of them;
    rows come in shuffled passes through the hold-out split, as in the demo.

    Parameters
    ----------
    artefact : Artefact
        The model.
    seeds : int
        Streams of every corruption and severity.
    kinds : sequence of str
        Corruptions; those that need images are left out where the model takes tables.
    severities : sequence of float
        0 to 1, see `dataloader.corruptions`.
    false_alarm_every : float
        Rows per false alarm of each group.
    window : int
        Rows of the tests' windows.
    progress : callable, optional
        Called with what is being done, how many steps are done, and how many there are.

    Returns
    -------
    list of Sight
        By corruption and severity.
    Quiet

    Raises
    ------
    InvalidDataError
        The data cannot be read, or are not those that the model was trained on.
    InvalidParameterError
        When ``seeds`` is below 1.
    """
    if seeds < 1:
        raise InvalidParameterError("seeds", "at least 1", seeds)
    camera = _Camera(artefact, MonitorSettings(false_alarm_every=false_alarm_every, window=window))
    possible = [kind for kind in kinds if camera.images or kind not in NEEDS_IMAGES]
    cells = [(kind, severity) for kind in possible for severity in severities]
    lost: dict[tuple[str, float], list[float]] = {cell: [] for cell in cells}
    delays: dict[tuple[str, float], dict[str, list[float]]] = {
        cell: {group: [] for group in GROUPS} for cell in cells
    }
    quiet_rows, quiet = 0, dict.fromkeys(GROUPS, 0)
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        before = int(rng.integers(*CLEAN_ROWS))
        order = camera.passes(before + WAIT, rng)
        watches, early = camera.watches(), dict.fromkeys(GROUPS, False)
        for group, alarms in camera.alarmed(watches, camera.clean[order[:before]]).items():
            early[group] = bool(len(alarms))
        for number, (kind, severity) in enumerate(cells):
            noise = np.random.default_rng([seed, number])
            lost[kind, severity].append(camera.lost(kind, severity, noise))
            found = _delays(camera, copy.deepcopy(watches), kind, severity, order[before:], noise)
            for group, delay in found.items():
                delays[kind, severity][group].append(math.nan if early[group] else delay)
            if progress is not None:
                progress("corrupting", seed * len(cells) + number + 1, seeds * len(cells))
        clean = camera.passes(_QUIET_ROWS, rng)
        episodes = camera.episodes(camera.watches(), camera.clean[clean])
        quiet_rows += _QUIET_ROWS
        quiet = {group: quiet[group] + episodes[group] for group in GROUPS}
    sights = [
        Sight(kind, severity, float(np.mean(lost[kind, severity])),
              {group: tuple(found) for group, found in delays[kind, severity].items()})
        for kind, severity in cells
    ]  # fmt: skip
    return sights, Quiet(quiet_rows, quiet)


class _Camera:
    """The model, its held-out rows, and what each group of signals is compared with."""

    def __init__(self, artefact: Artefact, settings: MonitorSettings) -> None:
        dataset = artefact.dataset()
        self._predictor = TorchPredictor(artefact)
        self._settings = settings
        held, reference = artefact.splits.holdout, artefact.splits.reference
        self._rows, self._labels = dataset.features[held], dataset.labels[held]
        self.images = self._rows.ndim >= 3
        axes = None if self.images else 0
        self._low, self._high = np.nanmin(self._rows, axis=axes), np.nanmax(self._rows, axis=axes)
        self.clean = self._signals(self._rows, self._labels)
        names = [signal.name for signal in self._predictor.signals]
        prefixes = {"features": "feature:", "activations": "activation:", "predictions": "prediction:"}
        self._columns = {
            group: np.flatnonzero([name.startswith(prefix) for name in names])
            for group, prefix in prefixes.items()
        } | {"errors": np.array([len(names)])}
        signals = (*self._predictor.signals, Signal("performance:error"))
        known = self._signals(dataset.features[reference], dataset.labels[reference])
        self._profiles = {
            group: ReferenceProfile.from_rows(
                [signals[column] for column in columns], known[:, columns], model_hash=artefact.model_hash
            )
            for group, columns in self._columns.items()
        }
        self._references = {
            group: SortedReference(profile.samples) for group, profile in self._profiles.items()
        }

    def _signals(self, rows: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return every signal of rows, the error last."""
        answer = self._predictor.predict_all(rows)
        wrong = answer.outputs["label"] != labels
        return np.column_stack([np.asarray(answer.signals), wrong])

    def passes(self, rows: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return held-out rows in shuffled passes."""
        count = math.ceil(rows / len(self._rows))
        return np.concatenate([rng.permutation(len(self._rows)) for _ in range(count)])[:rows]

    def corrupted(
        self, kind: str, severity: float, rows: NDArray[np.int64], rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Return every signal of corrupted rows."""
        bad = corrupt(kind, self._rows[rows], np.full(len(rows), severity), self._low, self._high, rng)
        return self._signals(bad.astype(np.float32), self._labels[rows])

    def lost(self, kind: str, severity: float, rng: np.random.Generator) -> float:
        """Return the accuracy that a corruption costs on the whole hold-out split."""
        bad = self.corrupted(kind, severity, np.arange(len(self._rows)), rng)
        return float(bad[:, -1].mean() - self.clean[:, -1].mean())

    def watches(self) -> dict[str, list[Watch]]:
        return {group: build_watches(profile, self._settings) for group, profile in self._profiles.items()}

    def alarmed(
        self, watches: Mapping[str, list[Watch]], signals: NDArray[np.float64]
    ) -> dict[str, NDArray[np.int64]]:
        """Feed rows; return, by group, those of them after which any test was over its threshold."""
        found = {}
        for group, of_group in watches.items():
            columns = np.ascontiguousarray(signals[:, self._columns[group]])
            slots = self._references[group].locate(columns)
            over = np.zeros(len(signals), dtype=np.bool_)
            for watch in of_group:
                trace = watch.detector.update_located(np.ascontiguousarray(slots[:, watch.columns]))
                over |= trace.alarm.any(axis=1)
            found[group] = np.flatnonzero(over)
        return found

    def episodes(self, watches: Mapping[str, list[Watch]], signals: NDArray[np.float64]) -> dict[str, int]:
        """Count alarms, of which those less than a window apart are one."""
        window = self._settings.window
        return {
            group: int((np.diff(rows, prepend=-window) >= window).sum())
            for group, rows in self.alarmed(watches, signals).items()
        }


def _delays(
    camera: _Camera,
    watches: dict[str, list[Watch]],
    kind: str,
    severity: float,
    rows: NDArray[np.int64],
    rng: np.random.Generator,
) -> dict[str, float]:
    """Return each group's delay, infinite where it saw nothing."""
    delays = dict.fromkeys(watches, math.inf)
    waiting = dict(watches)
    for start in range(0, len(rows), _CHUNK):
        signals = camera.corrupted(kind, severity, rows[start : start + _CHUNK], rng)
        for group, alarms in camera.alarmed(waiting, signals).items():
            if len(alarms):
                delays[group] = start + alarms[0] + 1.0
                del waiting[group]
        if not waiting:
            break
    return delays
