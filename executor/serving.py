"""The composition root of the served, monitored model: settings and a file in, a running service out."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import prometheus_client
import structlog
import torch
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from driftlead.calibration import Calibration
from driftlead.errors import ReferenceMismatchError, StateError, StorageError
from driftlead.exporters.prometheus import MonitorCollector
from driftlead.exporters.webhooks import NotifierCollector
from driftlead.monitor import Episode, Monitor, MonitorSettings, StateFolder, Store
from driftlead.monitor.episode import EventKind
from driftlead.monitor.watch import detector_specs
from driftlead.reference import ReferenceProfile
from driftlead.service import Predictor, create_app
from driftlead.service.introduction import example_request
from driftlead.service.process import Ending, Endpoints, Hosted, run
from driftlead.storage import SqlStore
from driftlead.webhooks import Notifier
from driftlead.wording import counted
from executor.settings import ServingSettings, StorageSection
from model.artefact import Artefact, load
from model.predictor import TorchPredictor
from utils.logging import configure_logging

__all__ = ["Service", "compose", "serve"]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, eq=False)
class Service:
    """What belongs together in one serving process."""

    predictor: Predictor
    monitor: Monitor | None
    registry: CollectorRegistry
    app: FastAPI


def serve(settings: ServingSettings, model_path: Path) -> None:
    """Serve a model and watch it, until SIGTERM or SIGINT; requests under way are finished first.

    Parameters
    ----------
    settings : ServingSettings
        Addresses, limits, and how to watch.
    model_path : path
        A ``model.pt``.

    Raises
    ------
    StartupError
        More than one worker is asked for, or an address cannot be listened on.
    ArtefactError
        The model file is missing or damaged.
    ReferenceMismatchError
        The file's reference profile belongs to another model.
    """

    def build(stack: ExitStack, ending: Ending) -> Hosted:
        configure_logging(settings.logging.level)
        torch.set_num_threads(settings.server.threads)
        service = compose(load(model_path), settings)
        if (monitor := service.monitor) is not None:
            stack.callback(lambda: monitor.close(timeout=ending.left()))
        return Hosted(
            service.app,
            service.registry,
            start=lambda: _start(service, settings, stack, ending),
            announce=lambda url, metrics_url: _announce(service, settings, url, metrics_url),
        )

    server = settings.server
    run(
        Endpoints(
            server.host,
            server.port,
            server.metrics_host,
            server.metrics_port,
            server.drain_seconds,
            setting=_setting,
        ),
        build,
    )
    _log.info("stopped")


def _setting(name: str) -> str:
    """Return what a person would change: the setting, and its option where there is one."""
    option = "" if name == "metrics_host" else f", on the command line --{name.replace('_', '-')}"
    return f"server.{name}{option}"


def compose(artefact: Artefact, settings: ServingSettings) -> Service:
    """Build predictor, monitor, metrics and application from a loaded model; nothing runs yet.

    Raises
    ------
    ReferenceMismatchError
        The reference profile belongs to another model, or profiles other signals.
    StateError
        The state folder is another service's.
    """
    registry = CollectorRegistry()
    prometheus_client.ProcessCollector(registry=registry)
    monitor = None
    predictor = TorchPredictor(artefact, watched=settings.monitor.enabled)
    if settings.monitor.enabled:
        monitor = _monitor(predictor, artefact, settings)
        registry.register(
            MonitorCollector(
                monitor,
                model=predictor.name,
                version=predictor.version,
                max_signals=settings.server.metrics_signals,
            )
        )
    app = create_app(
        predictor,
        monitor,
        limits=settings.limits.limits(),
        registry=registry,
        class_names=artefact.class_names,
        api_key=settings.server.api_key,
    )
    return Service(predictor, monitor, registry, app)


def _monitor(predictor: TorchPredictor, artefact: Artefact, settings: ServingSettings) -> Monitor:
    profile = artefact.profile
    if profile is None:
        raise ReferenceMismatchError(
            "the model has no reference profile; train it with `python train_model.py`"
        )
    profile.require_model(predictor.version)
    if profile.signals != predictor.signals:
        raise ReferenceMismatchError(
            "the reference profile does not hold the model's signals; "
            "train it anew with `python train_model.py`"
        )
    storage = settings.storage
    folder = _folder(storage)
    watched = settings.monitor.settings()
    return Monitor(
        profile,
        watched,
        calibration=_calibration(artefact, profile, watched),
        store=_store(predictor, storage),
        folder=folder,
        webhooks=[webhook.name for webhook in settings.webhooks],
        source={"model": predictor.name, "version": predictor.version},
    )


def _folder(storage: StorageSection) -> StateFolder | None:
    if storage.folder is None:
        return None
    change = "the setting is storage.folder, on the command line --folder"
    try:
        folder = StateFolder(storage.folder)
    except StateError as error:
        raise StateError(f"{error}; {change}") from None
    if folder.replica is None:
        _log.warning(f"nothing is kept until {storage.folder} can be written; {change}")
    return folder


def _calibration(
    artefact: Artefact, profile: ReferenceProfile, settings: MonitorSettings
) -> Calibration | None:
    """Return the thresholds that the model came with, unless it is now watched in another way.

    Others then come from tables: the rows in whose order the model's own were found are not kept.
    """
    rows = settings.for_rows(profile)
    try:
        if artefact.calibration is not None:
            artefact.calibration.require(
                profile, rows.false_alarm_every, detector_specs(rows), rows.guarantee
            )
    except ReferenceMismatchError as difference:
        dependent = artefact.calibration is not None and any(
            pair.order for pair in artefact.calibration.pairs
        )
        if dependent:
            _log.warning(
                "thresholds are now those of independent rows, which the model's are not:"
                " there will be more false alarms than asked for until it is trained anew",
                reason=str(difference),
            )
        else:
            _log.info("thresholds are found anew", reason=str(difference))
        return None
    return artefact.calibration


def _store(predictor: Predictor, storage: StorageSection) -> Store | None:
    if storage.database_url is None:
        return None
    store = SqlStore(
        storage.database_url,
        model=predictor.name,
        version=predictor.version,
        keep_seconds=storage.keep_days * 86_400,
    )
    try:
        store.open()
    except StorageError as error:
        # Serving does not wait for a database: predictions wait for it in memory.
        _log.warning("the database does not answer; serving goes on", reason=str(error))
    return store


# --- the process -------------------------------------------------------------------------------------


def _start(service: Service, settings: ServingSettings, stack: ExitStack, ending: Ending) -> None:
    """Start everything that runs beside the server."""
    if service.monitor is not None:
        service.monitor.on_episode(_log_episode)
        service.monitor.start()
        _start_webhooks(service, settings, stack, ending)


def _start_webhooks(service: Service, settings: ServingSettings, stack: ExitStack, ending: Ending) -> None:
    """Deliver messages about episodes in a thread."""
    if not settings.webhooks or service.monitor is None:
        return
    webhooks = {section.name: section.webhook() for section in settings.webhooks}
    notifier = Notifier(service.monitor.store, webhooks)
    predictor = service.predictor
    service.registry.register(NotifierCollector(notifier, model=predictor.name, version=predictor.version))
    notifier.start()
    stack.callback(lambda: notifier.close(ending.left()))
    service.monitor.on_message(notifier.wake)


def _log_episode(kind: EventKind, episode: Episode) -> None:
    """Tell the log of drift, each time that it begins, ends, or a person takes note."""
    if kind == "updated":
        return
    level = _log.warning if kind == "opened" else _log.info
    level(
        f"episode {kind}",
        episode=episode.id,
        row=episode.opened_row,
        opened_by=" on ".join(reversed(episode.opened_by)),
        signals=[each.signal for each in episode.signals[:5]],
        drifted_signals=episode.n_signals,
        resolution=episode.resolution,
    )


# --- what the user is told ---------------------------------------------------------------------------


def _announce(service: Service, settings: ServingSettings, url: str, metrics_url: str) -> None:
    """Tell a person on a terminal, or the log, where everything is."""
    if not sys.stdout.isatty():
        _log.info(
            "serving",
            model=service.predictor.name,
            version=service.predictor.version,
            url=url,
            metrics_url=metrics_url,
            signals=len(service.predictor.signals),
        )
        return
    for line in _introduction(service, settings, url, metrics_url):
        print(line)
    sys.stdout.flush()


def _introduction(service: Service, settings: ServingSettings, url: str, metrics_url: str) -> list[str]:
    """Say in a few lines what is served, what is watched, and how to try it."""
    predictor, watch = service.predictor, settings.monitor
    kinds = [signal.name.partition(":")[0] for signal in predictor.signals]
    parts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
    labelled = service.monitor is not None and service.monitor.profile.quality is not None
    watching = ["  watching  nothing: monitor.enabled is false"]
    if watch.enabled:
        watching = [
            f"  page      {url}",
            f"  watching  {counted(len(kinds), 'signal')} ({parts}) with {', '.join(watch.detectors)};",
            *(["            with its error and loss once labels come;"] if labelled else []),
            f"            one false alarm in {watch.false_alarm_every:,.0f} rows on average with no change",
        ]
    return [
        f"Serving {predictor.name}, version {predictor.version}. Ctrl-C stops it.",
        "",
        f"  service   {url}",
        f"  metrics   {metrics_url}",
        *watching,
        "",
        "Try it:",
        f"  {example_request(predictor, url)}",
        "",
    ]
