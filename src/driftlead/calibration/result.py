"""What a calibration found, in numbers and in words."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftlead import state
from driftlead.calibration import report
from driftlead.calibration.specs import DetectorSpec
from driftlead.errors import InvalidParameterError, ReferenceMismatchError, StateError
from driftlead.ranks import SortedReference
from driftlead.reference import ReferenceProfile

__all__ = ["Calibration", "Pair", "digest_of"]

_KIND = "calibration"
_VERSION = 3  # since 2: parameters; since 3: reference


@dataclass(frozen=True)
class Pair:
    """One detector on one signal.

    Attributes
    ----------
    signal, detector : str
        Their names.
    column : int
        The signal's place in the profile.
    threshold : float
    simulated : bool
        Whether the threshold comes from a simulation rather than from a table.
    order : int
        Lags of the signal's autoregression; 0 for independent observations.
    n : int
        Size of the signal's reference.
    false_alarm_every : float
        Rows per false alarm that this threshold is expected to give, on average over references.
    interval : (float, float)
        95 % interval of that, as far as the simulation's own noise goes.
    """

    signal: str
    column: int
    detector: str
    threshold: float
    simulated: bool
    order: int
    n: int
    false_alarm_every: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Calibration:
    """One threshold for every pair of signal and detector, within one budget.

    Attributes
    ----------
    false_alarm_every : float
        The budget of the whole monitor, in rows.
    guarantee : float or None
        Share of references for which it holds; None: on average over them.
    pairs : tuple of Pair
        By detector, then by column.
    episode_share : float
        Episodes per alarm: below 1 where false alarms come together, because signals are correlated or by
        chance, and the thresholds are lower for it.
    findings : tuple of str
        What the user should know, with numbers.
    model_hash : str
        The model whose reference profile this belongs to.
    n_signals : int
        Number of signals in that profile.
    parameters : mapping of str to mapping
        Per detector, the parameters that its thresholds depend on.
    reference : str
        Digest of that profile's samples; empty where a version that kept none made this.
    """

    false_alarm_every: float
    guarantee: float | None
    pairs: tuple[Pair, ...]
    episode_share: float
    findings: tuple[str, ...]
    model_hash: str
    n_signals: int
    parameters: Mapping[str, Mapping[str, Any]]
    reference: str

    def _of(self, detector: str) -> list[Pair]:
        found = [pair for pair in self.pairs if pair.detector == detector]
        if not found:
            known = ", ".join(sorted({pair.detector for pair in self.pairs}))
            raise InvalidParameterError("detector", f"one of {known}", detector)
        return found

    def columns(self, detector: str) -> NDArray[np.int64]:
        """Return the columns that a detector watches, increasing."""
        return np.array([pair.column for pair in self._of(detector)], dtype=np.int64)

    def thresholds(self, detector: str) -> NDArray[np.float64]:
        """Return the threshold of each of those columns.

        Raises
        ------
        InvalidParameterError
            No such detector was calibrated.
        """
        return np.array([pair.threshold for pair in self._of(detector)])

    def require(
        self,
        profile: ReferenceProfile,
        false_alarm_every: float,
        detectors: Sequence[DetectorSpec],
        guarantee: float | None = None,
    ) -> None:
        """Refuse to serve a profile, a budget or detectors that this was not made for.

        Parameters
        ----------
        profile : ReferenceProfile
        false_alarm_every : float
            Budget of the whole monitor, in rows.
        detectors : sequence of DetectorSpec
        guarantee : float, optional
            Share of references for which the budget shall hold; None: on average over them.

        Raises
        ------
        ReferenceMismatchError
            One of them differs; the first difference is named.
        """
        for difference in self._differences(profile, false_alarm_every, detectors, guarantee):
            raise ReferenceMismatchError(f"{difference}: calibrate anew")

    def _differences(
        self,
        profile: ReferenceProfile,
        false_alarm_every: float,
        detectors: Sequence[DetectorSpec],
        guarantee: float | None,
    ) -> Iterator[str]:
        if profile.model_hash != self.model_hash:
            own, asked_for = (
                f"model {each}" if each else "no model" for each in (self.model_hash, profile.model_hash)
            )
            yield f"the calibration belongs to {own}, not to {asked_for}"
        if not math.isclose(false_alarm_every, self.false_alarm_every):  # shares of it are rounded
            yield (
                f"the calibration is for one false alarm per {self.false_alarm_every:,.0f} rows,"
                f" not per {false_alarm_every:,.0f}"
            )
        if guarantee != self.guarantee:
            yield f"the calibration is for guarantee {self.guarantee}, not {guarantee}"
        if not self.parameters:
            yield "the calibration is of a version that did not keep its detectors' parameters"
        asked = {spec.name: spec.parameters for spec in detectors}
        if asked.keys() != self.parameters.keys():
            yield f"the calibration is for {', '.join(self.parameters)}, not for {', '.join(asked)}"
        for name in self.parameters:
            for parameter, known in self.parameters[name].items():
                value = asked.get(name, {}).get(parameter)
                if value != known:
                    yield f"the calibration of {name} is for {parameter} {known}, not {value}"
        for pair in self.pairs:
            if not (
                pair.column < profile.n_signals
                and profile.signals[pair.column].name == pair.signal
                and len(profile.samples[pair.column]) == pair.n
            ):
                yield f"the calibration is for {pair.n} values of {pair.signal} in column {pair.column}"
        if self.reference and self.reference != digest_of(profile):
            yield "the calibration is for other reference values"

    def report(self, rows: int | None = None) -> str:
        """Return what was done for every signal, as plain text.

        Parameters
        ----------
        rows : int, optional
            Longest table; the signals beyond it are left out and counted. Signals that tables gave the same
            thresholds share a line.
        """
        return "\n".join(report.lines(self, rows))

    def to_state(self) -> dict[str, Any]:
        """Return plain arrays and scalars, for `driftlead.state`."""
        return {
            "version": _VERSION,
            "false_alarm_every": self.false_alarm_every,
            "guarantee": self.guarantee,
            "episode_share": self.episode_share,
            "findings": list(self.findings),
            "model_hash": self.model_hash,
            "n_signals": self.n_signals,
            "parameters": {name: dict(values) for name, values in self.parameters.items()},
            "reference": self.reference,
            "signals": [pair.signal for pair in self.pairs],
            "detectors": [pair.detector for pair in self.pairs],
            "columns": np.array([pair.column for pair in self.pairs], dtype=np.int64),
            "thresholds": np.array([pair.threshold for pair in self.pairs]),
            "simulated": np.array([pair.simulated for pair in self.pairs], dtype=np.bool_),
            "orders": np.array([pair.order for pair in self.pairs], dtype=np.int64),
            "sizes": np.array([pair.n for pair in self.pairs], dtype=np.int64),
            "expected": np.array([(pair.false_alarm_every, *pair.interval) for pair in self.pairs]),
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the calibration to a file.

        Raises
        ------
        StateError
            It cannot be written.
        """
        state.save(path, _KIND, _VERSION, self.to_state())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Calibration:
        """Read a calibration that `save` wrote.

        Raises
        ------
        StateError
            The file is missing, unreadable, or of another kind.
        """
        return cls.from_state(state.load(path, _KIND)[1])

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Calibration:
        """Restore a calibration from `to_state`.

        Raises
        ------
        StateError
            When something is missing, inconsistent, or from a newer version.
        """
        try:
            version = int(state["version"])
            if version > _VERSION:
                raise StateError(
                    f"the calibration has version {version}; this driftlead reads up to {_VERSION}"
                )
            pairs = tuple(
                Pair(str(signal), int(column), str(detector), float(threshold), bool(simulated), int(order),
                     int(n), float(expected[0]), (float(expected[1]), float(expected[2])))
                for signal, detector, column, threshold, simulated, order, n, expected in zip(
                    state["signals"], state["detectors"], state["columns"], state["thresholds"],
                    state["simulated"], state["orders"], state["sizes"], state["expected"], strict=True,
                )
            )  # fmt: skip
            guarantee = state["guarantee"]
            return cls(
                false_alarm_every=float(state["false_alarm_every"]),
                guarantee=None if guarantee is None else float(guarantee),
                pairs=pairs,
                episode_share=float(state["episode_share"]),
                findings=tuple(str(finding) for finding in state["findings"]),
                model_hash=str(state["model_hash"]),
                n_signals=int(state["n_signals"]),
                parameters={} if version < 2 else state["parameters"],
                reference="" if version < 3 else str(state["reference"]),
            )
        except StateError:
            raise
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise StateError(f"the calibration is unreadable: {error}") from error


def digest_of(profile: ReferenceProfile) -> str:
    """Return what tells a profile's samples from those of any other."""
    return SortedReference(profile.samples).digest()
