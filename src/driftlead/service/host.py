"""A monitor, its store and its metrics around an application that feeds it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import prometheus_client
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from driftlead.calibration import Calibration
from driftlead.errors import DriftleadError, StartupError, StateError, StorageError
from driftlead.exporters.prometheus import MonitorCollector
from driftlead.monitor import Monitor, MonitorSettings, StateFolder, Store
from driftlead.reference import ReferenceProfile
from driftlead.service.logs import log_json
from driftlead.service.process import Ending, Endpoints, Hosted, run
from driftlead.wording import counted

__all__ = ["Watched", "host"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Watched:
    """What is watched, and how.

    Parameters
    ----------
    model, version : str
        Names on the wire.
    profile : ReferenceProfile
    settings : MonitorSettings
    folder : Path or None
        Where state, predictions, labels and episodes are kept; in memory alone without one.
    calibration : Calibration, optional
        Thresholds found for this profile and these settings.
    """

    model: str
    version: str
    profile: ReferenceProfile
    settings: MonitorSettings
    folder: Path | None
    calibration: Calibration | None = None


def host(
    watched: Watched,
    endpoints: Endpoints,
    make: Callable[[Monitor, CollectorRegistry], FastAPI],
    introduce: Callable[[str], Sequence[str]],
) -> None:
    """Run an application and the monitor that it feeds, until SIGTERM or SIGINT.

    Parameters
    ----------
    watched : Watched
    endpoints : Endpoints
    make : callable
        Builds the application.
    introduce : callable
        From the URL to lines for a person at a terminal, on how to use it.

    Raises
    ------
    StartupError, StateError
        It cannot start.
    """

    def build(stack: ExitStack, ending: Ending) -> Hosted:
        log_json()
        registry = CollectorRegistry()
        prometheus_client.ProcessCollector(registry=registry)
        folder = None
        if watched.folder is not None:
            folder = _folder(watched.folder)
        source = {"model": watched.model, "version": watched.version}
        monitor = Monitor(
            watched.profile,
            watched.settings,
            store=_store(watched),
            folder=folder,
            calibration=watched.calibration,
            source=source,
        )
        stack.callback(lambda: monitor.close(timeout=ending.left()))
        registry.register(MonitorCollector(monitor, model=watched.model, version=watched.version))

        return Hosted(
            make(monitor, registry),
            registry,
            start=monitor.start,
            announce=lambda url, metrics_url: _announce(watched, introduce(url), url, metrics_url),
        )

    run(endpoints, build)
    _log.info("stopped")


def _folder(path: Path) -> StateFolder:
    advice = "choose another with --folder"
    try:
        path.mkdir(parents=True, exist_ok=True)
        return StateFolder(path)
    except OSError as error:
        raise StartupError(f"{path} cannot hold the state ({error.strerror or error}); {advice}") from None
    except StateError as error:
        raise StartupError(f"{error}; {advice}") from None


def _store(watched: Watched) -> Store | None:
    if watched.folder is None:
        return None
    try:
        from driftlead.storage import SqlStore
    except ModuleNotFoundError:
        raise DriftleadError(
            "keeping predictions needs SQLAlchemy: pip install 'driftlead[storage]'"
        ) from None
    store = SqlStore(
        f"sqlite:///{watched.folder / 'driftlead.db'}", model=watched.model, version=watched.version
    )
    try:
        store.open()
    except StorageError as error:
        # Serving does not wait for a database: predictions wait for it in memory.
        _log.warning("the database does not answer; serving goes on: %s", error)
    return store


def _announce(watched: Watched, lines: Sequence[str], url: str, metrics_url: str) -> None:
    """Tell a person on a terminal, or the log, where everything is."""
    if not sys.stdout.isatty():
        fields = {"model": watched.model, "version": watched.version, "url": url, "metrics_url": metrics_url}
        _log.info("serving", extra={**fields, "signals": watched.profile.n_signals})
        return
    budget = f"{watched.settings.false_alarm_every:,.0f}"
    for line in (
        f"Watching {counted(watched.profile.n_signals, 'signal')} of {watched.model}: "
        f"one false alarm in {budget} rows. "
        "Ctrl-C stops it.",
        "",
        f"  page      {url}",
        f"  metrics   {metrics_url}",
        *lines,
        "",
    ):
        print(line)
    sys.stdout.flush()
