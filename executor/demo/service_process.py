"""The deployed model as a child process: started on free ports, never left behind."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from driftlead.service.address import Address

__all__ = ["ServiceError", "ServiceProcess", "choose_port"]

SCRIPT = Path(__file__).resolve().parents[2] / "deployed_model.py"

#: Seconds that a stopping service is given to finish its requests before it is killed.
GRACE_SECONDS = 10.0

#: Run in the child in front of the service: Linux ends it when the demo dies, even of SIGKILL (prctl(2)).
_DIE_WITH_PARENT = f"""
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, {int(signal.SIGTERM)})
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


class ServiceError(RuntimeError):
    """The service did not start, died or answered with an error; the message says which."""


def choose_port(wanted: Address, avoid: tuple[int, ...] = ()) -> Address:
    """Return ``wanted`` if it is free, else the same host with a free port; port 0 asks for any."""
    if wanted.port not in (0, *avoid) and _is_free(wanted):
        return wanted
    while True:
        with socket.socket(_family(wanted.host)) as probe:
            probe.bind((wanted.host, 0))
            port = int(probe.getsockname()[1])
        if port not in avoid:
            return Address(wanted.host, port)


class ServiceProcess:
    """``deployed_model.py`` in a process group of its own: the terminal's Ctrl-C reaches the demo alone.

    A context: leaving it stops the service by its process id, politely, then for good.

    Parameters
    ----------
    arguments : list of str
        Command line of the script, without the interpreter and the script.
    log : path
        Takes the service's output; its folder is made, an older log is overwritten.
    script : path
        What to run; the tests put another one here.
    """

    def __init__(self, arguments: list[str], log: Path, script: Path = SCRIPT) -> None:
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [*_interpreter(), str(script), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Process id of the service."""
        return self._process.pid

    def check(self, patience: float = 0.0) -> None:
        """Raise `ServiceError` with the end of the log if the service ends within ``patience`` seconds."""
        try:
            code = self._process.wait(patience)
        except subprocess.TimeoutExpired:
            return
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        raise ServiceError(f"the service {how}; {self._last_lines()}")

    def wait_until(
        self, ready: Callable[[], bool], given_up: Callable[[], bool], seconds: float = 120.0
    ) -> bool:
        """Wait until ``ready()``; false when ``given_up()`` came first.

        Raises
        ------
        ServiceError
            The service ended, or was not ready in time.
        """
        deadline = time.monotonic() + seconds
        while not given_up():
            self.check()
            if ready():
                return True
            if time.monotonic() > deadline:
                raise ServiceError(f"the service was not ready after {seconds:.0f} s; {self._last_lines()}")
            time.sleep(0.1)
        return False

    def stop(self) -> None:
        """End the service if it still runs, and reap it."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()

    def __enter__(self) -> ServiceProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _last_lines(self, count: int = 8) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-count:]
        if not lines:
            return f"its log {self.log} is empty"
        return "\n  ".join([f"its log {self.log} ends with:", *lines])


def _interpreter() -> list[str]:
    if sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "prctl"):
        return [sys.executable]
    return [sys.executable, "-c", _DIE_WITH_PARENT, str(os.getpid())]


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _is_free(address: Address) -> bool:
    with socket.socket(_family(address.host)) as probe:
        # As servers do: a port that only waits out its last connections counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except OSError:
            return False
    return True
