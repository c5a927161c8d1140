"""Whatever is sent, the answer is a prediction or one line of JSON that says what is wrong; never a 500."""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.service.conftest import INFER, Service, tensor
from tests.service.linear import LinearClassifier

FUZZ = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**25, max_value=10**30)
    | st.floats()
    | st.text(max_size=20)
)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
nearly = st.fixed_dictionaries(
    {},
    optional={
        "name": st.just("input") | json_values,
        "shape": st.just([1, 3]) | st.lists(st.integers(-2, 4), max_size=3) | json_values,
        "datatype": st.sampled_from(["FP32", "FP64", "INT64", "BYTES"]) | json_values,
        "data": st.lists(st.floats() | st.integers(), max_size=7) | st.just([[1, 2, 3]]) | json_values,
        "parameters": json_values,
    },
)
requests = st.fixed_dictionaries(
    {"inputs": st.lists(nearly, max_size=3) | json_values},
    optional={
        "id": json_values,
        "parameters": json_values,
        "outputs": st.lists(st.fixed_dictionaries({"name": st.just("label") | json_values})) | json_values,
    },
)


@pytest.fixture
def fuzzed(make_service: Callable[..., Service]) -> Service:
    return make_service(LinearClassifier(), max_rows=3, max_body_bytes=20_000)


def check(service: Service, body: bytes) -> None:
    answer = service.infer(body)
    content = json.loads(answer.text)
    if answer.status_code == 200:
        assert content["outputs"]
        return
    assert answer.status_code in (400, 413), answer.text
    assert list(content) == ["error"]
    message = content["error"]
    assert "\n" not in message
    assert len(message) < 200
    assert answer.headers["x-request-id"]


@FUZZ
@given(body=st.binary(max_size=200))
@example(body=b"[" * 19_000)
@example(body=b'{"a":' * 3_000)
@example(body=b'{"inputs":[{"name":"input","shape":[1,3],"datatype":"FP32","data":' + b"[" * 9_000)
@example(body=b"\x00" * 21_000)
@example(body=json.dumps(tensor([1, 2, 10**4000])).encode())
@example(body=json.dumps({"inputs": [], "id": 10**4000}).encode())
@example(body=b'{"inputs":[],"id":"\\ud800"}')
def test_any_bytes(fuzzed, body):
    check(fuzzed, body)


@FUZZ
@given(request=requests)
def test_any_json(fuzzed, request):
    check(fuzzed, json.dumps(request).encode("utf-8", "surrogatepass"))


@FUZZ
@given(start=st.integers(0, 120), length=st.integers(0, 12), patch=st.binary(max_size=6))
def test_a_good_body_with_any_damage(fuzzed, start, length, patch):
    body = json.dumps({"id": "7", **tensor([[0.5, -1, 1e3]])}).encode()
    check(fuzzed, body[:start] + patch + body[start + length :])


@FUZZ
@given(path=st.text(max_size=40), method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "OPTIONS"]))
@example(path="v2/models/%00/infer", method="POST")
@example(path="v2/models/linear/versions/%ff", method="GET")
def test_any_path(fuzzed, path, method):
    answer = fuzzed.request(method, "/" + quote(path.lstrip("/"), safe="/%"))
    assert answer.status_code < 500
    if answer.status_code >= 400:
        assert list(answer.json()) == ["error"]


def test_the_fuzzed_path_is_the_real_one(fuzzed):
    assert fuzzed.infer(tensor([1, 2, 3]), INFER).status_code == 200
