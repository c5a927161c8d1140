"""Messages reach their webhooks in the end, or are given up and counted; a bad webhook harms no other."""

from __future__ import annotations

import json
import logging
import threading
import time
from contextlib import closing
from dataclasses import replace

import pytest

from driftlead.monitor import DriftedSignal, Episode, EpisodeEvent
from driftlead.monitor.records import EpisodeRecord
from driftlead.storage import SqlStore
from driftlead.webhooks import Notifier, Webhook, new_secret, verify
from tests.webhooks.conftest import Receiver, status


class Messages(SqlStore):
    """Messages in a real database, and until when they were postponed."""

    def __init__(self, folder):
        super().__init__(f"sqlite:///{folder}/driftlead.db", model="digits", version="1")
        self.postponed = []

    def add(self, *targets, **body):
        episode = EpisodeRecord("01", 0.0, None, None, {})
        self.save_episode(episode, [(target, {"number": n, **body}) for n, target in enumerate(targets)])
        return time.time()

    def postpone_notification(self, notification_id, until):
        self.postponed.append(until)
        super().postpone_notification(notification_id, until)

    def left(self):
        return self.claim_notifications(1e12, lease=0.0, limit=1_000)


@pytest.fixture
def messages(tmp_path):
    with closing(Messages(tmp_path)) as messages:
        yield messages


def notifier(messages, *receivers, **settings):
    names = ("ops", "chat")
    webhooks = {
        name: Webhook(receiver.url, allow_private=True, timeout=1.0)
        for name, receiver in zip(names, receivers, strict=False)
    }
    return Notifier(messages, webhooks, **settings)


def counts(notifier):
    return {name: count for name, count in notifier.counts.items() if count}


def test_an_episode_reaches_its_webhook_and_stays_in_the_store(messages, receiver):
    signal = DriftedSignal(
        *("feature:größe", 21.5, 3, 9, 9, {"nmddm": None}, ("0", "missing"), (0.75, 0.25), (7, 0)),
        *(0.5, None, 0.25, 0.0),
    )
    episode = Episode("01", 5.0, 9, ("feature:größe", "nmddm"), 500, 3, 4.0, 9, 5.0, 1, (signal,), 1)
    message = EpisodeEvent("opened", 5.0, episode).to_message(model="digits")
    messages.save_episode(episode.to_record(), [("ops", message)])
    notifier(messages, receiver).deliver_due(time.time())
    assert Episode.from_record(messages.episode("01")) == episode
    ((_, _, body),) = receiver.requests
    assert json.loads(body) == message


def test_500_then_200_is_delivered_once_with_one_id(messages, receiver):
    receiver.answers = [status(500), status(200)]
    now = messages.add("ops")
    notifying = notifier(messages, receiver)
    secret = new_secret()
    notifying.webhooks["ops"] = replace(notifying.webhooks["ops"], secret=secret)
    assert notifying.deliver_due(now) == 1
    assert counts(notifying) == {"failed": 1}
    assert 2.5 <= messages.postponed[0] - now <= 5.0
    assert notifying.deliver_due(now + 1.0) == 0
    assert notifying.deliver_due(now + 6.0) == 1
    assert counts(notifying) == {"failed": 1, "delivered": 1}
    assert not messages.left()
    first, second = receiver.requests
    assert first[1]["webhook-id"] == second[1]["webhook-id"]
    for (_, headers, body), at in ((first, now), (second, now + 6.0)):
        assert json.loads(body) == {"number": 0}
        verify(body, headers, secret, now=at, tolerance=1.0)


def test_a_message_that_is_stored_twice_has_one_id_and_another_a_different_one(messages, receiver):
    messages.add("ops", "ops")
    now = messages.add("ops")
    notifier(messages, receiver).deliver_due(now)
    ids = {}
    for _, headers, body in receiver.requests:
        ids.setdefault(json.loads(body)["number"], []).append(headers["webhook-id"])
    assert len(ids[0]) == 2
    assert len({*ids[0]}) == 1
    assert len({*ids[0], *ids[1]}) == 2


def test_waits_double_up_to_an_hour_until_the_message_is_too_old(messages, receiver, caplog):
    receiver.answers = [status(500)]
    added = now = messages.add("ops")
    notifying = notifier(messages, receiver, max_age=24 * 3600.0)
    waits = []
    while not notifying.counts["given_up"]:
        assert notifying.deliver_due(now) == 1
        if not notifying.counts["given_up"]:
            waits.append(messages.postponed[-1] - now)
            now = messages.postponed[-1]
    assert not messages.left()
    assert len(receiver.requests) == len(waits) + 1
    for number, wait in enumerate(waits):
        longest = min(3600.0, 5.0 * 2**number)
        assert longest / 2 <= wait <= longest
    assert len(set(waits)) == len(waits)
    assert added + 22 * 3600.0 < now <= added + 24 * 3600.0
    assert counts(notifying) == {"failed": len(receiver.requests), "given_up": 1}
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert "webhook 'ops' did not take a message: the answer was 500" in caplog.text


def test_a_success_ends_the_growth_of_waits_and_a_restart_does_not(messages, receiver):
    receiver.answers = [status(500), status(500), status(200), status(500)]
    now = messages.add("ops")
    notifying = notifier(messages, receiver)
    for later in (0.0, 100.0, 200.0):
        notifying.deliver_due(now + later)
    messages.add("ops")
    notifying.deliver_due(now + 300.0)
    assert 2.5 <= messages.postponed[-1] - now - 300.0 <= 5.0
    for later in (400.0, 500.0, 600.0):
        restarted = notifier(messages, receiver)
        restarted.deliver_due(now + later)
    assert 20.0 <= messages.postponed[-1] - now - 600.0 <= 40.0


def test_a_webhook_that_is_gone_gets_no_second_attempt(messages, receiver):
    receiver.answers = [status(410)]
    now = messages.add("ops")
    notifying = notifier(messages, receiver)
    notifying.deliver_due(now)
    assert counts(notifying) == {"failed": 1, "given_up": 1}
    assert not messages.left()


def test_a_failing_webhook_is_tried_once_per_wait_and_holds_up_no_other(messages, receiver):
    with Receiver().serving() as failing:
        failing.answers = [status(503), status(200)]
        now = messages.add(*["chat"] * 25, "ops")
        notifying = notifier(messages, receiver, failing)
        while notifying.deliver_due(now):
            pass
        assert (len(failing.requests), len(receiver.requests)) == (1, 1)
        assert counts(notifying) == {"failed": 1, "delivered": 1}
        while notifying.deliver_due(now + 5.0):
            pass
        assert counts(notifying) == {"failed": 1, "delivered": 26}
        assert len(failing.requests) == 26


def test_a_clock_that_is_set_back_does_not_silence_a_webhook(messages, receiver):
    receiver.answers = [status(500), status(200)]
    notifying = notifier(messages, receiver)
    now = messages.add("ops")
    notifying.deliver_due(now + 86_400.0)
    messages.add("ops")
    notifying.deliver_due(now + 60.0)
    assert counts(notifying) == {"failed": 1, "delivered": 1}


def test_a_message_to_nobody_waits_for_a_webhook_of_that_name(messages, receiver):
    now = messages.add("mail")
    notifying = notifier(messages, receiver)
    notifying.deliver_due(now)
    assert counts(notifying) == {"failed": 1}
    notifying.deliver_due(now + 10 * 86_400.0)
    assert counts(notifying) == {"failed": 2, "given_up": 1}


def test_what_goes_wrong_unexpectedly_is_a_failure_that_tells_no_secret(
    messages, receiver, caplog, monkeypatch
):
    def broken(*arguments):
        raise ValueError("https://hooks.example.com/t0ken")

    notifying = notifier(messages, receiver, receiver)
    monkeypatch.setattr("driftlead.webhooks.notifier.deliver", broken)
    notifying.deliver_due(messages.add("ops"))
    assert counts(notifying) == {"failed": 1}
    assert "ValueError" in caplog.text
    assert "t0ken" not in caplog.text


def wait_until(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.005)


def test_the_thread_outlives_its_store_and_delivers_when_woken(tmp_path, receiver, caplog):
    folder = tmp_path / "folder"
    folder.write_text("a file where the database's folder shall be")
    with closing(Messages(folder)) as messages:
        notifying = notifier(messages, receiver, poll_seconds=0.02)
        notifying.start()
        wait_until(lambda: notifying.counts["store_errors"] > 1)
        folder.unlink()
        folder.mkdir()
        messages.add("ops")
        wait_until(lambda: notifying.counts["delivered"] == 1)
        notifying.close()
    assert sum("messages to webhooks wait" in record.getMessage() for record in caplog.records) == 1
    assert "driftlead-webhooks" not in {thread.name for thread in threading.enumerate()}


def test_a_stored_message_need_not_wait_for_the_next_look(messages, receiver):
    notifying = notifier(messages, receiver, poll_seconds=3_600.0)
    notifying.start()
    messages.add("ops")
    notifying.wake()
    wait_until(lambda: notifying.counts["delivered"] == 1)
    messages.add("ops")
    notifying.wake()
    wait_until(lambda: notifying.counts["delivered"] == 2)
    notifying.close()


def test_two_notifiers_of_one_store_deliver_each_message_once(messages, receiver):
    messages.add(*["ops"] * 40)
    both = [notifier(messages, receiver, poll_seconds=0.01) for _ in range(2)]
    for each in both:
        each.start()
    wait_until(lambda: sum(each.counts["delivered"] for each in both) == 40)
    for each in both:
        each.close()
    assert sorted(json.loads(body)["number"] for _, _, body in receiver.requests) == list(range(40))
