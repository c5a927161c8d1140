"""Labels in any order and at any time: joined once, counted by outcome, measured and watched."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss

from driftlead.errors import InvalidDataError, StorageError
from driftlead.monitor import MemoryStore, Monitor, MonitorSettings, StateFolder
from driftlead.reference import ReferenceProfile
from driftlead.signals import Signal
from driftlead.storage import SqlStore

CLASSES = ("cat", "dog", "eel")
SIGNALS = (Signal("feature:a"), Signal("prediction:confidence"))
SETTINGS = MonitorSettings(
    window=100, false_alarm_every=20_000, quality_window=400, label_deadline_seconds=3_600.0
)


def predictions(rng, rows):
    """Calibrated class probabilities, and true classes."""
    scores = rng.dirichlet([3.0, 0.6, 0.6], size=rows).astype(np.float32)
    scores = rng.permuted(scores, axis=1)
    truth = np.array([rng.choice(3, p=row / row.sum()) for row in scores.astype(float)])
    return scores, truth


def signals(rng, scores):
    return np.column_stack([rng.normal(size=len(scores)), scores.max(axis=1)])


@pytest.fixture
def rng():
    return np.random.default_rng(17)


@pytest.fixture
def profile(rng):
    scores, truth = predictions(rng, 3_000)
    profile = ReferenceProfile.from_rows(SIGNALS, signals(rng, scores), model_hash="1f")
    return profile.with_quality(scores, truth, CLASSES)


class Served:
    """A monitor with a clock of its own, and the truth about what it was asked."""

    def __init__(self, profile, rng, settings=SETTINGS, **more):
        self.now = 1_000_000.0
        self.rng = rng
        self.turn = 0
        self.monitor = Monitor(profile, settings, clock=lambda: self.now, **more)

    def serve(self, rows):
        """Predict rows; return their ids, scores and true classes."""
        scores, truth = predictions(self.rng, rows)
        ids = [f"{self.turn}/{row}" for row in range(rows)]
        self.turn += 1
        self.monitor.process(signals(self.rng, scores), ids=ids, scores=scores)
        return ids, scores, truth

    @property
    def labels(self):
        return self.monitor.snapshot().labels


@pytest.fixture
def served(profile, rng):
    return Served(profile, rng)


def test_labels_in_any_order_and_any_pieces_are_each_joined_once(served, rng):
    ids, scores, truth = served.serve(300)
    order = rng.permutation(300)
    for piece in np.array_split(np.concatenate([order, order[:50]]), 9):
        served.monitor.feedback([ids[place] for place in piece], truth[piece])
    assert served.labels.outcomes == {"matched": 300, "late": 0, "duplicate": 50, "unmatched": 0}
    assert served.labels.rows == 300
    assert served.labels.metrics["accuracy"] == pytest.approx(accuracy_score(truth, scores.argmax(axis=1)))
    (cat, *_) = served.monitor.snapshot().to_json()["labels"]["classes"]
    chosen = scores.argmax(axis=1)
    assert (cat["class"], cat["support"]) == ("cat", (truth == 0).sum())
    assert cat["recall"] == pytest.approx((chosen[truth == 0] == 0).mean())
    assert cat["precision"] == pytest.approx((truth[chosen == 0] == 0).mean())
    exact = scores.astype(float) / scores.astype(float).sum(axis=1, keepdims=True)
    assert served.labels.metrics["log_loss"] == pytest.approx(log_loss(truth, exact), rel=1e-4)


def test_the_first_label_of_a_prediction_stands(served):
    (name, *_), scores, _ = served.serve(1)
    right = int(scores[0].argmax())
    assert served.monitor.feedback([name], [right]).matched == 1
    assert served.monitor.feedback([name, name], [(right + 1) % 3, right]).duplicate == 2
    assert served.labels.metrics["accuracy"] == 1.0


def test_a_label_twice_in_one_call_counts_once(served):
    (name, *_), _, truth = served.serve(1)
    outcome = served.monitor.feedback([name, name], [truth[0], truth[0]])
    assert (outcome.matched, outcome.duplicate) == (1, 1)


def test_late_labels_are_kept_and_not_measured(served):
    ids, _, truth = served.serve(20)
    served.now += 3_601.0
    fresh, _, fresh_truth = served.serve(10)
    outcome = served.monitor.feedback(ids + fresh, np.concatenate([truth, fresh_truth]))
    assert (outcome.matched, outcome.late) == (10, 20)
    assert served.labels.rows == 10
    assert served.labels.lag_seconds == pytest.approx(3_601.0 * 20 / 30)
    assert served.monitor.feedback(ids, truth).duplicate == 20


def test_labels_of_unknown_predictions_wait_for_them(served):
    outcome = served.monitor.feedback(["0/0", "0/1", "none"], [0, 1, 2])
    assert outcome.unmatched == 3
    served.serve(2)
    served.monitor._recorder.flush()
    served.monitor._tidy()
    assert served.labels.outcomes == {"matched": 2, "late": 0, "duplicate": 0, "unmatched": 3}
    assert served.labels.rows == 2
    assert served.monitor.feedback(["0/0"], [0]).duplicate == 1


def test_the_lag_of_labels_is_told(served):
    ids, _, truth = served.serve(10)
    served.now += 120.0
    served.monitor.feedback(ids, truth)
    assert served.labels.lag_seconds == 120.0


def test_classes_go_by_name_or_by_number(served):
    ids, scores, _ = served.serve(3)
    named = [CLASSES[index] for index in scores.argmax(axis=1)]
    served.monitor.feedback(ids[:2], named[:2])
    served.monitor.feedback(ids[2:], [np.int64(scores[2].argmax())])
    assert served.labels.metrics["accuracy"] == 1.0


@pytest.mark.parametrize(
    ("ids", "labels", "message"),
    [
        (["0/0", "x"], [0, 3], r"labels\[1\] must be a class from 0 to 2, got 3"),
        (["0/0"], [1.5], r"labels\[0\] must be a class from 0 to 2, got 1\.5"),
        (["0/0"], [float("nan")], r"labels\[0\] must be a class from 0 to 2, got nan"),
        (["0/0"], ["cow"], r"labels\[0\] must be one of cat, dog, eel, got 'cow'"),
        (["0/0"], [10**400], r"labels\[0\] must be a class from 0 to 2, got 1000"),
        (["0/0"], [None], r"labels\[0\] must be a number or a class name, got None"),
        (["0/0"], np.ma.masked_array([1], [True]), "labels must not be masked"),
        (["0/0"], [0, 1], "labels must be as many as ids, 1, got 2"),
        (["0/0", ""], [0, 1], r"ids\[1\] must be a text of 1 to 300 characters"),
        ("ab", [0, 1], r"ids must be a sequence of texts, got 'ab'"),
        (None, [0], r"ids must be a sequence of texts, got None"),
        ([7], [0], r"ids\[0\] must be a text of 1 to 300 characters, .*, got 7"),
    ],
)
def test_what_can_be_no_label_is_refused_whole(served, ids, labels, message):
    served.serve(1)
    with pytest.raises(InvalidDataError, match=message):
        served.monitor.feedback(ids, labels)
    assert set(served.labels.outcomes.values()) == {0}
    assert served.monitor.feedback(["0/0"], [0]).matched == 1


def test_many_labels_are_kept_piece_by_piece(profile, rng, monkeypatch):
    monkeypatch.setattr("driftlead.monitor.feedback._AT_ONCE", 40)

    class Limping(MemoryStore):
        calls = 0

        def add_labels(self, *arguments):
            self.calls += 1
            if self.calls == 3:
                raise StorageError("it is down")
            return super().add_labels(*arguments)

    served = Served(profile, rng, store=Limping())
    ids, _, truth = served.serve(100)
    with pytest.raises(StorageError, match="it is down") as caught:
        served.monitor.feedback([*ids, ids[0]], [*truth, truth[0]])
    assert caught.value.uncertain
    assert served.labels.outcomes["matched"] == served.labels.rows == 80
    outcome = served.monitor.feedback([*ids, "none", ids[0]], [*truth, 0, truth[0]])
    assert dataclasses.astuple(outcome) == (20, 0, 81, 1)
    assert served.labels.rows == 100


def test_no_labels_are_nothing(served):
    assert dataclasses.astuple(served.monitor.feedback([], [])) == (0, 0, 0, 0)


def test_errors_that_become_more_open_an_episode_and_their_end_resolves_it(profile, rng):
    served = Served(profile, rng, dataclasses.replace(SETTINGS, false_alarm_every=1_000_000.0))
    kinds = []
    served.monitor.on_episode(lambda kind, episode: kinds.append((kind, episode.opened_by)))
    for _ in range(20):
        ids, _, truth = served.serve(50)
        served.monitor.feedback(ids, truth)
    assert not kinds
    for _ in range(12):
        ids, _, truth = served.serve(50)
        served.monitor.feedback(ids, (truth + 1) % 3)  # the concept changed, the inputs did not
    (episode,) = served.monitor.snapshot().open_episodes
    assert episode.opened_by[0].startswith("performance:")
    assert episode.opened_by[1] == "page_hinkley"
    served.monitor.acknowledge(episode.id, "mia")
    assert {alarm.signal for alarm in served.labels.recent_alarms} >= {"performance:error"}
    for _ in range(20):
        ids, _, truth = served.serve(50)
        served.monitor.feedback(ids, truth)
    assert not served.monitor.snapshot().open_episodes
    assert [kind for kind, _ in kinds if kind != "updated"] == ["opened", "acknowledged", "resolved"]


def test_the_estimate_needs_no_labels_and_is_blind_to_a_new_concept_until_they_audit_it(served):
    ids, truth = [], []
    for _ in range(8):
        names, _, classes = served.serve(50)
        ids += names
        truth += classes.tolist()
    before = served.labels.estimate
    accuracy = served.labels.reference_metrics["accuracy"]
    assert before.low < accuracy < before.high
    assert served.labels.metrics["accuracy"] != served.labels.metrics["accuracy"]  # no labels: not a number
    served.monitor.feedback(ids, [(each + 1) % 3 for each in truth])
    after = served.labels
    assert after.estimate == before
    assert after.metrics["accuracy"] < 0.4
    assert after.audit.significant
    assert after.audit.difference < -0.3


def test_quality_goes_on_after_a_restart(profile, rng, tmp_path):
    store = MemoryStore()
    first = Served(profile, rng, store=store, folder=StateFolder(tmp_path))
    ids, _, truth = first.serve(300)
    first.monitor.feedback(ids[:200], truth[:200])
    before = first.labels
    first.monitor.close()
    second = Served(profile, rng, store=store, folder=StateFolder(tmp_path))
    assert second.labels.metrics == before.metrics
    assert (second.labels.rows, second.labels.rows_since_start) == (200, 0)
    assert second.monitor.feedback(ids, truth).matched == 100
    assert second.labels.rows == 300
    second.monitor.close()


def test_replicas_add_their_labels(profile, rng):
    parts = [Served(profile, rng) for _ in range(3)]
    right = rows = 0
    for part in parts:
        ids, scores, truth = part.serve(100)
        part.monitor.feedback(ids, truth)
        right += int((scores.argmax(axis=1) == truth).sum())
        rows += 100
    merged = Monitor.merged(profile, [part.monitor.state() for part in parts], SETTINGS).snapshot().labels
    assert merged.rows == rows
    assert merged.metrics["accuracy"] == pytest.approx(right / rows)


def test_values_of_a_regression(rng):
    profile = ReferenceProfile.from_rows(SIGNALS[:1], rng.normal(size=(1_000, 1)), model_hash="1f")
    profile = profile.with_quality(np.zeros((1_000, 1), np.float32), rng.normal(size=1_000))
    monitor = Monitor(profile, SETTINGS)
    truth = rng.normal(size=300)
    ids = [str(row) for row in range(300)]
    monitor.process(rng.normal(size=(300, 1)), ids=ids, scores=np.zeros((300, 1), np.float32))
    monitor.feedback(ids, truth)
    labels = monitor.snapshot().labels
    assert labels.metrics["mae"] == pytest.approx(np.abs(truth).mean())
    assert labels.metrics["rmse"] == pytest.approx(np.sqrt((truth**2).mean()))
    assert [signal.name for signal in labels.signals] == ["performance:error"]
    with pytest.raises(InvalidDataError, match=r"labels\[0\] must be a finite number, got inf"):
        monitor.feedback(["0"], [np.inf])


def test_a_monitor_without_labelled_reference_joins_and_counts(rng):
    profile = ReferenceProfile.from_rows(SIGNALS[:1], rng.normal(size=(1_000, 1)), model_hash="1f")
    monitor = Monitor(profile, SETTINGS)
    monitor.process(rng.normal(size=(2, 1)), ids=["a", "b"], scores=np.ones((2, 1), np.float32))
    assert monitor.feedback(["a", "b", "c"], [1.0, 2.0, 3.0]).matched == 2
    labels = monitor.snapshot().labels
    assert (labels.metrics, labels.estimate, labels.rows) == ({}, None, 0)


def test_labels_of_an_earlier_version_are_joined_and_not_measured(profile, rng, tmp_path):
    url = f"sqlite:///{tmp_path}/kept.db"
    before = Served(profile, rng, store=SqlStore(url, model="m", version="1"))
    ids, _, truth = before.serve(10)
    before.monitor.close()
    after = Served(profile, rng, store=SqlStore(url, model="m", version="2"))
    after.turn = 1
    own_ids, _, own_truth = after.serve(5)
    outcome = after.monitor.feedback(ids + own_ids, np.concatenate([truth, own_truth]))
    assert outcome.matched == 15
    assert after.labels.rows == 5
    after.monitor.close()


def test_a_prediction_that_is_no_distribution_takes_no_other_with_it(served):
    ids, _, truth = served.serve(20)
    served.monitor.process(
        np.zeros((1, 2)), ids=["odd"], scores=np.array([[0.1, 0.1, 0.1]], dtype=np.float32)
    )
    outcome = served.monitor.feedback([*ids, "odd"], [*truth.tolist(), 0])
    assert outcome.matched == 21
    assert served.labels.rows == 20
    assert served.monitor.snapshot().errors["quality"] == 1
