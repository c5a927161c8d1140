"""The protocol's endpoints, as a client sees them."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import threading
import time
from uuid import UUID

import httpx
import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families

import driftlead
from driftlead.errors import InvalidParameterError
from driftlead.exporters.exposition import expose
from driftlead.service import Limits, Predictor
from driftlead.service.metrics import ServiceMetrics
from tests.service.conftest import INFER, tensor
from tests.service.linear import LinearClassifier


def usual_values(service):
    parameters = service.get("/v2/models/linear").json()["inputs"][0]["parameters"]
    return [parameters[name] for name in ("percentile_1", "median", "percentile_99")]


def test_usual_values_are_those_of_the_reference_of_now(make_service):
    assert usual_values(make_service(watched=False)) == [[None] * 3] * 3
    service = make_service()
    before = usual_values(service)
    first = service.monitor.profile
    service.monitor.rebaseline(300, by="a person")
    service.monitor.process(np.random.default_rng(0).normal(7.0, 1.0, (300, first.n_signals)))
    deadline = time.monotonic() + 60
    while service.monitor.profile is first:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    after = usual_values(service)
    assert all(new > old for new, old in zip(after[1], before[1], strict=True))


def test_server_and_model_describe_themselves(service):
    assert service.get("/v2").json() == {
        "name": "driftlead",
        "version": driftlead.__version__,
        "extensions": ["binary_tensor_data"],
    }
    parameters = service.get("/v2/models/linear").json()["inputs"][0]["parameters"]
    lists = {"features", "percentile_1", "median", "percentile_99"}
    assert parameters.keys() == lists
    assert {len(parameters[name]) for name in lists} == {3}
    columns = zip(*(parameters[name] for name in ("percentile_1", "median", "percentile_99")), strict=True)
    assert all(low < middle < high for low, middle, high in columns)
    described = {
        "name": "linear",
        "versions": ["1f"],
        "platform": "numpy",
        "inputs": [{"name": "input", "datatype": "FP32", "shape": [-1, 3], "parameters": parameters}],
        "outputs": [
            {"name": "probabilities", "datatype": "FP32", "shape": [-1, 2]},
            {"name": "label", "datatype": "INT64", "shape": [-1]},
        ],
    }
    assert service.get("/v2/models/linear").json() == described
    assert service.get("/v2/models/linear/versions/1f").json() == described
    assert service.get("/").json()["links"]["infer"] == INFER


def test_health_follows_the_worker(service):
    for path, name in (
        ("/v2/health/ready", {}),
        ("/v2/models/linear/ready", {"name": "linear"}),
        ("/v2/models/linear/versions/1f/ready", {"name": "linear"}),
    ):
        answer = service.get(path)
        assert (answer.status_code, answer.json()) == (200, {**name, "ready": True})
    service.app.state.worker.close()
    assert service.get("/v2/health/ready").status_code == 503
    assert service.get("/v2/health/live").json() == {"live": True}
    refused = service.infer(tensor([1, 2, 3]))
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")


def test_the_linear_classifier_is_a_predictor():
    assert isinstance(LinearClassifier(), Predictor)


@pytest.mark.parametrize("path", [INFER, "/v2/models/linear/versions/1f/infer"])
@pytest.mark.parametrize("data", [[1, 2, 3, -4, -5, -6], [[1, 2, 3], [-4, -5, -6]]])
def test_inference_answers_in_the_protocols_words(service, path, data):
    answer = service.infer({"id": "42", **tensor(data, shape=[2, 3])}, path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"] == "42"
    body = answer.json()
    probabilities = body["outputs"][0].pop("data")
    expected = 0.5 + 0.5 * np.tanh(np.array([6, -15]) / 2)
    np.testing.assert_allclose(probabilities[1::2], expected, rtol=1e-6)
    assert body == {
        "model_name": "linear",
        "model_version": "1f",
        "id": "42",
        "outputs": [
            {"name": "probabilities", "datatype": "FP32", "shape": [2, 2]},
            {"name": "label", "datatype": "INT64", "shape": [2], "data": [1, 0]},
        ],
    }


def test_the_client_chooses_the_outputs(service):
    answer = service.infer({**tensor([1, 2, 3]), "outputs": [{"name": "label"}]})
    assert [output["name"] for output in answer.json()["outputs"]] == ["label"]


def test_an_id_is_made_up_or_taken_from_the_proxy(service):
    answer = service.infer(tensor([1, 2, 3]))
    assert str(UUID(answer.json()["id"])) == answer.headers["x-request-id"]
    answer = service.infer(tensor([1, 2, 3]), headers={"X-Request-Id": "abc-1"})
    assert answer.json()["id"] == answer.headers["x-request-id"] == "abc-1"
    answer = service.infer(tensor([1, 2, 3]), headers={"X-Request-Id": "no spaces"})
    assert UUID(answer.json()["id"])


@pytest.mark.parametrize("request_id", ["Größe 1", "a\r\nSet-Cookie: b", "\0", "日本", "100%"])
def test_an_id_of_any_characters_comes_back(service, request_id):
    answer = service.infer({"id": request_id, **tensor([1, 2, 3])})
    assert answer.json()["id"] == request_id
    assert answer.headers["x-request-id"].isascii()
    assert httpx.URL("http://x/?" + answer.headers["x-request-id"]).query.isascii()
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("request_id", ["abc-1", 'a " or \\', "Größe\n", "long" * 30])
def test_a_request_stands_by_its_time_in_the_metrics(service, request_id):
    answer = service.infer({"id": request_id, **tensor([1, 2, 3])})
    text, _ = expose(service.registry, "application/openmetrics-text; version=1.0.0")
    exemplars = [
        sample.exemplar.labels
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
        if sample.exemplar
    ]
    known = [{"request_id": answer.headers["X-Request-Id"]}]
    assert exemplars == (known if len(request_id) < 100 else [])


@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        ("GET", "/v2/models/other", 404, 'model "other" is not served here, only "linear"'),
        (
            "GET",
            "/v2/models/linear/versions/2",
            404,
            'version "2" of this model is not served here, only "1f"',
        ),
        ("POST", "/v2/models/other/infer", 404, 'model "other" is not served here, only "linear"'),
        ("GET", "/v2/models/other/ready", 404, 'model "other" is not served here, only "linear"'),
        ("GET", "/nowhere", 404, 'nothing lies at GET "/nowhere"'),
        ("GET", "/v2/", 404, 'nothing lies at GET "/v2/"'),
        ("GET", "/metrics", 404, 'nothing lies at GET "/metrics"; metrics have a port of their own'),
        ("GET", INFER, 405, f'method not allowed: GET "{INFER}"'),
        ("DELETE", "/v2", 405, 'method not allowed: DELETE "/v2"'),
    ],
)
def test_wrong_addresses_are_told_apart(service, method, path, status, error):
    answer = service.request(method, path)
    assert (answer.status_code, answer.json()) == (status, {"error": error})


def test_a_method_that_is_not_allowed_names_those_that_are(service):
    assert service.get(INFER).headers["allow"] == "POST"


# --- limits ------------------------------------------------------------------------------------------


def test_bodies_are_limited_whatever_their_header_says(make_service):
    service = make_service(max_body_bytes=1000)
    fits = tensor([1, 2, 3])
    assert service.infer(fits).status_code == 200
    answer = service.infer({**fits, "padding": "x" * 1000})
    assert answer.status_code == 413
    assert answer.json()["error"].startswith("body must be at most 1000 bytes, got 1")

    async def endless():
        while True:
            yield b" " * 600

    # No Content-Length, then one that lies.
    for headers in ({}, {"Content-Length": "10"}):
        answer = service.request("POST", INFER, content=endless(), headers=headers)
        assert (answer.status_code, answer.json()) == (
            413,
            {"error": "body must be at most 1000 bytes, got more than 1000"},
        )
    answer = service.request("POST", INFER, content=b"{}", headers={"Content-Length": "9" * 5000})
    assert answer.status_code == 413
    assert service.metric("inference_requests_total", code="413") == 4


def test_slow_bodies_are_given_up(make_service):
    service = make_service(body_timeout_seconds=0.05)

    async def slow():
        yield b"{"
        await asyncio.sleep(30)
        yield b"}"

    answer = service.request("POST", INFER, content=slow())
    assert answer.status_code == 408
    assert answer.json() == {"error": "body must arrive within 0.05 seconds, got 1 bytes of it"}


def test_rows_are_limited(make_service):
    service = make_service(max_rows=4)
    assert service.infer(tensor([0] * 12, shape=[4, 3])).status_code == 200
    answer = service.infer(tensor([0] * 15, shape=[5, 3]))
    assert answer.status_code == 413
    assert answer.json() == {"error": "inputs[0].shape[0] must be at most 4 rows, got 5"}


def test_encodings_that_are_not_spoken_are_refused(service):
    answer = service.infer(tensor([1, 2, 3]), headers={"Content-Encoding": "br"})
    assert answer.status_code == 415
    assert answer.json() == {"error": "Content-Encoding must be gzip or identity"}


def test_gzip_is_read_within_the_limits(make_service):
    service = make_service(max_body_bytes=1000)
    gzipped = {"Content-Encoding": "gzip"}
    body = json.dumps(tensor([1, 2, 3])).encode()
    plain, packed = service.infer(body), service.infer(gzip.compress(body), headers=gzipped)
    assert packed.json()["outputs"] == plain.json()["outputs"]
    bomb = gzip.compress(bytes(300_000))
    assert len(bomb) < 1000
    for sent, status, error in (
        (bomb, 413, "body must be at most 1000 bytes once decompressed, got more"),
        (body, 400, "body must be gzip, as Content-Encoding says"),
        (gzip.compress(body)[:-9], 400, "body must be whole gzip, got the beginning of it"),
    ):
        answer = service.infer(sent, headers=gzipped)
        assert (answer.status_code, answer.json()) == (status, {"error": error})


def test_every_answer_of_json_is_of_no_use_to_a_browser(service):
    paths = ("/v2", "/api/v1/monitor", "/nowhere", "/openapi.json")
    for answer in [
        *(service.get(path) for path in paths),
        service.infer(tensor([1, 2, 3])),
        service.infer(b"{"),
    ]:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["cache-control"] == "no-store"


def test_head_is_get_without_its_body(service):
    for path in ("/v2", "/v2/health/ready", "/v2/models/other", "/api/v1/monitor"):
        got, head = service.get(path), service.request("HEAD", path)
        assert (head.status_code, head.content) == (got.status_code, b"")
        assert head.headers["content-length"] == got.headers["content-length"]
    assert service.request("HEAD", INFER).status_code == 405


class Waiting(LinearClassifier):
    """Predicts when it is let."""

    def __init__(self):
        super().__init__()
        self.entered = threading.Event()
        self.go = threading.Event()

    def predict(self, inputs):
        self.entered.set()
        assert self.go.wait(10)
        return super().predict(inputs)


def test_too_many_requests_at_once_are_told_to_come_back(make_service):
    model = Waiting()
    service = make_service(model, max_concurrent_requests=2)

    async def crowd():
        first = [
            asyncio.create_task(service.request_async("POST", INFER, json=tensor([1, 2, 3])))
            for _ in range(2)
        ]
        await asyncio.to_thread(model.entered.wait, 10)
        third = await service.request_async("POST", INFER, json=tensor([1, 2, 3]))
        live = await service.request_async("GET", "/v2/health/live")
        inflight = service.metric("inference_inflight_requests")
        model.go.set()
        return [answer.status_code for answer in await asyncio.gather(*first)], third, live, inflight

    served, refused, live, inflight = asyncio.run(crowd())
    assert served == [200, 200]
    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "1"
    assert refused.json() == {"error": "busy: 2 requests are being answered; try again"}
    assert live.status_code == 200
    assert inflight == 2
    assert service.metric("inference_inflight_requests") == 0
    assert service.infer(tensor([1, 2, 3])).status_code == 200


def test_what_a_service_that_stops_cannot_finish_is_told_to_come_back(make_service):
    model = Waiting()
    service = make_service(model)

    async def stop():
        request = asyncio.create_task(service.request_async("POST", INFER, json=tensor([1, 2, 3])))
        await asyncio.to_thread(model.entered.wait, 10)
        request.cancel()  # as uvicorn does when the time to finish is over
        answer = await request
        model.go.set()
        return answer

    answer = asyncio.run(stop())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json() == {"error": "the service is shutting down"}


@pytest.mark.parametrize("key", ["", " ", " padded-key ", "schlüssel"])
def test_a_key_that_no_client_could_show_is_refused_and_not_shown(make_service, key):
    with pytest.raises(InvalidParameterError, match=r"api_key must be plain .*<not shown>") as refused:
        make_service(api_key=key)
    assert not key.strip() or key.strip() not in str(refused.value)


def test_a_name_is_a_part_of_an_address(make_service):
    predictor = LinearClassifier()
    predictor.name = "team/model"
    with pytest.raises(InvalidParameterError, match=r"name must be a part of an address.*'team/model'"):
        make_service(predictor)


def test_limits_are_checked():
    with pytest.raises(InvalidParameterError, match="max_body_bytes must be above 0, got -1"):
        Limits(max_body_bytes=-1)


# --- failures and monitoring -------------------------------------------------------------------------


def test_a_failing_model_tells_the_log_and_not_the_client(service, caplog):
    answer = service.infer({"id": "7", **tensor([13, 13, 13])})
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.headers["x-request-id"] == "7"
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.request_id == "7"
    assert "secret internals" in str(record.exc_info)
    assert service.infer(tensor([1, 2, 3])).status_code == 200
    assert service.metric("inference_rows_total") == 1


def test_what_the_model_refuses_is_the_clients_fault(service):
    answer = service.infer(tensor([3e38, 3e38, 0]))
    assert answer.status_code == 400
    assert answer.json() == {"error": "inputs: the sum of a row must be finite as FP32"}


class Overflowing(LinearClassifier):
    """Gives NaN for a row that holds 1e38 or misses its first value, as a network in single precision may."""

    def predict(self, inputs):
        prediction = super().predict(inputs)
        lost = (inputs["input"] >= 1e38).any(axis=1) | np.isnan(inputs["input"][:, 0])
        probabilities = np.where(lost[:, None], np.nan, prediction.outputs["probabilities"])
        return prediction._replace(outputs={**prediction.outputs, "probabilities": probabilities})


@pytest.mark.parametrize("outputs", [{}, {"outputs": [{"name": "label"}]}])
def test_a_row_on_which_the_model_overflows_is_refused_by_its_number(make_service, outputs):
    service = make_service(Overflowing())
    answer = service.infer({**tensor([1, 2, 3, 1e38, 0, 0], shape=[2, 3]), **outputs})
    assert answer.status_code == 400
    assert answer.json() == {
        "error": "inputs: row 1 (the first is 0) must be within the model's range, got values for which its "
        '"probabilities" are not finite'
    }
    assert service.infer({**tensor([1, 2, 3]), **outputs}).status_code == 200
    assert service.metric("inference_rows_total") == 1


def test_a_row_with_missing_values_may_have_a_missing_answer(make_service):
    service = make_service(Overflowing(allows_missing=True))
    answer = service.infer(tensor([None, 2, 3, 1, 2, 3], shape=[2, 3]))
    assert answer.status_code == 200
    assert answer.json()["outputs"][0]["data"][:2] == [None, None]
    assert service.infer(tensor([None, 2, 3, 1e38, 2, 3], shape=[2, 3])).status_code == 400


def test_outputs_of_a_wrong_shape_are_the_models_fault(make_service):
    class Short(LinearClassifier):
        def predict(self, inputs):
            prediction = super().predict(inputs)
            return prediction._replace(outputs={**prediction.outputs, "label": np.zeros(1)})

    service = make_service(Short())
    assert service.infer(tensor([0] * 6, shape=[2, 3])).status_code == 500


def test_missing_values_reach_the_monitor_as_such(make_service):
    service = make_service(LinearClassifier(allows_missing=True))
    assert service.infer(tensor([1, None, 3])).status_code == 200
    service.monitor.start()
    service.monitor.close()
    counts = service.monitor.snapshot().bin_counts
    assert [int(count[-1]) for count in counts] == [0, 1, 0, 0, 0, 0]


def test_a_broken_monitor_does_not_break_the_answer(make_service, monkeypatch, caplog):
    class Crooked(LinearClassifier):
        def predict(self, inputs):
            return super().predict(inputs)._replace(signals=np.zeros(7))

    service = make_service(Crooked())
    assert service.infer(tensor([1, 2, 3])).status_code == 200
    assert service.monitor.snapshot().errors["observe"] == 1


def test_a_full_monitor_drops_rows_and_not_answers(make_service, linear_profile):
    # The monitor is not started, so nothing takes rows out of its queue.
    service = make_service()
    queue_rows = service.monitor.settings.queue_rows
    service.monitor.observe(np.zeros((queue_rows, linear_profile.n_signals)))
    assert service.infer(tensor([1, 2, 3])).status_code == 200
    assert service.monitor.snapshot().dropped_rows["queue_full"] == 1


def test_the_monitor_sees_every_answered_row_and_tells(service):
    service.monitor.start()
    rng = np.random.default_rng(0)
    for batch in range(20):
        rows = rng.normal([0, 0, 4 if batch >= 15 else 0], size=(20, 3))
        assert service.infer(tensor(rows.ravel().tolist(), shape=[20, 3])).status_code == 200
    service.infer(tensor([1, 2, "3"]))
    service.monitor.close()
    state = service.get("/api/v1/monitor").json()
    assert (state["model"], state["version"], state["rows"], state["queue_rows"]) == ("linear", "1f", 400, 0)
    for detector in state["detectors"]:
        assert detector["alarms"], detector["detector"]
        ratios = [signal["ratio"] for signal in detector["signals"]]
        assert ratios == sorted(ratios, reverse=True)
    assert {alarm["signal"] for alarm in state["alarms"]} >= {"feature:c"}
    assert all(300 < alarm["row"] <= 400 for alarm in state["alarms"])


# --- metrics -----------------------------------------------------------------------------------------


def test_requests_rows_classes_and_phases_are_counted(service):
    assert service.metric("inference_requests_total", code="200") == 0
    assert service.metric("predictions_total", label="high") == 0
    service.infer(tensor([1, 2, 3, 4, 5, 6, -7, -8, -9], shape=[3, 3]))
    service.infer(b"{")
    service.infer(tensor([1, 2, 3]), path="/v2/models/other/infer")
    counts = {code: service.metric("inference_requests_total", code=code) for code in ("200", "400", "404")}
    assert counts == {"200": 1, "400": 1, "404": 1}
    assert service.metric("inference_rows_total") == 3
    assert service.metric("predictions_total", label="high") == 2
    assert service.metric("predictions_total", label="low") == 1
    assert service.metric("predictions_total", label="other") == 0
    assert service.metric("inference_duration_seconds_count") == 3
    for phase in ("decode", "predict", "encode"):
        assert service.metric("inference_phase_duration_seconds_count", phase=phase) == 1
    assert service.metric("model_info", platform="numpy") == 1


def test_single_rows_missing_scores_and_surplus_classes_are_counted_like_any_other():
    registry = CollectorRegistry()
    metrics = ServiceMetrics(registry, "m", "1", "python", ["a", "b"])
    rows = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.1, 0.2, 0.7], [np.nan] * 3], np.float32)
    for scores in [rows, *np.split(rows, 4)]:
        metrics.count_classes(scores)
    counts = [
        registry.get_sample_value(
            "driftlead_predictions_total", {"model": "m", "version": "1", "label": name}
        )
        for name in ("a", "b", "other")
    ]
    assert counts == [2, 2, 2]


def test_the_monitor_is_told_the_id_and_the_scores_of_every_row(service, monkeypatch):
    told = []
    monkeypatch.setattr(
        service.monitor, "observe", lambda rows, ids, scores: told.append((ids, scores, np.asarray(rows)))
    )
    answers = [
        service.infer({"id": "one", **tensor([1, 2, 3])}).json(),
        service.infer({"id": "two", **tensor([1, 2, 3, -4, -5, -6], shape=[2, 3])}).json(),
    ]
    assert [ids for ids, _, _ in told] == [["one"], ["two/0", "two/1"]]
    for (_, scores, signals), answer in zip(told, answers, strict=True):
        assert scores.ravel().tolist() == pytest.approx(answer["outputs"][0]["data"])
        assert signals.shape == (len(scores), len(LinearClassifier.signals))


def test_log_lines_carry_the_id_and_never_the_payload(service, caplog):
    caplog.set_level(logging.DEBUG, logger="driftlead")
    service.infer({"id": "log-1", **tensor([0.123456, 2, 3])})
    service.infer({"id": "log-2", **tensor([0.123456, 2, "leak"])})
    lines = {record.request_id: record for record in caplog.records}
    assert (lines["log-1"].code, lines["log-1"].rows, lines["log-2"].code) == (200, 1, 400)
    for record in caplog.records:
        assert "0.123456" not in str(record.__dict__)
        assert "leak" not in str(record.__dict__)


@pytest.mark.parametrize("watched", [True, False])
def test_an_inference_request_is_compared_with_no_other_address_before_its_own(make_service, watched):
    service = make_service(watched=watched)
    paths = [route.path for route in service.app.routes if route.path != "/openapi.json"]
    assert [path.endswith("/infer") for path in paths[:3]] == [True, True, False]
