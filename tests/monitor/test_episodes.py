"""Alarms become episodes: when they open and end, what they say, and that they outlive a restart."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from driftlead import state
from driftlead.errors import InvalidDataError, InvalidParameterError, StateError
from driftlead.monitor import Activity, BinCounter, Episode, EpisodeEvent, EpisodeTracker, SignalBins
from driftlead.monitor.callbacks import Callbacks
from driftlead.monitor.episode import new_episode_id
from driftlead.monitor.watch import build_watches, excursions
from driftlead.ranks import SortedReference
from driftlead.reference import ReferenceProfile
from driftlead.signals import Signal
from tests.monitor.conftest import draw

QUIET_ROWS = 20
PAIRS = [(signal, detector) for signal in range(3) for detector in ("page_hinkley", "nmddm")]


class Rows:
    """What a monitor keeps of the rows that it was fed: bins and values of all of them."""

    def __init__(self, profile, window):
        self.window = window
        self.reference = SortedReference(profile.samples)
        self.signal_bins = [
            SignalBins.from_sample(signal, sample, int(missing))
            for signal, sample, missing in zip(profile.signals, profile.samples, profile.missing, strict=True)
        ]
        self.counter = BinCounter(self.signal_bins)
        self.values = np.empty((0, profile.n_signals))

    def add(self, batch):
        slots = self.reference.locate(batch)
        self.counter.add(slots)
        self.values = np.concatenate([self.values, batch])
        return slots

    def bins(self, signal):
        slots = self.reference.locate(self.values)[:, signal]
        own = self.signal_bins[signal]
        return np.where(slots < 0, len(own.labels) - 1, own.of_slot[slots])

    def counts(self):
        return self.counter.counts

    def means(self, signals):
        return np.nanmean(self.values[-self.window :, signals], axis=0)


class Watched:
    """Real detectors on rows, and a tracker of what they say."""

    def __init__(self, profile, settings):
        self.rows = Rows(profile, settings.window)
        self.watches = build_watches(profile, settings)
        self.tracker = EpisodeTracker(profile, self.rows.signal_bins, settings.window)
        self.fed = 0

    def detect(self, batch):
        slots = self.rows.add(batch)
        activity = []
        for watch in self.watches:
            trace = watch.detector.update_located(np.ascontiguousarray(slots[:, watch.columns]))
            if trace.alarm.any():
                rows, columns, opens = excursions(
                    trace.alarm, self.fed + 1, watch.last_alarm_row, watch.window
                )
                np.maximum.at(watch.last_alarm_row, columns, rows)
                ratio = trace.statistic[rows - self.fed - 1, columns] / watch.detector.threshold[columns]
                activity.append(Activity.from_alarms(watch.name, watch.columns[columns], rows, opens, ratio))
        self.fed += len(batch)
        return activity

    def feed(self, batch, now=0.0):
        return self.tracker.advance(self.fed + len(batch), now, self.detect(batch), self.rows)


class Alike:
    """Rows of signals with two values, all of the first: where only the alarms matter."""

    def __init__(self, n_signals=3):
        signals = [Signal(f"feature:{number}") for number in range(n_signals)]
        rows = np.repeat([[0.0], [1.0]], [500, 500], axis=0).repeat(n_signals, axis=1)
        self.profile = ReferenceProfile.from_rows(signals, rows, model_hash="1f")
        self.signal_bins = [
            SignalBins.from_sample(signal, sample, 0)
            for signal, sample in zip(signals, self.profile.samples, strict=True)
        ]

    def tracker(self, quiet_rows=QUIET_ROWS):
        return EpisodeTracker(self.profile, self.signal_bins, quiet_rows)

    def restored(self, saved, quiet_rows=QUIET_ROWS):
        return EpisodeTracker.from_state(saved, self.profile, self.signal_bins, quiet_rows)

    def bins(self, signal):
        return np.ones(100, dtype=np.int64)

    def counts(self):
        return np.full(6 * self.profile.n_signals, 1_000)

    def means(self, signals):
        return np.zeros(len(signals))


def alarm(row, *signals, detector="nmddm", opens=True, last=None, peak=1.5):
    signals = np.array(signals or (0,))
    same = np.ones(len(signals), dtype=np.int64)
    return Activity(detector, signals, same * row, same * (last or row), same * peak, same * opens)


def stored(values):
    return state.from_bytes(state.to_bytes("episodes", 1, values), "episodes")[1]


def kinds(events):
    return [event.kind for event in events]


def test_drift_of_one_signal_from_its_first_alarm_to_quiet(profile, settings, rng):
    watched = Watched(profile, settings)
    assert watched.feed(draw(rng, 2_900)) == []
    rows = np.concatenate([draw(rng, 100), draw(rng, 300, shift=1.5), draw(rng, 2_000)])
    events = [event for row in rows for event in watched.feed(row[None], now=watched.fed + 1.0)]
    assert kinds(events) == ["opened", "resolved"]
    opened, resolved = (event.episode for event in events)
    assert opened.status == "open"
    assert opened.opened_by[0] == "feature:a"
    assert 3_000 < opened.opened_row <= 3_100
    assert abs(opened.change_row - 3_001) <= 5
    assert opened.changed_at == opened.change_row
    assert resolved.id == opened.id
    assert resolved.resolution == "quiet"
    assert resolved.resolved_row == resolved.last_alarm_row + settings.window
    assert [signal.signal for signal in resolved.signals] == ["feature:a"]
    # Of the rows after the last alarm, which are as before, only those up to the next refresh are counted.
    drifted = resolved.last_alarm_row - resolved.change_row + 1
    assert drifted <= sum(resolved.signals[0].counts_after) <= drifted + settings.window // 16
    assert resolved.signals[0].first_alarm_row == opened.opened_row
    assert set(resolved.signals[0].peaks) == {"page_hinkley", "incremental_ks", "nmddm"}
    assert all(peak > 1 for peak in resolved.signals[0].peaks.values())
    assert watched.tracker.open_id is None
    assert watched.tracker.current() is None


def test_distributions_before_and_after_the_change(profile, settings, rng):
    watched = Watched(profile, settings)
    watched.feed(draw(rng, 1_000))
    drifting = draw(rng, 400, shift=1.5)
    drifting[::4, 1] = np.nan
    drifting[:, 2] = 0
    for start in range(0, 400, 10):
        watched.feed(drifting[start : start + 10])
    signals = {signal.signal: signal for signal in watched.tracker.current().signals}
    shifted = signals["feature:a"]
    latest = shifted.last_alarm_row + settings.window // 16 + 10  # a refresh and a batch later at most
    rows = watched.rows.bins(0)
    counts = {
        end: np.bincount(rows[shifted.change_row - 1 : end], minlength=len(shifted.labels)).tolist()
        for end in range(shifted.last_alarm_row - 10 - settings.window // 16, latest + 1)
    }
    assert list(shifted.counts_after) in counts.values()
    assert shifted.labels == watched.rows.signal_bins[0].labels
    assert shifted.reference_ratio == tuple(watched.rows.signal_bins[0].reference_ratio)
    assert shifted.mean_before == pytest.approx(profile.means[0])
    assert shifted.mean_after == pytest.approx(1.5, abs=0.4)
    assert signals["prediction:class"].mean_after is None
    assert signals["prediction:class"].counts_after[0] == sum(signals["prediction:class"].counts_after)


def test_missing_values_have_a_share_before_and_after(profile, settings, rng):
    watched = Watched(profile, settings)
    watched.feed(draw(rng, 1_000))
    drifting = draw(rng, 400, shift=1.5)
    drifting[::2, 0] = np.nan
    for row in drifting:
        watched.feed(row[None])
    (signal,) = watched.tracker.current().signals
    assert signal.missing_before < 0.001
    assert signal.missing_after == pytest.approx(0.5, abs=0.02)


def test_the_change_that_explains_most_comes_first_and_the_list_is_bounded():
    rows = Alike(n_signals=60)
    changed = {3: 30, 41: 80, 7: 50}  # signal: latest rows, all in one bin
    rows.bins = lambda signal: np.r_[
        np.arange(100 - changed.get(signal, 1)) % 2 * 2 + 1, [3] * changed.get(signal, 1)
    ]
    (opened,) = rows.tracker().advance(100, 0.0, [alarm(100, *range(60))], rows)
    episode = opened.episode
    assert [signal.signal for signal in episode.signals[:3]] == ["feature:41", "feature:7", "feature:3"]
    contributions = [signal.contribution for signal in episode.signals]
    assert contributions == sorted(contributions, reverse=True)
    assert (len(episode.signals), episode.n_signals) == (50, 60)
    assert episode.change_row == episode.signals[0].change_row == 20


def test_a_change_lies_no_later_than_the_first_alarm_in_a_long_batch():
    rows = Alike()
    rows.bins = lambda signal: np.repeat([1, 3, 1], [50, 20, 130])
    (opened,) = rows.tracker().advance(200, 0.0, [alarm(70, last=190)], rows)
    assert opened.episode.change_row == 51
    assert opened.episode.signals[0].counts_after == (0, 130, 0, 20, 0, 0)
    # Beyond the reach of the kept rows: the change is placed at the first of them.
    (opened,) = rows.tracker().advance(1_000, 0.0, [alarm(70, last=990)], rows)
    assert opened.episode.change_row == 801


def test_a_change_lies_at_a_row_even_where_kept_rows_reach_back_further_than_counted_ones():
    rows = Alike()
    for row in range(1, 110):
        (opened,) = rows.tracker().advance(row, 0.0, [alarm(row)], rows)
        assert 1 <= opened.episode.change_row <= row
        assert opened.episode.n_signals == 1


def test_joining_signals_update_an_episode_and_lasting_ones_do_not():
    rows, events = Alike(), []
    tracker = rows.tracker(quiet_rows=160)
    events += tracker.advance(1, 0.0, [alarm(1, 0)], rows)
    for row in range(2, 30):
        events += tracker.advance(row, 0.0, [alarm(row, 0, opens=False)], rows)
    assert kinds(events) == ["opened"]
    for row in range(30, 60):
        events += tracker.advance(row, 0.0, [alarm(row, 0, 1, opens=False)], rows)
    assert kinds(events) == ["opened", "updated"]
    assert events[-1].episode.n_signals == 2
    assert tracker.current().alarms == 1
    assert tracker.current().last_alarm_row == 59


def test_only_an_excursion_that_begins_opens_an_episode():
    rows = Alike()
    tracker = rows.tracker()
    tracker.advance(1, 0.0, [alarm(1)], rows)
    closed = tracker.resolve(1.0, "closed", by="ada", note="known")
    assert (closed.kind, closed.episode.resolution) == ("resolved", "closed")
    assert (closed.episode.resolved_by, closed.episode.note) == ("ada", "known")
    assert tracker.advance(2, 2.0, [alarm(2, opens=False)], rows) == []
    assert tracker.resolve(2.0, "closed") is None
    assert tracker.acknowledge(2.0, "ada") is None
    (again,) = tracker.advance(3, 3.0, [alarm(3, 0, opens=False), alarm(3, 1, detector="ks")], rows)
    assert again.kind == "opened"
    assert again.episode.id != closed.episode.id
    assert again.episode.opened_by == ("feature:1", "ks")
    assert again.episode.n_signals == 2


def naive_episodes(alarm_rows):
    """Group the sorted rows of any alarm: a gap of the quiet rows begins another episode."""
    groups = []
    for row in alarm_rows:
        if not groups or row - groups[-1][-1] >= QUIET_ROWS:
            groups.append([])
        groups[-1].append(row)
    return [(group[0], group[-1]) for group in groups]


@hypothesis_settings(max_examples=60, deadline=None)
@given(
    alarms=st.sets(st.tuples(st.integers(1, 200), st.sampled_from(PAIRS)), max_size=25),
    batch=st.integers(1, QUIET_ROWS),
    cut=st.integers(0, 200),
)
def test_episodes_are_runs_of_alarms_whatever_the_batches_and_restarts(alarms, batch, cut):
    rows = Alike()
    tracker = rows.tracker()
    by_row = {}
    last = {}
    for row, pair in sorted(alarms):
        by_row.setdefault(row, []).append((pair, row - last.get(pair, -QUIET_ROWS) >= QUIET_ROWS))
        last[pair] = row
    episodes = {}
    for end in range(batch, 240 + batch, batch):
        activity = [
            alarm(row, signal, detector=detector, opens=opens)
            for row in range(end - batch + 1, end + 1)
            for (signal, detector), opens in by_row.get(row, [])
        ]
        for event in tracker.advance(end, float(end), activity, rows):
            episodes[event.episode.id] = event.episode
        if end - batch <= cut < end:
            tracker = rows.restored(stored(tracker.state()))
    found = [(episode.opened_row, episode.last_alarm_row) for episode in episodes.values()]
    assert found == naive_episodes(sorted(by_row))
    assert all(episode.resolution == "quiet" for episode in episodes.values())


def test_an_open_episode_goes_on_after_a_restart_as_if_nothing_had_happened(profile, settings, rng):
    watched = Watched(profile, settings)
    for number, batch in enumerate(np.split(np.concatenate([draw(rng, 500), draw(rng, 150, shift=1.5)]), 65)):
        watched.feed(batch, now=float(number))
    before = watched.tracker.acknowledge(99.0, "ada", "on it").episode
    restored = EpisodeTracker.from_state(
        stored(watched.tracker.state()), profile, watched.rows.signal_bins, settings.window
    )
    assert restored.current() == before
    assert before.status == "acknowledged"
    events = []
    drifting = draw(rng, 60, shift=1.5)
    drifting[:, 2] = 0
    for batch in np.split(np.concatenate([drifting, draw(rng, 900)]), 96):
        activity = watched.detect(batch)
        expected = watched.tracker.advance(watched.fed, 1.0, activity, watched.rows)
        assert restored.advance(watched.fed, 1.0, activity, watched.rows) == expected
        events += expected
    assert kinds(events) == ["updated", "resolved"]
    assert events[-1].episode.acknowledged_by == "ada"


def test_a_signal_that_joined_before_a_restart_is_told_of_after_it():
    rows = Alike()
    tracker = rows.tracker(quiet_rows=160)
    tracker.advance(1, 0.0, [alarm(1, 0)], rows)
    tracker.advance(2, 0.0, [alarm(2, 1)], rows)
    restored = rows.restored(stored(tracker.state()), quiet_rows=160)
    for row in range(3, 200):
        events = tracker.advance(row, 0.0, (), rows)
        assert restored.advance(row, 0.0, (), rows) == events
        assert kinds(events) == {11: ["updated"], 162: ["resolved"]}.get(row, [])


def test_the_time_of_a_change_before_a_restart_is_known_after_it():
    rows = Alike()
    rows.bins = lambda signal: np.repeat([0, 1, 0], [5, 45, 50])  # the change is 50 rows back
    tracker = rows.tracker()
    for row in range(1, 99):
        tracker.advance(row, row * 10.0, (), rows)
    restored = rows.restored(stored(tracker.state()))
    (opened,) = restored.advance(100, 5_000.0, [alarm(100)], rows)
    assert (opened.episode.change_row, opened.episode.changed_at) == (51, 510.0)


def test_a_restart_may_change_the_quiet_rows():
    rows = Alike()
    tracker = rows.tracker()
    tracker.advance(1, 0.0, [alarm(1)], rows)
    restored = rows.restored(stored(tracker.state()), quiet_rows=5)
    assert restored.current().quiet_rows == 5
    assert kinds(restored.advance(6, 1.0, (), rows)) == ["resolved"]


def test_a_state_that_does_not_fit_is_refused():
    rows = Alike()
    tracker = rows.tracker()
    tracker.advance(1, 0.0, [alarm(1)], rows)
    saved = stored(tracker.state())
    with pytest.raises(StateError, match="version 2"):
        rows.restored({**saved, "version": 2})
    with pytest.raises(StateError, match="unreadable"):
        rows.restored({name: value for name, value in saved.items() if name != "drifted"})
    with pytest.raises(StateError, match="unreadable"):
        rows.restored({**saved, "episode": {"id": "01"}})
    with pytest.raises(StateError, match=r"first_alarm_row .* expected int64 \(4,\)"):
        Alike(4).restored(saved)


def test_a_clock_that_is_set_back_breaks_nothing():
    rows = Alike()
    tracker = rows.tracker()
    (opened,) = tracker.advance(1, 1_000.0, [alarm(1)], rows)
    (resolved,) = tracker.advance(QUIET_ROWS + 1, 10.0, (), rows)
    assert (resolved.episode.opened_at, resolved.episode.resolved_at) == (1_000.0, 10.0)
    assert resolved.episode.status == "resolved"
    assert opened.to_message()["timestamp"] == "1970-01-01T00:16:40Z"


@pytest.fixture
def episode():
    rows = Alike()
    return rows.tracker().advance(1, 5.0, [alarm(1, 0, 2, peak=np.inf)], rows)[0].episode


def test_an_episode_survives_json(episode):
    resolved = episode.acknowledge(6.0, "ada").resolve(7.0, 30, "rebaselined", "bob", "new season")
    for each in (episode, resolved):
        record = each.to_record()
        assert (record.id, record.opened_at) == (each.id, 5.0)
        assert (record.acknowledged_at, record.resolved_at) == (each.acknowledged_at, each.resolved_at)
        assert record.document["status"] == each.status
        document = json.loads(json.dumps(record.document, allow_nan=False))
        assert document == record.document
        assert Episode.from_document({**document, "added_later": 1}) == each
        assert Episode.from_record(record) == each
    assert episode.signals[0].peaks == {"nmddm": None}
    with pytest.raises(InvalidDataError, match="not the document of an episode"):
        Episode.from_document({"id": "01"})


def test_times_that_a_store_kept_count_more_than_an_older_document(episode):
    stale = replace(episode.to_record(), acknowledged_at=6.0)
    assert Episode.from_record(stale) == replace(episode, acknowledged_at=6.0)
    ended = Episode.from_record(replace(stale, resolved_at=7.0))
    assert (ended.status, ended.resolution, ended.resolved_at) == ("resolved", "closed", 7.0)


def test_what_happened_first_stands(episode):
    once = episode.acknowledge(6.0, "ada", "looking")
    assert (once.status, once.acknowledged_at, once.note) == ("acknowledged", 6.0, "looking")
    assert once.acknowledge(8.0, "bob") is once
    over = once.resolve(9.0, 40, "rebaselined", "ada")
    assert (over.status, over.note) == ("resolved", "looking")
    assert over.resolve(10.0, 50, "closed") is over
    afterwards = episode.resolve(9.0, 40, "quiet").acknowledge(11.0, "bob")
    assert (afterwards.status, afterwards.acknowledged_by) == ("resolved", "bob")


def test_nobody_cannot_acknowledge_and_an_end_is_one_of_three(episode):
    with pytest.raises(InvalidParameterError, match="by must be a name, got ' '"):
        episode.acknowledge(6.0, " ")
    with pytest.raises(InvalidParameterError, match="resolution must be one of quiet, rebaselined, closed"):
        episode.resolve(6.0, 1, "forgotten")
    with pytest.raises(InvalidParameterError, match="quiet_rows must be at least 1, got 0"):
        Alike().tracker(quiet_rows=0)


def test_ids_are_version_7_uuids_in_the_order_of_time():
    ids = [new_episode_id(1.7e9 + seconds) for seconds in range(200)]
    assert ids == sorted(ids)
    assert len({new_episode_id(1.7e9) for _ in range(1_000)}) == 1_000
    assert {uuid.UUID(each).version for each in ids} == {7}
    assert {uuid.UUID(each).variant for each in ids} == {uuid.RFC_4122}


def test_a_message_says_which_monitor_and_leaves_distributions_out(episode):
    message = EpisodeEvent("opened", 5.0, episode).to_message(model="digits", version="1f")
    assert message["type"] == "episode.opened"
    assert message["data"]["model"] == "digits"
    assert message["data"]["id"] == episode.id
    assert "counts_after" not in message["data"]["signals"][0]
    json.dumps(message, allow_nan=False)


def test_a_callback_that_fails_or_exits_stops_nobody(episode, caplog):
    seen = []
    callbacks = Callbacks()

    def fail(kind, episode):
        raise ValueError("broken")

    def leave(kind, episode):
        raise SystemExit(1)

    for function in (fail, leave, lambda kind, episode: seen.append((kind, episode.id))):
        callbacks.add(function)
    callbacks.call(EpisodeEvent("opened", 5.0, episode))
    callbacks.call(EpisodeEvent("resolved", 6.0, episode))
    assert seen == [("opened", episode.id), ("resolved", episode.id)]
    assert callbacks.errors == 4
    assert len(caplog.records) == 1
