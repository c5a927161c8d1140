"""What is older than it must be kept goes, and nothing else."""

from __future__ import annotations

import numpy as np

from driftlead.monitor.records import EpisodeRecord
from tests.storage.rows import predicted

DAY = 86_400.0


def unknown(store, ids: list[str]) -> list[str]:
    """Which ids have no prediction, and get a label of now."""
    return [id for id in ids if store.add_labels([id], np.zeros(1), received_at=1e9).unmatched]


def test_old_predictions_go_with_their_labels(make_store):
    store = make_store(keep_seconds=10 * DAY)
    store.add_predictions(predicted(["old", "older"], made_at=0.0))
    store.add_predictions(predicted(["new"], made_at=DAY))
    store.add_labels(["old", "new"], np.ones(2), received_at=2 * DAY)
    assert store.prune(10 * DAY) == 0
    assert store.prune(10.5 * DAY) == 3
    assert store.prune(10.5 * DAY) == 0
    # The label of "new" still stands, that of "old" is gone with its prediction.
    assert store.add_labels(["new"], np.zeros(1), received_at=11 * DAY).duplicate == 1
    assert unknown(store, ["old", "older"]) == ["old", "older"]


def test_a_label_waits_no_longer_than_it_may(make_store):
    store = make_store(keep_unmatched_seconds=DAY)
    store.add_labels(["never", "came"], np.ones(2), received_at=0.0)
    store.add_labels(["soon"], np.ones(1), received_at=DAY)
    store.add_predictions(predicted(["came"], made_at=DAY))
    assert store.prune(1.5 * DAY) == 1
    assert store.join_waiting().ids == ("came",)
    store.add_predictions(predicted(["never", "soon"], made_at=DAY))
    assert store.join_waiting().ids == ("soon",)


def test_removal_goes_on_until_all_is_gone(store, monkeypatch):
    monkeypatch.setattr("driftlead.storage.store._REMOVED", 7)
    ids = [str(number) for number in range(20)]
    store.add_predictions(predicted(ids, made_at=0.0))
    store.add_labels(ids[:10], np.zeros(10), received_at=0.0)
    store.add_labels([f"lost {id}" for id in ids], np.zeros(20), received_at=0.0)
    assert store.prune(100 * DAY) == 50


def test_a_model_removes_its_own(make_store):
    store, other = make_store(), make_store(model="letters")
    other.add_predictions(predicted(["a"], made_at=0.0))
    other.save_episode(EpisodeRecord("e", 0.0, 0.0, None, {}))
    assert store.prune(1e9) == 0
    assert unknown(other, ["a"]) == []
    assert other.episode("e") is not None


def test_episodes_go_long_after_they_were_resolved(make_store):
    store = make_store(keep_episodes_seconds=DAY)
    store.save_episode(EpisodeRecord("resolved", 0.0, DAY, None, {}))
    store.save_episode(EpisodeRecord("going on", 0.0, None, None, {}))
    store.prune(2 * DAY)
    assert [each.id for each in store.episodes()] == ["resolved", "going on"]
    store.prune(2.1 * DAY)
    assert [each.id for each in store.episodes()] == ["going on"]
