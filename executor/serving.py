"""The composition root of the served, monitored model: settings and a file in, a running service out."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from types import FrameType

import prometheus_client
import structlog
import uvicorn
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from driftlead.calibration import Calibration
from driftlead.errors import ReferenceMismatchError, StorageError
from driftlead.exporters.exposition import metrics_app
from driftlead.exporters.prometheus import MonitorCollector
from driftlead.exporters.webhooks import NotifierCollector
from driftlead.monitor import Episode, Monitor, MonitorSettings, StateFolder, Store
from driftlead.monitor.episode import EventKind
from driftlead.monitor.watch import detector_specs
from driftlead.reference import ReferenceProfile
from driftlead.service import Predictor, create_app
from driftlead.storage import SqlStore
from driftlead.webhooks import Notifier
from executor.address import Address
from executor.connections import ACCEPTED_AT_ONCE, BACKLOG, PatientProtocol, quieten
from executor.settings import ServingSettings, StorageSection
from model.artefact import Artefact, load
from model.predictor import TorchPredictor
from utils.logging import configure_logging

__all__ = ["Service", "StartupError", "compose", "serve"]

_log = structlog.get_logger(__name__)

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StartupError(RuntimeError):
    """The service cannot start; the message is one line that says why."""


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
    _refuse_workers()
    with ExitStack() as stack:
        stack.enter_context(_signal_handlers_restored())
        # Until the server runs there is nothing to finish.
        _on_stop_signals(lambda: sys.exit(0))
        # First, since a port in use is told at once and a model takes seconds to load.
        listener = stack.enter_context(_listen(settings.server.host, settings.server.port))
        service = compose(load(model_path), settings)
        if service.monitor is not None:
            stack.callback(service.monitor.close, drain=True)
        prometheus_client.disable_created_metrics()
        metrics_port = _start_metrics(service.registry, settings, stack)
        # Not sooner: a start that fails says so in its one line.
        configure_logging(settings.logging.level)
        # Libraries have their own idea of what is worth a line, above all the compiler of the kernels.
        for name in ("uvicorn", "numba", "asyncio"):
            logging.getLogger(name).setLevel(logging.WARNING)
        if service.monitor is not None:
            service.monitor.on_episode(_log_episode)
            service.monitor.start()
            _start_webhooks(service, settings, stack)
        url = Address(settings.server.host, listener.getsockname()[1]).url
        metrics_url = f"{Address(settings.server.metrics_host, metrics_port).url}/metrics"
        server = _Server(
            uvicorn.Config(
                service.app,
                http=PatientProtocol,
                backlog=ACCEPTED_AT_ONCE,
                log_config=None,
                access_log=False,
                lifespan="on",
                ws="none",
                workers=1,
                server_header=False,
                # Longer than the minute after which common proxies drop an idle connection themselves.
                timeout_keep_alive=65,
                timeout_graceful_shutdown=settings.server.drain_seconds,
            ),
            lambda: _announce(service, settings, url, metrics_url),
        )
        # uvicorn raises the signal again when it is done. That changes nothing then, and the exit code is 0.
        _on_stop_signals(server.stop)
        server.run(sockets=[listener])
    _log.info("stopped", model=service.predictor.name, version=service.predictor.version)


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
    folder = StateFolder(storage.folder) if storage.folder is not None else None
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


def _calibration(
    artefact: Artefact, profile: ReferenceProfile, settings: MonitorSettings
) -> Calibration | None:
    """Return the thresholds that the model came with, unless it is now watched in another way."""
    rows = settings.for_rows(profile)
    try:
        if artefact.calibration is not None:
            artefact.calibration.require(profile, rows.false_alarm_every, detector_specs(rows))
    except ReferenceMismatchError as difference:
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


def _refuse_workers() -> None:
    workers = os.environ.get("WEB_CONCURRENCY", "1").strip()
    if workers not in ("", "1"):
        raise StartupError(
            f"WEB_CONCURRENCY must be 1 or unset, got {workers!r}: each process would watch only its share "
            "of the rows; run more replicas instead"
        )


@contextmanager
def _signal_handlers_restored() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in _STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _on_stop_signals(act: Callable[[], None]) -> None:
    def handle(number: int, frame: FrameType | None) -> None:
        act()

    for number in _STOP_SIGNALS:
        signal.signal(number, handle)


class _Server(uvicorn.Server):
    """uvicorn, which says when it takes requests."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._report_started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        for listener in sockets or []:
            listener.listen(BACKLOG)
        if self.started:
            self._report_started()

    def stop(self) -> None:
        self.should_exit = True


# --- addresses ---------------------------------------------------------------------------------------


def _listen(host: str, port: int) -> socket.socket:
    """Bind a socket; the server listens on it later."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:  # the second: a name that breaks the rules of host names
        raise _no_address(host, port, "server.port", error) from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        # Not yet accepting, but from here on nobody else can take the port.
        listener.listen()
    except OSError as error:
        listener.close()
        raise _no_address(host, port, "server.port", error) from None
    return listener


def _start_metrics(registry: CollectorRegistry, settings: ServingSettings, stack: ExitStack) -> int:
    """Expose a registry in a thread; return the port."""
    host, port = settings.server.metrics_host, settings.server.metrics_port
    try:
        server, thread = prometheus_client.start_http_server(port, host, registry)
        server.set_app(metrics_app(registry))
    except (OSError, UnicodeError) as error:
        raise _no_address(host, port, "server.metrics_port", error) from None
    quieten(server)
    stack.callback(thread.join)
    stack.callback(server.server_close)
    stack.callback(server.shutdown)
    return server.server_port


def _start_webhooks(service: Service, settings: ServingSettings, stack: ExitStack) -> None:
    """Deliver messages about episodes in a thread."""
    if not settings.webhooks or service.monitor is None:
        return
    webhooks = {section.name: section.webhook() for section in settings.webhooks}
    notifier = Notifier(service.monitor.store, webhooks)
    predictor = service.predictor
    service.registry.register(NotifierCollector(notifier, model=predictor.name, version=predictor.version))
    notifier.start()
    stack.callback(notifier.close)


def _no_address(host: str, port: int, setting: str, error: OSError | UnicodeError) -> StartupError:
    if isinstance(error, socket.gaierror | UnicodeError):
        reason = "no such host" if isinstance(error, UnicodeError) else error.strerror
        return StartupError(
            f"cannot listen on {host}:{port} ({reason}); choose another host, the setting is "
            f"{setting.replace('port', 'host')}"
        )
    reason = error.strerror or str(error)
    return StartupError(
        f"cannot listen on {host}:{port} ({reason}); free it or choose another, the setting is {setting}"
    )


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
    watching = ["  watching  nothing: monitor.enabled is false"]
    if watch.enabled:
        watching = [
            f"  drift     {url}/api/v1/monitor",
            f"  watching  {len(kinds)} signals ({parts}) with {', '.join(watch.detectors)};",
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
        f"  {_example_request(predictor, url)}",
        "",
    ]


def _example_request(predictor: Predictor, url: str) -> str:
    """Write a shell line that sends one row of zeros; its data are made by Python, so that it stays short."""
    tensors = []
    for spec in predictor.inputs:
        shape = [1, *spec.shape[1:]] if spec.batched else list(spec.shape)
        zero = "False" if spec.datatype == "BOOL" else "0"
        fields = f'"name": {json.dumps(spec.name)}, "shape": {shape}, "datatype": "{spec.datatype}"'
        tensors.append(f'{{{fields}, "data": [{zero}] * {prod(shape)}}}')
    program = f'import json; print(json.dumps({{"inputs": [{", ".join(tensors)}]}}))'
    return f"python3 -c '{program}' | curl -s {url}/v2/models/{predictor.name}/infer -d @-"
