"""The reference of errors and losses: the one of the model's training, or a newer one; how it is watched."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from driftlead.errors import StateError
from driftlead.monitor.detection import Detection
from driftlead.monitor.settings import MonitorSettings
from driftlead.monitor.wish import Wish
from driftlead.reference import ReferenceProfile, ReferenceQuality
from driftlead.signals import Signal

__all__ = ["QualityBaseline", "Renewed", "watch_errors"]


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


class Renewed(NamedTuple):
    """A reference of quality that a person asked for.

    Attributes
    ----------
    name : str
        Replicas collect for themselves. Of two references for one wish the one made last has the later name,
        and stands.
    wish : Wish
    reference : ReferenceQuality
    """

    name: str
    wish: Wish
    reference: ReferenceQuality

    def state(self) -> dict[str, Any]:
        """Return plain arrays and scalars; whoever keeps them keeps the name too."""
        return {"quality": self.reference.to_state(), "wish": self.wish.state()}

    @classmethod
    def from_state(cls, name: str, state: Mapping[str, Any]) -> Self:
        """Restore what `state` returned.

        Raises
        ------
        StateError
            It is damaged.
        """
        try:
            return cls(name, Wish.from_state(state["wish"]), ReferenceQuality.from_state(state["quality"]))
        except (KeyError, TypeError) as error:
            raise StateError(f"the reference of quality is incomplete ({error})") from error


class QualityBaseline:
    """Which reference errors and losses are judged by, and how a new one comes about.

    It changes under the lock of `driftlead.monitor.feedback.Feedback` alone.

    Parameters
    ----------
    trained : ReferenceQuality or None
        Of the model's training; without one there is nothing to judge by, and nothing is collected.
    most_rows : int
        Labelled predictions that are enough for a new one, however many the one before had.
    """

    def __init__(self, trained: ReferenceQuality | None, most_rows: int) -> None:
        self._trained = trained
        self._most_rows = most_rows
        self._renewed: Renewed | None = None
        self._collection: QualityCollection | None = None

    @property
    def reference(self) -> ReferenceQuality | None:
        """The one that holds now."""
        return self._trained if self._renewed is None else self._renewed.reference

    def collect(self, wish: Wish) -> None:
        """Begin to collect a new one, in place of one still being collected."""
        if self.reference is not None:
            self._collection = QualityCollection(wish, min(self.reference.n_rows, self._most_rows))

    def take(
        self,
        outputs: NDArray[np.float32],
        labels: NDArray[np.float64],
        made_at: NDArray[np.float64],
        now: float,
    ) -> Renewed | None:
        """Take labelled predictions; once there are enough, return a reference made of them.

        Parameters
        ----------
        outputs, labels, made_at
            As for `QualityCollection.take`.
        now : float
            Seconds since the epoch.
        """
        collection = self._collection
        if collection is None or self.reference is None or not collection.take(outputs, labels, made_at):
            return None
        # Before it is made: what makes no reference must not be tried again with every label.
        self._collection = None
        name = f"{collection.wish.name}/{Wish.of(now, '', None).name}"
        return Renewed(name, collection.wish, collection.reference(self.reference.class_names))

    def adopt(self, renewed: Renewed) -> None:
        """Make a reference the one that holds; what is being collected for no later wish is given up."""
        self._renewed = renewed
        if self._collection is not None and self._collection.wish.name <= renewed.wish.name:
            self._collection = None

    def shared(self) -> tuple[str, dict[str, Any]] | None:
        """Return the one that a person asked for, by name, for other replicas; None where there is none."""
        return None if self._renewed is None else (self._renewed.name, self._renewed.state())

    def state(self) -> dict[str, Any]:
        """Return what goes on after a restart, as plain arrays and scalars."""
        renewed, collection = self._renewed, self._collection
        return {
            "renewed": None if renewed is None else {"name": renewed.name, **renewed.state()},
            "collection": None if collection is None else collection.state(),
        }

    def restored(self, state: Mapping[str, Any], n_outputs: int) -> QualityBaseline:
        """Return one like this that continues where `state` was taken; an earlier version kept neither part.

        Raises
        ------
        StateError
            It is damaged, or its predictions have another number of outputs.
        """
        baseline = QualityBaseline(self._trained, self._most_rows)
        if (renewed := state.get("renewed")) is not None:
            try:
                baseline._renewed = Renewed.from_state(str(renewed["name"]), renewed)
            except (KeyError, TypeError) as error:
                raise StateError(f"the reference of quality is incomplete ({error})") from error
        if (collection := state.get("collection")) is not None:
            baseline._collection = QualityCollection.from_state(collection, n_outputs)
        return baseline


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
