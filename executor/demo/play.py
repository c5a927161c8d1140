"""Plays a scenario against a running service, row by row at its pace."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from executor.demo.client import ServiceClient
from executor.demo.progress import Progress
from executor.demo.scenario import MAX_SECONDS
from executor.demo.screens import Screen
from executor.demo.traffic import Batch

__all__ = ["Player"]

#: Seconds between two looks at the monitor, which are also the frames of the view.
POLL_SECONDS = 0.25
#: The longest wait for a monitor that is behind.
SETTLE_SECONDS = 10.0


class Player:
    """Sends batches over one connection and looks at the monitor in between.

    Parameters
    ----------
    client : ServiceClient
        Answers.
    progress : Progress
        Takes what comes back.
    screen : Screen
        Shows it.
    stopping : callable
        Asked between any two steps whether to stop.
    """

    def __init__(
        self, client: ServiceClient, progress: Progress, screen: Screen, stopping: Callable[[], bool]
    ) -> None:
        self._client, self._progress, self._screen, self._stopping = client, progress, screen, stopping
        self._next_poll = 0.0
        # Names that no request of an earlier run had.
        self._run = uuid4().hex[:12]
        self._requests = 0
        self._unlabelled: deque[tuple[float, str, NDArray[np.int64]]] = deque()
        self._note = ""

    def play(self, stream: Iterator[Batch]) -> None:
        """Play the scenario to its end, to its time limit or until somebody wants to stop."""
        progress, traffic = self._progress, self._progress.scenario.traffic
        start = time.monotonic()
        while progress.answered < traffic.rows and time.monotonic() - start < MAX_SECONDS:
            self._wait(start + progress.answered / traffic.rows_per_second)
            if self._stopping():
                return
            if progress.answered == traffic.clean_rows:
                # The exact number of rows that the monitor has seen separates false alarms from true ones.
                self._settle()
                progress.mark_change()
            self._send(next(stream))
            progress.seconds = time.monotonic() - start
        self._settle()
        progress.finished = True

    def linger(self, stream: Iterator[Batch], note: str) -> None:
        """Keep sending, gently, until somebody wants to stop."""
        traffic = self._progress.scenario.traffic
        due, self._note = time.monotonic(), note
        self._look()
        while not self._stopping():
            self._send(next(stream))
            due = max(due + traffic.rows_per_request / traffic.rows_per_second_after, time.monotonic())
            self._wait(due)

    def _send(self, batch: Batch) -> None:
        name = f"{self._run}-{self._requests}"
        predicted = self._client.infer(batch.rows, name)
        now = time.monotonic()
        self._requests += 1
        self._unlabelled.append((now, name, batch.labels))
        self._progress.answer(batch, predicted, now)

    def _tell(self) -> None:
        """Send the labels of what was predicted long enough ago."""
        until = time.monotonic() - self._progress.scenario.traffic.label_delay_seconds
        due: dict[str, NDArray[np.int64]] = {}
        while self._unlabelled and self._unlabelled[0][0] <= until:
            _, name, labels = self._unlabelled.popleft()
            # A request of one row is named as its prediction.
            due[name] = labels
        if due:
            self._client.tell(due)

    def _wait(self, due: float) -> None:
        """Sleep until ``due`` and keep the view fresh."""
        while True:
            now = time.monotonic()
            if now >= self._next_poll:
                self._look()
                self._next_poll = time.monotonic() + POLL_SECONDS
            if now >= due or self._stopping():
                return
            time.sleep(max(0.0, min(due, self._next_poll) - now))

    def _look(self) -> None:
        self._tell()
        self._progress.observe(self._client.monitor())
        self._screen.show(self._progress, self._note)

    def _settle(self) -> None:
        """Wait until the monitor has dealt with every answered row."""
        deadline = time.monotonic() + SETTLE_SECONDS
        self._look()
        while not self._progress.is_settled and time.monotonic() < deadline and not self._stopping():
            time.sleep(0.02)
            self._look()
