"""Episodes are kept, and messages about them go out once."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import pytest

from driftlead.errors import InvalidDataError
from driftlead.monitor.records import EpisodeRecord


def opened(id: str, at: float, **changes: object) -> EpisodeRecord:
    return EpisodeRecord(
        id, at, **{"resolved_at": None, "acknowledged_at": None, "document": {"at": at}, **changes}
    )


def test_an_episode_comes_back_as_it_was_saved(store):
    document = {"signals": [{"name": "feature:ä\0\ud800", "values": [1.5, 1e-300, None]}], "open": True}
    episode = opened("e1", 1000.1, document=document)
    store.save_episode(episode)
    assert store.episode("e1") == episode
    assert store.episode("e2") is None


def test_episodes_are_listed_newest_first(store):
    for number in range(5):
        store.save_episode(opened(f"e{number}", float(number), resolved_at=9.0 if number % 2 else None))
    assert [each.id for each in store.episodes()] == ["e4", "e3", "e2", "e1", "e0"]
    assert [each.id for each in store.episodes(2, unresolved=True)] == ["e4", "e2"]


def test_an_episode_changes_but_what_happened_stays(make_store):
    one, other = make_store(), make_store()
    episode = opened("e", 1.0)
    one.save_episode(episode)
    other.save_episode(dataclasses.replace(episode, acknowledged_at=5.0))
    one.save_episode(dataclasses.replace(episode, resolved_at=7.0, document={"more": 1}))
    assert one.episode("e") == opened("e", 1.0, resolved_at=7.0, acknowledged_at=5.0, document={"more": 1})
    other.save_episode(dataclasses.replace(episode, acknowledged_at=8.0, resolved_at=9.0))
    assert (one.episode("e").acknowledged_at, one.episode("e").resolved_at) == (5.0, 7.0)


def test_models_keep_their_episodes_apart(make_store):
    one, other = make_store(), make_store(model="letters")
    one.save_episode(opened("e", 1.0), [("hook", {})])
    assert other.episode("e") is None
    assert other.episodes() == []
    assert other.claim_notifications(1e12, lease=1.0) == []


def test_what_is_no_json_is_refused_and_nothing_kept(store):
    for bad in ({"x": np.nan}, {"x": object()}):
        with pytest.raises(InvalidDataError, match="document is not ready for JSON"):
            store.save_episode(opened("e", 1.0, document=bad))
        with pytest.raises(InvalidDataError, match="body is not ready for JSON"):
            store.save_episode(opened("e", 1.0), [("hook", bad)])
    assert store.episodes() == []


def test_a_message_is_leased_postponed_and_forgotten(store):
    store.save_episode(opened("e", 1.0), [("hook", {"n": 1}), ("mail", {"n": 2})])
    now = 1e12
    first = store.claim_notifications(now, lease=30.0, limit=1)
    assert [(each.target, each.body, each.attempts) for each in first] == [("hook", {"n": 1}, 0)]
    (second,) = store.claim_notifications(now, lease=30.0)
    assert second.target == "mail"
    assert store.claim_notifications(now + 29.0, lease=30.0) == []

    store.finish_notification(second.id)
    store.postpone_notification(first[0].id, now + 100.0)
    assert store.claim_notifications(now + 99.0, lease=30.0) == []
    (retried,) = store.claim_notifications(now + 100.0, lease=30.0)
    assert (retried.id, retried.attempts) == (first[0].id, 1)
    # A lease that ran out makes it due again.
    assert [each.id for each in store.claim_notifications(now + 130.0, lease=30.0)] == [retried.id]


def test_a_message_is_due_when_it_is_saved_and_numbers_are_never_used_again(store):
    store.save_episode(opened("e", 1.0), [("hook", {})])
    (old,) = store.claim_notifications(time.time(), lease=1.0)
    assert abs(old.created_at - time.time()) < 60
    store.finish_notification(old.id)
    store.save_episode(opened("e", 1.0), [("hook", {})])
    store.finish_notification(old.id)
    assert len(store.claim_notifications(time.time(), lease=1.0)) == 1
