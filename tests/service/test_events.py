"""Models that others serve: events in, rows and labels out, whatever arrives in whatever order."""

from __future__ import annotations

import base64
import gzip
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftlead.errors import InvalidDataError, InvalidParameterError
from driftlead.service import Translation
from driftlead.service.events.envelope import Event
from driftlead.service.events.pairing import Pairs
from driftlead.service.events.payload import read_payload
from driftlead.signals import Signal, classification_values
from tests.service.elsewhere import EMPTY, FEATURES, KSERVE, REQUEST, RESPONSE, ROWS, SCORES, profile_of


def check_rows(watched, ids=("7/0", "7/1")):
    ((rows, told, scores),) = watched.observed
    np.testing.assert_allclose(rows, np.hstack([ROWS, classification_values(SCORES)]))
    np.testing.assert_allclose(scores, SCORES)
    assert told == list(ids)


@pytest.mark.parametrize("order", [("request", "response"), ("response", "request")])
def test_an_exchange_is_put_together_in_either_order(watching, order):
    watched = watching()
    payloads = {"request": REQUEST, "response": RESPONSE}
    for side in order:
        assert not watched.observed
        answer = watched.send(side, payloads[side])
        assert (answer.status_code, answer.json()) == (202, {"taken": 1})
    check_rows(watched)
    assert watched.outcomes() == {"paired": 2}


def structured(side, payload, name="7", **more):
    return {"specversion": "1.0", "id": name, "source": "x", "type": KSERVE + side, "data": payload, **more}


def encoded(side, payload):
    event = structured(side, None)
    del event["data"]
    return {**event, "data_base64": base64.b64encode(gzip.compress(json.dumps(payload).encode())).decode()}


@pytest.mark.parametrize(
    ("kind", "bodies"),
    [
        ("cloudevents+json", [structured("request", REQUEST), structured("response", RESPONSE)]),
        ("cloudevents+json", [encoded("request", REQUEST), encoded("response", RESPONSE)]),
        ("cloudevents+json", [structured("request", json.dumps(REQUEST)), structured("response", RESPONSE)]),
        ("cloudevents-batch+json", [[structured("request", REQUEST), structured("response", RESPONSE)]]),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_events_in_json_are_the_same(watching, kind, bodies, zipped):
    watched = watching()
    for body in bodies:
        text = json.dumps(body).encode()
        headers = {"content-type": f"application/{kind}; charset=utf-8"}
        # Some loggers compress without saying so.
        answer = watched.request(
            "POST", "/events", content=gzip.compress(text) if zipped else text, headers=headers
        )
        assert answer.status_code == 202, answer.text
    check_rows(watched)


def test_sellers_of_events_differ_in_their_ids(watching):
    watched = watching()
    seldon = {"ce-type": "io.seldon.serving.inference.request", "ce-requestid": "r1"}
    watched.send("request", REQUEST, name="e1", **seldon)
    seldon["ce-type"] = "io.seldon.serving.inference.response"
    watched.send("response", gzip.compress(json.dumps(RESPONSE).encode()), name="e2", **seldon)
    check_rows(watched, ("r1/0", "r1/1"))
    watched.send("request", REQUEST, **{"ce-type": "io.seldon.serving.feedback"})
    assert watched.outcomes() == {"paired": 2, "ignored": 1}


def test_features_alone_wait_for_no_response(watching):
    watched = watching(FEATURES)
    watched.send("request", REQUEST)
    watched.send("response", RESPONSE)
    ((rows, _, scores),) = watched.observed
    np.testing.assert_array_equal(rows, ROWS)
    assert scores is None
    assert watched.outcomes() == {"watched": 1, "ignored": 1}


def test_what_is_wrong_with_one_event_touches_no_other(watching):
    watched = watching()
    wrong = [
        b"{",
        {"inputs": [{**REQUEST["inputs"][0], "shape": [3, 3]}]},
        {"inputs": [{**REQUEST["inputs"][0], "shape": [1, 6]}]},
        {"inputs": [{**REQUEST["inputs"][0], "shape": [2**40, 2**20], "datatype": "BYTES"}]},
        {"inputs": [{"name": "x", "shape": [9**9], "datatype": "BYTES", "parameters": EMPTY}]},
        {"instances": [[1, 2, 3]]},
    ]  # fmt: skip
    for number, payload in enumerate(wrong):
        watched.send("request", payload, name=f"w{number}")
        assert watched.send("response", RESPONSE, name=f"w{number}").status_code == 202
    assert watched.outcomes() == {"paired": 2 * len(wrong), "malformed": len(wrong)}
    assert not watched.observed
    for headers in ({}, {"content-type": "application/cloudevents+json"}):
        answer = watched.request("POST", "/events", content=b"[]", headers=headers)
        assert answer.status_code == 400
        assert list(answer.json()) == ["error"]
    assert watched.outcomes()["malformed"] == len(wrong) + 2
    watched.send("request", REQUEST)
    watched.send("response", RESPONSE)
    check_rows(watched)


def test_labels_find_predictions_by_the_events_id(watching):
    watched = watching()
    del watched.monitor.observe
    watched.send("request", REQUEST)
    watched.send("response", RESPONSE)
    answer = watched.request("POST", "/feedback", json={"id": "7", "labels": [1, 0]})
    assert answer.json()["matched"] == 2
    assert watched.request("GET", "/api/v1/monitor").json()["model"] == "m"
    assert watched.request("GET", "/v2/health/ready").json() == {"ready": True}


def test_a_wait_is_bounded_in_time_and_memory():
    pairs = Pairs(max_bytes=10_000, max_seconds=10)
    for number in range(50):
        assert pairs.match(Event("request", f"{number}", bytes(1_000)), now=0.0) is None
    assert len(pairs) == 7
    assert pairs.outcomes["dropped"] == 43
    pairs.match(Event("request", "huge", bytes(20_000)), now=0.0)
    assert len(pairs) == 7
    pairs.match(Event("request", "49", b""), now=1.0)
    assert pairs.outcomes["duplicate"] == 1
    assert pairs.match(Event("response", "49", b"out"), now=9.0) == (bytes(1_000), b"out")
    pairs.match(Event("response", "48", b""), now=11.0)
    assert (pairs.outcomes["unpaired"], len(pairs)) == (6, 1)


@given(
    st.lists(st.tuples(st.sampled_from(["request", "response"]), st.integers(0, 9)), max_size=60),
)
def test_no_event_is_lost_count_of(events):
    pairs = Pairs(max_bytes=3_000, max_seconds=20)
    for now, (kind, key) in enumerate(events):
        pairs.match(Event(kind, str(key), b"x" * 100), now=float(now))
    assert sum(pairs.outcomes.values()) + len(pairs) == len(events)
    assert pairs._bytes == sum(
        len(half.event.data) + 4 * len(key) + 400 for key, half in pairs._waiting.items()
    )


def test_payloads_of_both_protocols_are_read():
    named = read_payload(b'{"instances": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]}')
    assert named["a"].tolist() == [1, 2]
    assert named["b"].tolist() == [b"x", b"y"]
    values = ROWS.astype("<f4").tobytes()
    tensor = {"name": "x", "shape": [2, 3], "datatype": "FP32", "parameters": {"binary_data_size": 24}}
    body = json.dumps({"id": "ü", "inputs": [tensor]}, ensure_ascii=False).encode() + values
    np.testing.assert_array_equal(read_payload(body)["x"], ROWS)
    for wrong in (b"{}", b"[]", b'{"instances": [[1], [1, 2]]}', b'{"instances": [{"a": 1}, {"b": 1}]}'):
        with pytest.raises(InvalidDataError):
            read_payload(wrong)
    with pytest.raises(InvalidDataError, match="binary values behind the JSON"):
        read_payload(body[:-4])


def test_columns_come_by_name_and_texts_as_categories():
    signals = [Signal("feature:city", "categorical"), Signal("feature:km"), Signal("prediction:value")]
    profile = profile_of(signals)
    profile.categories["feature:city"] = ("Rome", "Oslo")
    request = {
        "inputs": [
            {"name": "km", "shape": [2, 1], "datatype": "FP64", "data": [3.5, None]},
            {"name": "city", "shape": [2], "datatype": "BYTES", "data": ["Oslo", "Bern"]},
        ]
    }
    rows, scores = Translation(profile).rows(json.dumps(request).encode(), b'{"predictions": [9, 8]}')
    np.testing.assert_array_equal(rows, [[1, 3.5, 9], [2, np.nan, 8]])
    np.testing.assert_array_equal(scores, [[9], [8]])


def test_what_no_payload_tells_is_refused():
    with pytest.raises(InvalidParameterError, match=r"activation:conv\.mean"):
        Translation(profile_of([Signal("activation:conv.mean")]))
    logits = json.dumps({"predictions": [[0, np.log(3)]]}).encode()
    profile = profile_of([Signal("prediction:confidence")])
    rows, _ = Translation(profile, softmax=True).rows(None, logits)
    assert rows[0, 0] == pytest.approx(0.75)
    with pytest.raises(InvalidDataError, match="must hold 'q'"):
        Translation(profile, output="q").rows(None, logits)
