"""The reference of errors and losses: how it is watched, and how labelled predictions become a new one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from driftlead.errors import StateError
from driftlead.monitor.detection import Detection
from driftlead.monitor.settings import MonitorSettings
from driftlead.monitor.wish import Wish
from driftlead.reference import ReferenceProfile, ReferenceQuality
from driftlead.signals import Signal

__all__ = ["QualityCollection", "read_quality", "watch_errors"]


@dataclass(eq=False)
class QualityCollection:
    """Labelled predictions that were made since a person asked for a new reference, until there are enough.

    Parameters
    ----------
    wish : Wish
    wanted : int
        How many are enough.
    """

    wish: Wish
    wanted: int
    outputs: list[NDArray[np.float32]] = field(default_factory=list)
    labels: list[NDArray[np.float64]] = field(default_factory=list)
    rows: int = 0

    def take(
        self, outputs: NDArray[np.float32], labels: NDArray[np.float64], made_at: NDArray[np.float64]
    ) -> bool:
        """Take what belongs to it; return whether there is enough.

        Parameters
        ----------
        outputs : ndarray, shape (n, k)
        labels, made_at : ndarray, shape (n,)
        """
        chosen = np.flatnonzero(made_at >= self.wish.at)[: self.wanted - self.rows]
        if len(chosen):
            self.outputs.append(outputs[chosen])
            self.labels.append(labels[chosen])
            self.rows += len(chosen)
        return self.rows >= self.wanted

    def reference(self, class_names: Sequence[str]) -> ReferenceQuality:
        """Make the reference; raises as `ReferenceQuality.from_labels`."""
        return ReferenceQuality.from_labels(
            np.concatenate(self.outputs), np.concatenate(self.labels), class_names
        )

    def state(self) -> dict[str, Any]:
        """Return plain arrays and scalars: labels may take days to come."""
        return {
            "wish": self.wish.state(),
            "wanted": self.wanted,
            "outputs": np.concatenate(self.outputs) if self.outputs else np.empty((0, 0), np.float32),
            "labels": np.concatenate(self.labels) if self.labels else np.empty(0),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any], n_outputs: int) -> Self:
        """Restore what `state` returned.

        Raises
        ------
        StateError
            It is damaged, or its predictions have another number of outputs.
        """
        try:
            collection = cls(Wish.from_state(state["wish"]), int(state["wanted"]))
            outputs = np.asarray(state["outputs"], dtype=np.float32)
            labels = np.asarray(state["labels"], dtype=np.float64)
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(f"the labels for a new reference are incomplete ({error})") from error
        if len(labels):
            if outputs.shape != (len(labels), n_outputs):
                raise StateError("the labels for a new reference are inconsistent")
            collection.outputs.append(outputs)
            collection.labels.append(labels)
            collection.rows = len(labels)
        return collection


def read_quality(shared: Mapping[str, Any]) -> tuple[ReferenceQuality, Wish]:
    """Read a reference that a person asked for; raises `StateError`."""
    try:
        return ReferenceQuality.from_state(shared["quality"]), Wish.from_state(shared["wish"])
    except (KeyError, TypeError) as error:
        raise StateError(f"the reference of quality is incomplete ({error})") from error


def watch_errors(
    profile: ReferenceProfile,
    quality: ReferenceQuality,
    settings: MonitorSettings,
    on_error: Callable[[str], None],
) -> Detection:
    """Watch the error of each labelled row, and its loss for a classifier, with Page-Hinkley."""
    samples = {"performance:error": quality.errors}
    if quality.n_outputs > 1:
        samples["performance:loss"] = quality.losses
    signals = [Signal(name) for name in samples]
    rows = np.full((max(map(len, samples.values())), len(samples)), np.nan)
    for column, sample in enumerate(samples.values()):
        rows[: len(sample), column] = sample
    reference = ReferenceProfile.from_rows(signals, rows, model_hash=profile.model_hash)
    return Detection(reference, settings.for_labels(), on_error=on_error)
