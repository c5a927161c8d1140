"""The process around an application: its ports, its metrics, its log, and an end that loses nothing."""

from __future__ import annotations

import errno
import gc
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import FrameType

import prometheus_client
import uvicorn
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from driftlead.errors import StartupError
from driftlead.exporters.exposition import metrics_app
from driftlead.service.address import Address
from driftlead.service.connections import ACCEPTED_AT_ONCE, BACKLOG, PatientProtocol, quieten

__all__ = ["Ending", "Endpoints", "Hosted", "run"]

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True)
class Endpoints:
    """Where a service and its metrics listen.

    Parameters
    ----------
    host, port, metrics_host, metrics_port
        Port 0 takes a free one.
    drain_seconds : int
        Longest wait, once the service is told to stop: four fifths of it for requests under way, and what
        is left then for the monitor.
    setting : callable
        From one of the names above to what its user calls it, for error messages.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 8001
    drain_seconds: int = 10
    setting: Callable[[str], str] = str


class Ending:
    """The one limit on all that a service does between being told to stop and its end.

    Parameters
    ----------
    seconds : float
        How long that may take.

    Examples
    --------
    >>> ending = Ending(10.0)
    >>> ending.left()
    10.0
    >>> ending.begin()
    >>> ending.left() < 10.0
    True
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._deadline: float | None = None

    def begin(self) -> None:
        """Let time run; once it does, it runs."""
        if self._deadline is None:
            self._deadline = time.monotonic() + self._seconds

    def left(self) -> float:
        """Return how many seconds are left, a tenth of one at least."""
        if self._deadline is None:
            return self._seconds
        return max(0.1, self._deadline - time.monotonic())


@dataclass(frozen=True, eq=False)
class Hosted:
    """What a process runs.

    Parameters
    ----------
    app : FastAPI
    registry : CollectorRegistry
        What the metrics' port exposes.
    start : callable
        Called once both ports are taken.
    announce : callable
        Called with the URLs of service and metrics once requests are taken.
    """

    app: FastAPI
    registry: CollectorRegistry
    start: Callable[[], None]
    announce: Callable[[str, str], None]


def run(endpoints: Endpoints, build: Callable[[ExitStack, Ending], Hosted]) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are finished first.

    Parameters
    ----------
    endpoints : Endpoints
    build : callable
        Makes what is served, and leaves on the stack what must be closed after it, in the time that is left.
        The log is set up here, before anything is said: a port that is in use is told without it.

    Raises
    ------
    StartupError
        More than one worker is asked for, or an address cannot be listened on.
    """
    _refuse_workers()
    ending = Ending(endpoints.drain_seconds)
    with ExitStack() as stack:
        stack.enter_context(_signal_handlers_restored())

        told_to_stop = False

        def stop() -> None:
            nonlocal told_to_stop
            told_to_stop = True
            sys.exit(0)  # until the server runs there is nothing to finish

        _on_stop_signals(stop)
        # First, since a port in use is told at once and a model takes seconds to load.
        listener = stack.enter_context(_listen(endpoints))
        # Libraries have their own idea of what is worth a line, above all the compiler of the kernels.
        for name in ("alembic", "asyncio", "numba", "uvicorn"):
            logging.getLogger(name).setLevel(logging.WARNING)
        hosted = build(stack, ending)
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        metrics_port = _start_metrics(hosted.registry, endpoints, stack)
        hosted.start()
        url = Address(endpoints.host, listener.getsockname()[1]).url
        metrics_url = f"{Address(endpoints.metrics_host, metrics_port).url}/metrics"
        server = _Server(
            uvicorn.Config(
                hosted.app,
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
                timeout_graceful_shutdown=round(0.8 * endpoints.drain_seconds),
            ),
            lambda: hosted.announce(url, metrics_url),
            ending,
        )
        # What is there now stays: searched for garbage again and again, it would hold up requests.
        gc.collect()
        gc.freeze()
        # uvicorn raises the signal again when it is done. That changes nothing then, and the exit code is 0.
        _on_stop_signals(server.stop)
        log = logging.getLogger("uvicorn.error")
        stack.callback(log.setLevel, log.level)
        # An exit is lost in what compiled code calls back, as when a kernel is loaded.
        if not told_to_stop:
            server.run(sockets=[listener])


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

    def __init__(self, config: uvicorn.Config, started: Callable[[], None], ending: Ending) -> None:
        super().__init__(config)
        self._ending = ending
        self._report_started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        for listener in sockets or []:
            listener.listen(BACKLOG)
        if self.started:
            self._report_started()

    def stop(self) -> None:
        self._ending.begin()
        self.should_exit = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # uvicorn has handlers of its own while it serves.
        self._ending.begin()
        super().handle_exit(sig, frame)
        if self.force_exit:
            # After a second Ctrl-C it waits for nobody, and logs what is cut short as if it had failed.
            logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)


# --- addresses ---------------------------------------------------------------------------------------


def _listen(endpoints: Endpoints) -> socket.socket:
    """Bind a socket; the server listens on it later."""
    host, port = endpoints.host, endpoints.port
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:  # the second: a name that breaks the rules of host names
        raise _no_address(endpoints, "", error) from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        # Not yet accepting, but from here on nobody else can take the port.
        listener.listen()
    except OSError as error:
        listener.close()
        raise _no_address(endpoints, "", error) from None
    return listener


def _start_metrics(registry: CollectorRegistry, endpoints: Endpoints, stack: ExitStack) -> int:
    """Expose a registry in a thread; return the port."""
    try:
        server, thread = prometheus_client.start_http_server(
            endpoints.metrics_port, endpoints.metrics_host, registry
        )
        server.set_app(metrics_app(registry))
    except (OSError, UnicodeError) as error:
        raise _no_address(endpoints, "metrics_", error) from None
    quieten(server)
    stack.callback(thread.join)
    stack.callback(server.server_close)
    stack.callback(server.shutdown)
    return server.server_port


def _no_address(endpoints: Endpoints, prefix: str, error: OSError | UnicodeError) -> StartupError:
    host, port = getattr(endpoints, f"{prefix}host"), getattr(endpoints, f"{prefix}port")
    if isinstance(error, socket.gaierror | UnicodeError) or error.errno == errno.EADDRNOTAVAIL:
        reason = "no such host" if isinstance(error, UnicodeError) else error.strerror
        advice = f"choose another host, the setting is {endpoints.setting(f'{prefix}host')}"
    else:
        reason = error.strerror or str(error)
        advice = f"free it or choose another, the setting is {endpoints.setting(f'{prefix}port')}"
    return StartupError(f"cannot listen on {host}:{port} ({reason}); {advice}")
