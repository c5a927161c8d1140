"""Figures hold what their documents say, and Plotly takes every one of them."""

from __future__ import annotations

import json

import numpy as np
import plotly.graph_objects as go
import pytest

from driftlead import figures
from driftlead.errors import InvalidDataError, InvalidParameterError
from driftlead.figures import PALETTES
from driftlead.monitor import Monitor, MonitorSettings
from driftlead.monitor.documents import history_document, signal_document
from driftlead.reference import ReferenceProfile
from driftlead.signals import Signal

SIGNALS = (Signal("feature:<b>a"), Signal("feature:b"), Signal("class", "categorical"))


def rows(rng, count, shift=0.0):
    return np.column_stack(
        [rng.normal(shift, 1.0, count), rng.exponential(size=count), rng.integers(0, 3, count)]
    )


@pytest.fixture(scope="module")
def monitor():
    rng = np.random.default_rng(4)
    profile = ReferenceProfile.from_rows(SIGNALS, rows(rng, 1_000), model_hash="1f")
    monitor = Monitor(profile, MonitorSettings(window=100))
    for start in range(0, 600, 10):
        # Between the rows 290 and 300 lie ten minutes in which nothing came.
        at = start / 5.0 + 600 * (start >= 300)
        monitor.process(rows(rng, 10, 2.0 * (start >= 400)), observed_at=np.full(10, at))
    return monitor


@pytest.fixture(scope="module")
def history(monitor):
    return history_document(monitor.history())


def signal(monitor, name):
    return signal_document(monitor.snapshot(), monitor.history(), name, monitor.recent_values(name))


def quality_document(**changed):
    told = {"at": [0.0, 5.0, 10.0], "measured": [None, 0.9, 0.8], "estimate": [0.95, None, 0.9]}
    told |= {"low": [0.9, None, 0.8], "high": [0.97, None, 0.95]}
    return {"quality": {**told, **changed}}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_plotly_takes_every_figure(monitor, history, theme):
    (episode,) = monitor.snapshot().open_episodes
    drawn = [
        figures.timeline(history, theme),
        figures.quality(quality_document(), theme, reference=0.99),
        figures.quality(quality_document(estimate=[None] * 3), theme),
        figures.ranking(episode.to_document(), theme),
        *(figures.distribution(signal(monitor, each.name), theme) for each in SIGNALS),
        *(figures.statistics(signal(monitor, each.name), theme) for each in SIGNALS),
    ]
    for figure in drawn:
        json.dumps(figure, allow_nan=False)
        assert go.Figure(figure).layout.font.color == PALETTES[theme].text
        assert figure._repr_mimebundle_()["application/vnd.plotly.v1+json"] == figure
        # Plotly reads its own markup in every text.
        assert "<b>" not in json.dumps(figure)


def test_figures_of_nothing_can_be_drawn():
    empty = {"of": "rows", "pairs": [], "start": [], "end": [], "row": [], "percent": []}
    nothing = {name: [] for name in ("at", "measured", "estimate", "low", "high")}
    go.Figure(figures.timeline({"series": [empty], "quality": nothing}))
    go.Figure(figures.quality({"quality": nothing}))
    go.Figure(figures.ranking({"signals": [], "n_signals": 0}))
    go.Figure(figures.statistics({**empty, "percent": {}, "alarms": [], "changes": []}))


def test_every_lane_of_the_timeline_is_in_either_trace_and_drawn_in_one():
    rows = {"of": "rows", "pairs": [["a", "nmddm"], ["b", "nmddm"]], "percent": [[20, 30], [40, 250]]}
    labels = {"of": "labels", "pairs": [["error", "page_hinkley"]], "percent": [[10], [90]]}
    times = {"start": [0.0, 2.0], "end": [2.0, 4.0], "row": [10, 20]}
    series = [{**rows, **times}, {**labels, **times}]
    traces = figures.timeline({"series": series, "quality": {}})["data"]
    assert len(traces) == 2
    for trace in traces:
        assert trace["y"] == ["a · nmddm", "error · page_hinkley", "b · nmddm"]
    drawn = [[row != [None, None] for row in trace["z"]] for trace in traces]
    assert drawn == [[True, False, True], [False, True, False]]


def test_the_timeline_has_a_column_for_a_pause_and_its_worst_pair_on_top(history):
    figure = figures.timeline(history, most=4)
    (trace,) = figure["data"]
    names = [f"feature:&lt;b&gt;a · {test}" for test in ("page_hinkley", "incremental_ks", "nmddm")]
    assert trace["y"][:0:-1] == names
    assert len(trace["y"]) == 4
    assert len(trace["x"]) == len(trace["z"][0]) + 1
    pauses = [column for column, value in enumerate(trace["z"][0]) if value is None]
    assert len(pauses) == 1
    (samples,) = [series for series in history["series"] if series["of"] == "rows"]
    column = samples["pairs"].index(["feature:<b>a", "incremental_ks"])
    drawn = [value for value in trace["z"][-2] if value is not None]
    assert drawn == [percent[column] / 100 for percent in samples["percent"]]


def test_the_statistic_has_a_gap_where_nothing_came_and_a_line_at_the_change(monitor):
    document = signal(monitor, SIGNALS[0].name)
    figure = figures.statistics(document)
    lines = [trace for trace in figure["data"] if trace["mode"] == "lines"]
    assert [trace["name"] for trace in lines] == ["page_hinkley", "incremental_ks", "nmddm"]
    assert all(trace["y"].count(None) == 1 for trace in lines)
    threshold, change = figure["layout"]["shapes"]
    assert (threshold["y0"], threshold["y1"]) == (1, 1)
    assert f"row {document['changes'][0]['row']}" in change["label"]["text"]
    (alarms,) = [trace for trace in figure["data"] if trace["mode"] == "markers"]
    assert len(alarms["x"]) == len(document["alarms"]) >= 3


def test_the_outline_of_a_distribution_ends_with_its_last_bin(monitor):
    document = signal(monitor, "feature:b")
    reference, live = figures.distribution(document)["data"]
    assert reference["x"] == document["distribution"]["edges"]
    assert reference["y"][:-1] == document["distribution"]["reference"]
    assert live["y"][-1] == live["y"][-2]
    bars = figures.distribution(signal(monitor, "class"))["data"]
    assert [bar["x"] for bar in bars] == [["0", "1", "2"]] * 2


def test_the_band_of_the_estimate_leaves_out_what_is_unknown():
    band, *_ = figures.quality(quality_document())["data"]
    assert band["y"] == [0.9, 0.8, 0.95, 0.97]


def test_a_long_ranking_says_what_it_leaves_out():
    signals = [{"signal": f"s{n}", "contribution": 9.0 - n, "change_row": 1, "peaks": {}} for n in range(5)]
    figure = figures.ranking({"signals": signals, "n_signals": 40}, most=2)
    assert figure["data"][0]["y"] == ["s1", "s0"]
    assert "and 38 more" in figure["layout"]["title"]["text"]


def test_a_theme_that_is_none_is_refused():
    with pytest.raises(InvalidParameterError, match="theme must be one of light, dark, got 'pink'"):
        figures.ranking({"signals": [], "n_signals": 0}, "pink")


def test_rows_are_drawn_with_the_first_alarm_of_each_test_and_the_change():
    lines = {
        "nmddm": [0.2, 1.5, 0.3, 2.0],
        "page_hinkley": [0.1, 0.1, 0.1, 0.1],
        "<b>own": [0.0, 0.0, 0.0, 9.0],
    }
    figure = figures.over_rows(lines, "dark", change=1)
    go.Figure(figure)
    json.dumps(figure, allow_nan=False)
    *drawn, alarms = figure["data"]
    assert {trace["name"]: trace["y"] for trace in drawn} == {
        "nmddm": lines["nmddm"],
        "page_hinkley": lines["page_hinkley"],
        "&lt;b&gt;own": lines["<b>own"],
    }
    assert dict(zip(alarms["text"], alarms["x"], strict=True)) == {"nmddm": 1, "&lt;b&gt;own": 3}
    threshold, change = figure["layout"]["shapes"]
    assert (threshold["y0"], change["x0"]) == (1, 1)


def test_rows_without_alarm_or_change_have_neither():
    figure = figures.over_rows({"nmddm": np.linspace(0.0, 1.0, 5)})
    assert [trace["name"] for trace in figure["data"]] == ["nmddm"]
    assert len(figure["layout"]["shapes"]) == 1


def test_rows_of_several_signals_are_refused():
    with pytest.raises(InvalidDataError, match=r"nmddm must have one value for each row, got shape \(3, 2\)"):
        figures.over_rows({"nmddm": np.zeros((3, 2))})
