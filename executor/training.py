"""Train a model from its settings: data, weights, reference profile, quality."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import nn

from dataloader import Dataset, Splits, load, split
from dataloader.batches import batches
from driftlead.calibration import calibrate
from driftlead.errors import InvalidParameterError
from driftlead.monitor import MonitorSettings
from driftlead.monitor.watch import detector_specs
from driftlead.reference import ReferenceProfile
from evaluation.quality import Quality, holdout_quality
from model.artefact import Artefact
from model.config import ModelSettings
from model.network import Classifier, build
from model.predictor import TorchPredictor
from utils.seeding import seed_everything

__all__ = ["Epoch", "Trained", "TrainingError", "train"]


class TrainingError(ValueError):
    """Training went wrong; one line that says what to change."""


class Epoch(NamedTuple):
    """Progress after one pass over the training rows: loss and accuracy on them, dropout and shifts on."""

    number: int
    loss: float
    accuracy: float


class Trained(NamedTuple):
    """A model ready to be saved, and its quality on the held-out rows."""

    artefact: Artefact
    quality: Quality


def train(
    settings: ModelSettings,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    monitor: MonitorSettings | None = None,
    on_calibration: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Trained:
    """Train, profile and measure a model, and find the thresholds of its monitor.

    Parameters
    ----------
    settings : ModelSettings
        ``configs/model.yaml``. The same settings, seed included, give the same weights, bit for bit, on the
        same machine.
    on_epoch : callable
        Called after every epoch.
    monitor : MonitorSettings, optional
        How the deployed model will be watched. Where the data are in the order of time, so is the reference,
        and the dependence of its rows on those before is calibrated for. Other references are drawn at
        random and tell nothing of it: every signal counts as independent of its past.
    on_calibration : callable
        Called with what is simulated for its thresholds, how many steps are done, and how many there are.

    Raises
    ------
    InvalidDataError
        The data cannot be read or split.
    InvalidParameterError
        ``monitored_layers`` names a layer that the network does not have.
    TrainingError
        The loss is no longer a finite number.
    """
    torch.set_num_threads(settings.training.threads)
    generator = seed_everything(settings.seed)
    dataset = load(settings.data)
    splits = split(dataset, settings.split, settings.seed)
    network = build(settings.network, dataset.features.shape[1:], len(dataset.class_names))
    _check_layers(settings, network)
    _fit(network, dataset, splits, settings, generator, on_epoch)
    artefact = _describe(network, dataset, splits, settings)
    # The same code that will serve the model takes the profile, so live values and reference agree.
    predictor = TorchPredictor(artefact)
    prediction = predictor.predict_all(dataset.features[splits.reference])
    profile = ReferenceProfile.from_rows(
        predictor.signals, prediction.signals, model_hash=artefact.model_hash
    ).with_quality(prediction.outputs["probabilities"], dataset.labels[splits.reference], dataset.class_names)
    calibration = None
    if monitor is not None:
        watched = monitor.for_rows(profile)
        calibration = calibrate(
            profile,
            prediction.signals if dataset.time_ordered else None,
            false_alarm_every=watched.false_alarm_every,
            detectors=detector_specs(watched),
            guarantee=watched.guarantee,
            progress=on_calibration,
        )
    artefact = replace(artefact, profile=profile, calibration=calibration)
    return Trained(artefact, holdout_quality(artefact, dataset))


def _check_layers(settings: ModelSettings, network: Classifier) -> None:
    """Refuse an unknown layer before the time for training is spent."""
    if settings.monitored_layers == "all":
        return
    layers = settings.monitored_layers
    for layer in layers:
        if layer not in network.layer_names:
            rule = f"'all' or a list of {', '.join(network.layer_names)}"
            raise InvalidParameterError("monitored_layers", rule, layer)
    if len(set(layers)) != len(layers):
        raise InvalidParameterError("monitored_layers", "without repetition", list(layers))


def _fit(
    network: Classifier,
    dataset: Dataset,
    splits: Splits,
    settings: ModelSettings,
    generator: torch.Generator,
    on_epoch: Callable[[Epoch], None],
) -> None:
    training = settings.training
    features = torch.from_numpy(dataset.features[splits.train])
    labels = torch.from_numpy(dataset.labels[splits.train])
    network.preprocessing.fit(features)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay
    )
    steps = training.epochs * math.ceil(len(features) / training.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, training.learning_rate, total_steps=steps)
    max_shift = training.max_shift if features.ndim > 2 else 0
    network.train()
    for number in range(1, training.epochs + 1):
        total_loss, right = 0.0, 0
        for rows, truth in batches(features, labels, training.batch_size, generator, max_shift):
            optimiser.zero_grad()
            logits = network(rows)
            loss = nn.functional.cross_entropy(logits, truth)
            loss.backward()
            optimiser.step()
            schedule.step()
            total_loss += loss.item() * len(rows)
            right += int((logits.argmax(dim=1) == truth).sum())
        if not math.isfinite(total_loss):
            raise TrainingError(
                f"the loss is no finite number in epoch {number}: lower training.learning_rate, now "
                f"{training.learning_rate:g}, or look for extreme values in the data"
            )
        on_epoch(Epoch(number, total_loss / len(features), right / len(features)))
    network.eval()


def _describe(network: Classifier, dataset: Dataset, splits: Splits, settings: ModelSettings) -> Artefact:
    own = "preprocessing."
    state = {key: value.detach().clone() for key, value in network.state_dict().items()}
    return Artefact(
        name=dataset.name,
        settings=settings,
        input_shape=dataset.features.shape[1:],
        class_names=dataset.class_names,
        feature_names=dataset.feature_names,
        allows_missing=dataset.allows_missing,
        fingerprint=dataset.fingerprint,
        splits=splits,
        weights={key: value for key, value in state.items() if not key.startswith(own)},
        preprocessing={key.removeprefix(own): value for key, value in state.items() if key.startswith(own)},
    )
