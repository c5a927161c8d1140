"""Where a monitor's state lives between two processes: files that are whole, of one owner, or set aside."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from driftlead import state
from driftlead.errors import StateError

__all__ = ["StateFolder"]

_log = logging.getLogger(__name__)

_VERSION = 1
_KEPT_ASIDE = 5


class StateFolder:
    """A folder that one monitor owns while it runs.

    Files are replaced in one step, readable by their owner alone, for they hold the latest rows.

    Parameters
    ----------
    path : path
        The folder; it is made.

    Attributes
    ----------
    replica : str or None
        A name for whoever owns the folder, the same in every process; None while it cannot be written.

    A folder that cannot be made or written, on a full disk for instance, keeps nobody from starting: it is
    tried again with every save.

    Raises
    ------
    StateError
        Another running monitor owns the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.replica: str | None = None
        self._owned: IO[str] | None = None
        self._closed = False
        try:
            self._own()
        except OSError as error:
            _log.error("%s cannot hold the monitor's state: %s", path, error.strerror or error)

    def save(self, kind: str, values: Mapping[str, Any]) -> None:
        """Replace the file of one kind.

        Raises
        ------
        StateError
            It cannot be written; the old one is as it was.
        """
        if self._closed:
            raise StateError(f"{self.path} was let go of")
        if self._is_elsewhere():
            self._let_go()
            try:
                self._own()
            except OSError as error:
                raise StateError(f"{self.path} cannot be written: {error.strerror or error}") from None
        # It holds the latest rows as they were served.
        state.save(self.file(kind), kind, _VERSION, values, private=True)

    def load(self, kind: str) -> dict[str, Any] | None:
        """Read the file of one kind; None where there is none, or it was unreadable and is now set aside."""
        path = self.file(kind)
        if not path.exists():
            return None
        if not path.is_file():
            self.set_aside(kind, "it is no file")
            return None
        try:
            version, values = state.load(path, kind)
            if version != _VERSION:
                raise StateError(f"it has version {version}, this driftlead reads {_VERSION}")
        except StateError as error:
            self.set_aside(kind, str(error))
            return None
        return values

    def set_aside(self, kind: str, why: str) -> None:
        """Rename a file that cannot be continued, so that a person can look at it and a new one can begin."""
        path = self.file(kind)
        aside = path.with_name(self._aside(path))
        try:
            path.replace(aside)
        except OSError as error:
            _log.error("%s cannot be continued (%s), nor set aside (%s)", path, why, error.strerror or error)
        else:
            _log.warning("%s is set aside as %s: %s", path, aside.name, why)
            # Every new version of the model leaves one.
            with contextlib.suppress(OSError):
                for old in sorted(self.path.glob(f"{path.name}.*.aside"))[:-_KEPT_ASIDE]:
                    old.unlink(missing_ok=True)

    def copy_aside(self, kind: str, why: str) -> None:
        """Keep a copy of a file of which a part cannot be continued; the next save will replace it."""
        path = self.file(kind)
        with contextlib.suppress(OSError):
            copy = path.with_name(f"{path.name}.copy")
            shutil.copyfile(path, copy)
            copy.chmod(0o600)
            copy.replace(path.with_name(self._aside(path)))
        _log.warning("%s: %s; the file as it was is kept as %s", path, why, self._aside(path))

    def file(self, kind: str) -> Path:
        """Return the path of one kind's file."""
        return self.path / f"{kind}.state"

    @staticmethod
    def _aside(path: Path) -> str:
        return f"{path.name}.{datetime.now(UTC):%Y%m%dT%H%M%SZ}.aside"

    def _own(self) -> None:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = (self.path / "owner.lock").open("a+", encoding="ascii", errors="replace")
        try:
            _lock(file)
        except BlockingIOError:
            file.close()
            raise StateError(
                f"the state folder {self.path} is in use by another monitor: give each replica a folder of"
                " its own"
            ) from None
        try:
            self.replica = _name_in(file)
        except OSError:
            with contextlib.suppress(OSError):
                file.close()
            raise
        self._owned = file

    def close(self) -> None:
        """Let another monitor have the folder."""
        self._closed = True
        self._let_go()

    def _let_go(self) -> None:
        if self._owned is not None:
            with contextlib.suppress(OSError):  # what could not be written on a full disk cannot be now
                self._owned.close()
            self._owned = None

    def _is_elsewhere(self) -> bool:
        """Whether the folder was moved or deleted, and the lock is on a file that nobody else sees."""
        if self._owned is None:
            return True
        try:
            return not os.path.samestat(os.fstat(self._owned.fileno()), (self.path / "owner.lock").stat())
        except OSError:
            return True


def _lock(file: IO[str]) -> None:
    """Lock a file until it is closed, or its process ends however it ends."""
    with contextlib.suppress(ImportError):  # no such locks on Windows
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    if hasattr(os, "fchmod"):
        os.fchmod(file.fileno(), 0o600)


def _name_in(file: IO[str]) -> str:
    """Read the name that the folder was once given, or give it one."""
    file.seek(0)
    found = file.read().strip()
    name = found if re.fullmatch(r"[0-9a-f]{32}", found) else ""
    if not name:
        if found:
            _log.warning("%s holds no name of a replica, and gets a new one", file.name)
        name = uuid.uuid4().hex
        file.truncate(0)
        file.write(name)
        file.flush()
    return name
