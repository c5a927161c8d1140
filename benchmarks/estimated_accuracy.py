"""Accuracy estimated without labels against the true one: share of seeds within the interval.

    PYTHONPATH=. python benchmarks/estimated_accuracy.py [simulated|digits] …

Both parts by default, a minute on one core; every number is seeded. Prints the tables of docs/quality.md.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from driftlead.estimation import ConfidenceCalibration, bin_counts

SEEDS = 500
EASY, HARD = 0.25, 0.9  # noise of a measurement; the model knows which it has before it
HARD_AT_TRAINING = 0.02


class Predictions(NamedTuple):
    """Class probabilities, shape (n, k), and true classes, shape (n,)."""

    probabilities: NDArray[np.float32]
    labels: NDArray[np.int64]

    @property
    def confidences(self) -> NDArray[np.float32]:
        return self.probabilities.max(axis=1)

    @property
    def correct(self) -> NDArray[np.bool_]:
        return self.probabilities.argmax(axis=1) == self.labels


def predict(
    rng: np.random.Generator, rows: int, classes: int, hard: float, sharpness: float = 1.0
) -> Predictions:
    """Predict noisy one-hot measurements, a share ``hard`` of them noisier, with the exact posterior.

    ``sharpness`` multiplies its logarithms: above 1 the model is overconfident, and at equal confidence hard
    rows are wrong more often than easy ones.
    """
    labels = rng.integers(0, classes, rows)
    noise = np.where(rng.random(rows) < hard, HARD, EASY)[:, np.newaxis]
    measured = np.eye(classes)[labels] + noise * rng.normal(size=(rows, classes))
    return Predictions(special.softmax(sharpness * measured / noise**2, axis=1).astype(np.float32), labels)


def relabel(predictions: Predictions, classes: int) -> Predictions:
    """Change the concept alone: the same inputs and answers, the labels of all classes exchanged."""
    return Predictions(predictions.probabilities, (predictions.labels + 1) % classes)


def simulated() -> None:
    print("| classes, sharpness | labelled | live rows | accuracy | estimate | within 95 % | width | audit |")
    print("|---|---|---|---|---|---|---|---|")
    for classes, sharpness in ((2, 1.0), (2, 4.0), (10, 1.0), (10, 1.3)):
        for labelled in (450, 5_000):
            for live, hard in (("same", HARD_AT_TRAINING), ("half hard", 0.5), ("all hard", 1.0)):
                report(classes, sharpness, labelled, live, hard)
            report(classes, sharpness, labelled, "relabelled", HARD_AT_TRAINING, concept_change=True)


def report(
    classes: int, sharpness: float, labelled: int, live: str, hard: float, concept_change: bool = False
) -> None:
    rng = np.random.default_rng([classes, labelled, round(100 * hard)])
    figures = []
    for _ in range(SEEDS):
        reference = predict(rng, labelled, classes, HARD_AT_TRAINING, sharpness)
        calibration = ConfidenceCalibration.fit(reference.confidences, reference.correct)
        served = predict(rng, 1_000, classes, hard, sharpness)
        if concept_change:
            served = relabel(served, classes)
        counts, accuracy = bin_counts(served.confidences), served.correct.mean()
        found = calibration.estimate(counts)
        audit = calibration.audit(counts, int(served.correct.sum()))
        within = found.low <= accuracy <= found.high
        figures.append((accuracy, found.estimate, within, found.high - found.low, audit.significant))
    accuracy, estimate, within, width, significant = np.mean(figures, axis=0)
    print(
        f"| {classes}, {sharpness:g} | {labelled:,} | {live} | {accuracy:.3f} | {estimate:.3f} |"
        f" {within:.1%} | {width:.3f} | {significant:.1%} |".replace("%", " %"),
        flush=True,
    )


def digits() -> None:
    """Train the project's model, and spoil its held-out rows in ways that it was not trained for."""
    from dataloader import load
    from executor.training import train
    from model.config import ModelSettings
    from model.predictor import TorchPredictor

    artefact = train(ModelSettings()).artefact
    assert artefact.profile is not None
    assert artefact.profile.quality is not None
    calibration = artefact.profile.quality.calibration
    assert calibration is not None
    data, rows = load(artefact.settings.data), artefact.splits.holdout
    images, predictor, rng = data.features[rows], TorchPredictor(artefact), np.random.default_rng(0)
    spoilt = {
        "as they are": images,
        **{
            f"noise of {sd} of 16 levels": images + sd * rng.normal(size=images.shape)
            for sd in (1, 2, 3, 4, 6)
        },
        **{f"contrast × {factor}": images * factor for factor in (0.7, 0.5, 0.3)},
        "shifted by 1 pixel": np.roll(images, 1, axis=2),
        "shifted by 2 pixels": np.roll(images, 2, axis=2),
        "turned by 90°": np.rot90(images, axes=(1, 2)),
    }
    print("| rows | accuracy | estimate | 95 % interval | audit |\n|---|---|---|---|---|")
    for name, changed in spoilt.items():
        answer = predictor.predict_all(np.clip(changed, 0, 16).astype(np.float32))
        served = Predictions(answer.outputs["probabilities"], data.labels[rows])
        counts = bin_counts(served.confidences)
        found, audit = calibration.estimate(counts), calibration.audit(counts, int(served.correct.sum()))
        print(
            f"| {name} | {audit.accuracy:.3f} | {found.estimate:.3f} | {found.low:.3f} to {found.high:.3f} |"
            f" {'significant' if audit.significant else '–'} |"
        )


PARTS = {part.__name__: part for part in (simulated, digits)}

if __name__ == "__main__":
    for chosen in sys.argv[1:] or PARTS:
        PARTS[chosen]()
