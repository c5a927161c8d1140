"""A thread that delivers the messages of a store to their webhooks, again and again until they are taken."""

from __future__ import annotations

import hashlib
import json
import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Mapping

from driftlead.errors import DeliveryError
from driftlead.monitor.records import Notification, Store
from driftlead.webhooks.webhook import Webhook, deliver

__all__ = ["Notifier"]

_log = logging.getLogger(__name__)

_CLAIMED = 10
_FIRST_DELAY, _LONGEST_DELAY = 5.0, 3600.0
_GONE = 410


class Notifier:
    """Delivers what is due, at least once, in a thread of its own between `start` and `close`.

    A message that is not taken is tried again after 5 s, 10 s, 20 s, … up to an hour, each shortened at
    random by up to a half, until it would be older than ``max_age``. Then it is given up, or at once when the
    answer is 410 (gone). Meanwhile all messages of that webhook wait, so that one that hangs takes its
    timeout once per wait and not once per message. They may arrive in another order than they were stored in.

    The thread raises nothing; what fails is counted, and logged when it begins to fail.

    Parameters
    ----------
    store : Store
        Where messages wait. Several notifiers, of several processes, may share one.
    webhooks : mapping of str to Webhook
        By the name that messages have as their target.
    max_age : float
        Seconds after which a message is not tried again.
    poll_seconds : float
        How often to ask the store when nobody calls `wake`.
    """

    def __init__(
        self,
        store: Store,
        webhooks: Mapping[str, Webhook],
        *,
        max_age: float = 3 * 24 * 3600.0,
        poll_seconds: float = 5.0,
    ) -> None:
        self.store = store
        self.webhooks = dict(webhooks)
        self.max_age = max_age
        self.poll_seconds = poll_seconds
        self._counts = {"delivered": 0, "failed": 0, "given_up": 0, "store_errors": 0}
        # Failures in a row, and until when to leave it in peace, of each webhook that fails.
        self._failures: Counter[str] = Counter()
        self._rests_until: dict[str, float] = {}
        self._random = random.Random()
        self._due = threading.Event()
        self._closed = False
        self._thread: threading.Thread | None = None

    @property
    def counts(self) -> dict[str, int]:
        """Messages ``delivered`` and ``given_up``, attempts ``failed``, and ``store_errors``."""
        return dict(self._counts)

    def start(self) -> None:
        """Start the thread."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="driftlead-webhooks", daemon=True)
            self._thread.start()

    def wake(self) -> None:
        """Say that a message was stored; never blocks."""
        self._due.set()

    def close(self, timeout: float = 10.0) -> None:
        """Stop after the attempt under way; what is left waits in the store.

        Parameters
        ----------
        timeout : float
            Longest wait, in seconds.
        """
        self._closed = True
        self._due.set()
        if self._thread is not None:
            self._thread.join(timeout)

    def deliver_due(self, now: float) -> int:
        """Try the messages that are due, a few at most; return how many there were.

        Parameters
        ----------
        now : float
            Seconds since the epoch.

        Raises
        ------
        StorageError
            As the store does.
        """
        lease = 60.0 + _CLAIMED * max((each.timeout for each in self.webhooks.values()), default=0.0)
        claimed = self.store.claim_notifications(now, lease=lease, limit=_CLAIMED)
        for notification in claimed:
            if self._closed:
                break
            self._handle(notification, now)
        return len(claimed)

    def _work(self) -> None:
        while not self._closed:
            try:
                claimed = self.deliver_due(time.time())
            except Exception:
                self._counts["store_errors"] += 1
                if self._counts["store_errors"] == 1:
                    _log.exception("messages to webhooks wait; further failures are only counted")
                claimed = 0
            if not claimed:
                self._due.wait(self.poll_seconds)
                self._due.clear()

    def _handle(self, notification: Notification, now: float) -> None:
        target, gone = notification.target, False
        # A clock that was set back must not make a wait longer than it can be.
        if not now < self._rests_until.get(target, now) <= now + _LONGEST_DELAY:
            error = self._attempt(notification, now)
            if error is None:
                self._counts["delivered"] += 1
                self._failures.pop(target, None)
                self.store.finish_notification(notification.id)
                return
            gone = error.status == _GONE
            self._counts["failed"] += 1
            if not self._failures[target]:
                _log.warning("webhook %r did not take a message: %s", target, error)
            delay = _FIRST_DELAY * 2.0 ** min(20, max(notification.attempts, self._failures[target]))
            self._rests_until[target] = now + min(_LONGEST_DELAY, delay) * self._random.uniform(0.5, 1.0)
            self._failures[target] += 1
        until = self._rests_until[target]
        if gone or until > notification.created_at + self.max_age:
            self._counts["given_up"] += 1
            _log.warning("a message to webhook %r was given up", target)
            self.store.finish_notification(notification.id)
        else:
            self.store.postpone_notification(notification.id, until)

    def _attempt(self, notification: Notification, now: float) -> DeliveryError | None:
        webhook = self.webhooks.get(notification.target)
        if webhook is None:
            return DeliveryError("no webhook of that name is configured here")
        try:
            deliver(webhook, _message_id(notification), notification.body, now)
        except DeliveryError as error:
            return error
        except Exception as error:
            return DeliveryError(type(error).__name__)
        return None


def _message_id(notification: Notification) -> str:
    """Name a message by what it says, not by its number: after a crash it may be stored, and sent, again."""
    content = json.dumps([notification.target, notification.body], sort_keys=True)
    return f"msg_{hashlib.sha256(content.encode()).hexdigest()[:32]}"
