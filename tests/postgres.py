"""A private PostgreSQL server for tests, from the programs on this machine, stopped and started at will."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.programs import free_port

#: Neither the server nor its files outlive a test run: speed before durability.
_SETTINGS = ("fsync=off", "full_page_writes=off", "max_connections=50", "shared_buffers=32MB")
_INITDB = ("--username=tester", "--auth=trust", "--encoding=UTF8", "--no-sync")


class PostgresServer:
    """A server on a port of its own, with its data in a temporary folder.

    Attributes
    ----------
    url : str
        Of its maintenance database; `database` makes more.
    """

    def __init__(self, folder: Path) -> None:
        self._programs = _programs()
        self._data = folder / "data"
        self._log = folder / "log"
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0
        self.url = self._url("postgres")
        # The server refuses to run as root.
        self._as_user: dict[str, Any] = {}
        if os.getuid() == 0:
            self._as_user = {"user": "nobody", "group": "nogroup", "extra_groups": []}
            shutil.chown(folder, "nobody", "nogroup")
        subprocess.run(
            [self._programs / "initdb", "-D", self._data, *_INITDB],
            check=True,
            capture_output=True,
            timeout=120,
            cwd="/",
            **self._as_user,
        )

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = [part for each in (*_SETTINGS, "listen_addresses=127.0.0.1") for part in ("-c", each)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._data, "-p", str(self._port), "-k", "", *settings],
                stdout=log,
                stderr=log,
                cwd="/",
                **self._as_user,
            )
        deadline = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(self.url, connect_timeout=2).close()
            except psycopg.OperationalError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """End it at once, and all connections with it; what was committed stays."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(timeout=60)
            self._process = None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop the server and its connections where they are: sockets stay open, nothing answers."""
        assert self._process is not None
        pid = self._process.pid
        # First the one that makes others.
        os.kill(pid, signal.SIGSTOP)
        pids = [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
        for each in pids[1:]:
            os.kill(each, signal.SIGSTOP)
        try:
            yield
        finally:
            for each in pids:
                os.kill(each, signal.SIGCONT)

    def database(self) -> str:
        """Make an empty database, and return its URL."""
        self._databases += 1
        name = f"test_{self._databases}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self._url(name)

    def _url(self, name: str) -> str:
        return f"postgresql://tester@127.0.0.1:{self._port}/{name}"


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Run a server. Without its programs the test skips, or fails where servers are required."""
    # Not in pytest's own folder, which is closed to the user that the server runs as.
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        server = PostgresServer(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _programs() -> Path:
    """Folder of the server's programs, the newest version: Debian keeps them off the PATH."""
    found = [
        *sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: -float(folder.parent.name)),
        *(Path(initdb).parent for initdb in [shutil.which("initdb")] if initdb),
    ]
    for folder in found:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    reason = "PostgreSQL's server is not installed on this machine"
    if os.environ.get("DRIFTLEAD_REQUIRE_SERVERS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
