"""How good the answers to the reference rows were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from driftlead.errors import InvalidDataError, InvalidParameterError, StateError
from driftlead.estimation import ConfidenceCalibration
from driftlead.quality import class_metrics, errors, losses, metrics
from driftlead.reference.samples import thin

__all__ = ["ReferenceQuality"]


@dataclass(frozen=True, eq=False)
class ReferenceQuality:
    """What labelled reference rows said about a model.

    Attributes
    ----------
    n_outputs : int
        Columns of the outputs: classes, or 1 for a regression.
    class_names : tuple of str
        Their names, or none.
    n_rows : int
        Number of labelled rows.
    metrics : dict of str to float
        As `driftlead.quality.metrics` measured them.
    class_metrics : dict of str to ndarray, shape (n_outputs,)
        As `driftlead.quality.class_metrics` measured them; empty for a regression.
    errors, losses : ndarray
        Sorted samples of `driftlead.quality.errors` and `losses`: the references of the signals
        ``performance:error`` and ``performance:loss``.
    calibration : ConfidenceCalibration or None
        How often predictions are right, by their confidence; None for a regression.
    """

    n_outputs: int
    class_names: tuple[str, ...]
    n_rows: int
    metrics: dict[str, float]
    class_metrics: dict[str, NDArray[Any]]
    errors: NDArray[np.float64]
    losses: NDArray[np.float64]
    calibration: ConfidenceCalibration | None

    @classmethod
    def from_labels(
        cls,
        outputs: ArrayLike,
        labels: ArrayLike,
        class_names: Sequence[str] = (),
        *,
        max_sample: int = 20_000,
    ) -> ReferenceQuality:
        """Measure the answers to labelled rows that the model was not trained on.

        Parameters
        ----------
        outputs : array_like, shape (n, k)
            Class probabilities, or with k = 1 predicted values.
        labels : array_like, shape (n,)
            Class indices, or true values.
        class_names : sequence of str
            One per class, or none.
        max_sample : int
            Longest sample of errors and of losses; longer ones are thinned to evenly spaced order statistics.

        Raises
        ------
        InvalidDataError
            As for `driftlead.quality.errors`, or there are no rows.
        InvalidParameterError
            The number of names is another than that of classes.

        Examples
        --------
        >>> quality = ReferenceQuality.from_labels([[0.9, 0.1], [0.4, 0.6]], [0, 0], ["no", "yes"])
        >>> quality.metrics["accuracy"], quality.errors
        (0.5, array([0., 1.]))
        """
        error = errors(outputs, labels)
        if not len(error):
            raise InvalidDataError("quality needs at least one labelled row, got none")
        n_outputs = np.shape(outputs)[1]
        if len(class_names) not in ((0,) if n_outputs == 1 else (0, n_outputs)):
            raise InvalidParameterError(
                "class_names", f"as many as the {n_outputs} outputs, or none", tuple(class_names)
            )
        if len(set(class_names)) != len(class_names):
            repeated = next(name for name in class_names if list(class_names).count(name) > 1)
            raise InvalidParameterError("class_names", "different from each other", repeated)
        calibration = None
        if n_outputs > 1:
            confidences = np.asarray(outputs, dtype=np.float64).max(axis=1)
            calibration = ConfidenceCalibration.fit(confidences, error == 0)
        return cls(
            n_outputs=n_outputs,
            class_names=tuple(class_names),
            n_rows=len(error),
            metrics=metrics(outputs, labels),
            class_metrics=class_metrics(outputs, labels),
            errors=thin(error, max_sample),
            losses=thin(losses(outputs, labels), max_sample),
            calibration=calibration,
        )

    def to_state(self) -> dict[str, Any]:
        """Return plain arrays, strings and numbers that `from_state` restores the quality from."""
        return {
            "n_outputs": self.n_outputs,
            "class_names": list(self.class_names),
            "n_rows": self.n_rows,
            "metric_names": list(self.metrics),
            "metrics": np.array(list(self.metrics.values())),
            "class_metrics": {name: values.copy() for name, values in self.class_metrics.items()},
            "errors": self.errors.copy(),
            "losses": self.losses.copy(),
            "calibration": None if self.calibration is None else self.calibration.to_state(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> ReferenceQuality:
        """Restore a quality from `to_state`.

        Raises
        ------
        StateError
            When something is missing or inconsistent.
        """
        try:
            calibration = state["calibration"]
            quality = cls(
                n_outputs=int(state["n_outputs"]),
                class_names=tuple(state["class_names"]),
                n_rows=int(state["n_rows"]),
                metrics=dict(zip(state["metric_names"], np.asarray(state["metrics"]).tolist(), strict=True)),
                class_metrics={name: np.asarray(values) for name, values in state["class_metrics"].items()},
                errors=np.asarray(state["errors"], dtype=np.float64),
                losses=np.asarray(state["losses"], dtype=np.float64),
                calibration=None if calibration is None else ConfidenceCalibration.from_state(calibration),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            if isinstance(error, StateError):
                raise
            raise StateError(f"the quality in the reference profile is unreadable: {error}") from error
        if (
            quality.n_outputs < 1
            or (calibration is None) != (quality.n_outputs == 1)
            or len(quality.class_names) not in (0, quality.n_outputs)
            or any(values.shape != (quality.n_outputs,) for values in quality.class_metrics.values())
            or not 0 < len(quality.errors) == len(quality.losses) <= quality.n_rows
        ):
            raise StateError("the quality in the reference profile is inconsistent")
        return quality
