"""Messages reach their webhooks in the end, or are given up and counted; a bad webhook harms no other."""

from __future__ import annotations

import json
import logging
import threading
import time
from dataclasses import replace

import pytest

from driftlead.errors import StorageError
from driftlead.monitor.records import Notification
from driftlead.webhooks import Notifier, Webhook, new_secret, verify
from tests.webhooks.conftest import Receiver, status

NOW = 1_700_000_000.0


class Messages:
    """The part of a store that notifiers use."""

    def __init__(self):
        self.waiting = {}
        self.due = {}
        self.broken = False
        self.lock = threading.Lock()

    def add(self, target, at=NOW, **body):
        number = len(self.waiting) + 1
        self.waiting[number] = Notification(number, target, {"number": number, **body}, 0, at)
        self.due[number] = at

    def claim_notifications(self, now, *, lease, limit=10):
        with self.lock:
            if self.broken:
                raise StorageError("the database is gone")
            due = [number for number, at in self.due.items() if at <= now][:limit]
            self.due |= dict.fromkeys(due, now + lease)
            return [self.waiting[number] for number in due]

    def finish_notification(self, notification_id):
        with self.lock:
            del self.waiting[notification_id], self.due[notification_id]

    def postpone_notification(self, notification_id, until):
        with self.lock:
            waiting = self.waiting[notification_id]
            self.waiting[notification_id] = replace(waiting, attempts=waiting.attempts + 1)
            self.due[notification_id] = until


@pytest.fixture
def messages():
    return Messages()


def notifier(messages, *receivers, **settings):
    names = ("ops", "chat")
    webhooks = {
        name: Webhook(receiver.url, allow_private=True, timeout=1.0)
        for name, receiver in zip(names, receivers, strict=False)
    }
    return Notifier(messages, webhooks, **settings)


def counts(notifier):
    return {name: count for name, count in notifier.counts.items() if count}


def test_500_then_200_is_delivered_once_with_one_id(messages, receiver):
    receiver.answers = [status(500), status(200)]
    messages.add("ops")
    notifying = notifier(messages, receiver)
    secret = new_secret()
    notifying.webhooks["ops"] = replace(notifying.webhooks["ops"], secret=secret)
    assert notifying.deliver_due(NOW) == 1
    assert counts(notifying) == {"failed": 1}
    assert 2.5 <= messages.due[1] - NOW <= 5.0
    assert notifying.deliver_due(NOW + 1.0) == 0
    assert notifying.deliver_due(NOW + 6.0) == 1
    assert counts(notifying) == {"failed": 1, "delivered": 1}
    assert not messages.waiting
    first, second = receiver.requests
    assert first[1]["webhook-id"] == second[1]["webhook-id"]
    for (_, headers, body), at in ((first, NOW), (second, NOW + 6.0)):
        assert json.loads(body) == {"number": 1}
        verify(body, headers, secret, now=at, tolerance=0.0)


def test_waits_double_up_to_an_hour_until_the_message_is_too_old(messages, receiver, caplog):
    receiver.answers = [status(500)]
    messages.add("ops")
    notifying = notifier(messages, receiver, max_age=24 * 3600.0)
    now, waits = NOW, []
    while messages.waiting:
        assert notifying.deliver_due(now) == 1
        if messages.waiting:
            waits.append(messages.due[1] - now)
            now = messages.due[1]
    assert len(receiver.requests) == len(waits) + 1
    for number, wait in enumerate(waits):
        longest = min(3600.0, 5.0 * 2**number)
        assert longest / 2 <= wait <= longest
    assert len(set(waits)) == len(waits)
    assert NOW + 22 * 3600.0 < now <= NOW + 24 * 3600.0
    assert counts(notifying) == {"failed": len(receiver.requests), "given_up": 1}
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert "webhook 'ops' did not take a message: the answer was 500" in caplog.text


def test_a_success_ends_the_growth_of_waits_and_a_restart_does_not(messages, receiver):
    receiver.answers = [status(500), status(500), status(200), status(500)]
    messages.add("ops")
    notifying = notifier(messages, receiver)
    for later in (0.0, 100.0, 200.0):
        notifying.deliver_due(NOW + later)
    messages.add("ops", at=NOW + 300.0)
    notifying.deliver_due(NOW + 300.0)
    (wait,) = messages.due.values()
    assert 2.5 <= wait - NOW - 300.0 <= 5.0
    for later in (400.0, 500.0, 600.0):
        restarted = notifier(messages, receiver)
        restarted.deliver_due(NOW + later)
    (wait,) = messages.due.values()
    assert 20.0 <= wait - NOW - 600.0 <= 40.0


def test_a_webhook_that_is_gone_gets_no_second_attempt(messages, receiver):
    receiver.answers = [status(410)]
    messages.add("ops")
    notifying = notifier(messages, receiver)
    notifying.deliver_due(NOW)
    assert counts(notifying) == {"failed": 1, "given_up": 1}
    assert not messages.waiting


def test_a_failing_webhook_is_tried_once_per_wait_and_holds_up_no_other(messages, receiver):
    with Receiver().serving() as failing:
        failing.answers = [status(503), status(200)]
        for _ in range(25):
            messages.add("chat")
        messages.add("ops")
        notifying = notifier(messages, receiver, failing)
        while notifying.deliver_due(NOW):
            pass
        assert (len(failing.requests), len(receiver.requests)) == (1, 1)
        assert counts(notifying) == {"failed": 1, "delivered": 1}
        while notifying.deliver_due(NOW + 5.0):
            pass
        assert counts(notifying) == {"failed": 1, "delivered": 26}
        assert len(failing.requests) == 26


def test_a_clock_that_is_set_back_does_not_silence_a_webhook(messages, receiver):
    receiver.answers = [status(500), status(200)]
    notifying = notifier(messages, receiver)
    messages.add("ops")
    notifying.deliver_due(NOW)
    messages.add("ops", at=NOW - 86_400.0)
    notifying.deliver_due(NOW - 86_400.0)
    assert counts(notifying) == {"failed": 1, "delivered": 1}


def test_a_message_to_nobody_waits_for_a_webhook_of_that_name(messages, receiver):
    messages.add("mail")
    notifying = notifier(messages, receiver)
    notifying.deliver_due(NOW)
    assert counts(notifying) == {"failed": 1}
    assert messages.waiting
    notifying.deliver_due(NOW + 10 * 86_400.0)
    assert counts(notifying) == {"failed": 2, "given_up": 1}


def test_a_message_that_cannot_be_written_harms_no_other(messages, receiver):
    messages.add("ops", value=float("nan"))
    messages.add("chat")
    notifying = notifier(messages, receiver, receiver)
    notifying.deliver_due(NOW)
    assert counts(notifying) == {"failed": 1, "delivered": 1}


def wait_until(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.005)


def test_the_thread_delivers_when_woken_and_outlives_its_store(messages, receiver, caplog):
    notifying = notifier(messages, receiver, poll_seconds=0.02)
    messages.broken = True
    notifying.start()
    wait_until(lambda: notifying.counts["store_errors"] > 2)
    messages.broken = False
    notifying.poll_seconds = 60.0
    messages.add("ops", at=0.0)
    notifying.wake()
    wait_until(lambda: not messages.waiting)
    messages.add("ops", at=0.0)
    wait_until(lambda: notifying.wake() or not messages.waiting)
    notifying.close()
    assert notifying.counts["delivered"] == 2
    assert sum("messages to webhooks wait" in record.getMessage() for record in caplog.records) == 1
    assert "driftlead-webhooks" not in {thread.name for thread in threading.enumerate()}


def test_two_notifiers_of_one_store_deliver_each_message_once(messages, receiver):
    for _ in range(40):
        messages.add("ops", at=0.0)
    both = [notifier(messages, receiver, poll_seconds=0.01) for _ in range(2)]
    for each in both:
        each.start()
    wait_until(lambda: not messages.waiting)
    for each in both:
        each.close()
    assert sorted(json.loads(body)["number"] for _, _, body in receiver.requests) == list(range(1, 41))
