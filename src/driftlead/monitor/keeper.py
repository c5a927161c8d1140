"""The threads that save a monitor's state and tidy its store, every few seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from driftlead.monitor.state_folder import StateFolder

__all__ = ["STATE", "Keeper"]

STATE = "monitor"
"""Kind of the file that holds the state."""


class Keeper:
    """Save a state, and tidy up, until closed; whatever fails is counted and tried again.

    In a thread each: a database that does not answer must not keep the state from being saved, nor the other
    way round.

    Parameters
    ----------
    state : callable
        Returns the state as plain arrays and scalars; called in this thread.
    tidy : callable
        What else is to be done every so often; counts its own failures.
    folder : StateFolder or None
        Where to save; None saves nothing.
    every_seconds : float
        Seconds between two saves.
    on_error : callable
        Called with the name of the place, inside the ``except`` block of each failure.

    Attributes
    ----------
    saved_at : float or None
        When the state was last saved, in seconds since the epoch.
    """

    def __init__(
        self,
        state: Callable[[], Mapping[str, Any]],
        tidy: Callable[[], None],
        folder: StateFolder | None,
        every_seconds: float,
        on_error: Callable[[str], None],
    ) -> None:
        self.saved_at: float | None = None
        self._state = state
        self._tidy = tidy
        self._folder = folder
        self._every = every_seconds
        self._on_error = on_error
        self._stop = threading.Event()
        # A state that was taken earlier must not replace one that was taken later.
        self._saving = threading.Lock()
        self._saver = threading.Thread(target=self._keep_saving, name="driftlead-saver", daemon=True)
        self._tidier = threading.Thread(target=self._keep_tidying, name="driftlead-tidier", daemon=True)
        self._started = False

    def start(self) -> None:
        """Start the threads; the first save comes at once, so that a folder that cannot be written shows."""
        self._started = True
        self._saver.start()
        self._tidier.start()

    def close(self, timeout: float) -> None:
        """Stop the threads and save for the last time."""
        deadline = time.monotonic() + timeout
        self._stop.set()
        self.save(patience=timeout)
        if self._started:
            for thread in (self._saver, self._tidier):
                thread.join(max(0.0, deadline - time.monotonic()))

    def save(self, patience: float = 1.0) -> None:
        """Save now, in the calling thread, unless the disk does not answer another one that saves."""
        if self._folder is None or not self._saving.acquire(timeout=patience):
            return
        try:
            self._folder.save(STATE, self._state())
            self.saved_at = time.time()
        except Exception:
            self._on_error("state")
        finally:
            self._saving.release()

    def _keep_saving(self) -> None:
        self.save()
        while not self._stop.wait(self._every):
            self.save()

    def _keep_tidying(self) -> None:
        while not self._stop.wait(self._every):
            self._tidy()
