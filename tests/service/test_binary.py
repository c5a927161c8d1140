"""Values behind the JSON, texts, and parameters: what the protocol has beyond numbers in JSON."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from driftlead.service import DATATYPES, Prediction, TensorSpec
from driftlead.service.binary import decode_binary, encode_binary
from driftlead.service.errors import RequestError
from tests.service.conftest import INFER, tensor
from tests.service.linear import LinearClassifier

LENGTH = "Inference-Header-Content-Length"
ROWS = np.array([[1, 2, 3], [-4, -5, -6]], dtype=np.float32)

any_array = st.sampled_from(sorted(DATATYPES)).flatmap(
    lambda name: arrays.arrays(
        DATATYPES[name],
        arrays.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4),
        elements=(
            st.binary(max_size=9)
            if name == "BYTES"
            else {"allow_nan": False, "allow_infinity": False}
            if name.startswith("FP")
            else None
        ),
    ).map(lambda array: (name, array))
)


@given(any_array)
def test_every_datatype_survives_in_binary(case):
    datatype, array = case
    spec = TensorSpec("x", datatype, (-1, *array.shape[1:]))
    wire = encode_binary(array, spec)
    if datatype not in ("BYTES", "BOOL"):
        assert wire == array.astype(array.dtype.newbyteorder("<")).tobytes()
    np.testing.assert_array_equal(decode_binary(memoryview(wire), array.shape, spec, "x", False), array)


def binary(values: bytes, size: int | None = None, tail: bytes = b"", **more):
    """Body and headers of a request whose one tensor is in binary."""
    parameters = {"binary_data_size": len(values) if size is None else size}
    one = {"name": "input", "shape": [2, 3], "datatype": "FP32", "parameters": parameters, **more}
    head = json.dumps({"id": "7", "inputs": [one]}).encode()
    return head + values + tail, {LENGTH: str(len(head))}


def test_a_binary_request_is_the_same_as_one_in_json(service):
    body, headers = binary(ROWS.tobytes())
    answer = service.infer(body, headers=headers)
    plain = service.infer({"id": "7", **tensor(ROWS.tolist(), shape=[2, 3])})
    assert answer.status_code == 200
    assert answer.json() == plain.json()


@pytest.mark.parametrize(
    "asked",
    [
        {"parameters": {"binary_data_output": True}, "outputs": []},
        {"outputs": [{"name": "probabilities", "parameters": {"binary_data": True}}, {"name": "label"}]},
        {
            "parameters": {"binary_data_output": True},
            "outputs": [{"name": "probabilities"}, {"name": "label", "parameters": {"binary_data": False}}],
        },
    ],
)
def test_outputs_come_in_binary_where_that_is_asked_for(service, asked):
    answer = service.infer({**tensor(ROWS.tolist(), shape=[2, 3]), **asked})
    assert answer.headers["content-type"] == "application/octet-stream"
    head = int(answer.headers[LENGTH])
    outputs = {output["name"]: output for output in json.loads(answer.content[:head])["outputs"]}
    tail = answer.content[head:]
    assert outputs["probabilities"]["parameters"] == {"binary_data_size": 16}
    given = np.frombuffer(tail[:16], "<f4").reshape(2, 2)
    np.testing.assert_allclose(given[:, 1], 0.5 + 0.5 * np.tanh(np.array([6, -15]) / 2), rtol=1e-6)
    if "data" in outputs["label"]:
        assert (outputs["label"]["data"], len(tail)) == ([1, 0], 16)
    else:
        assert np.frombuffer(tail[16:], "<i8").tolist() == [1, 0]


NAN = np.array([1, np.nan, 3, 4, 5, 6], "<f4").tobytes()


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (binary(ROWS.tobytes(), size=20), "binary values must be as long as binary_data_size says"),
        (binary(ROWS.tobytes(), size=25), "binary_data_size must be from 0 to 24, the bytes that are left"),
        (binary(ROWS.tobytes(), size=-1), "binary_data_size must be from 0 to 24"),
        (binary(ROWS.tobytes(), size="24"), 'inputs[0].parameters.binary_data_size must be a whole number'),
        (binary(ROWS.tobytes(), tail=b"!"), "binary values must be as long as binary_data_size says"),
        (binary(bytes(20)), "inputs[0].data must be 24 bytes for shape [2, 3] of FP32, got 20"),
        (binary(ROWS.tobytes(), data=[1] * 6), "inputs[0] must have either data or binary_data_size"),
        (binary(NAN), "inputs[0].data[1] must be finite, got nan"),
        ((b"{}", {LENGTH: "3"}), "Inference-Header-Content-Length must be a number of bytes up to"),
        ((b"{}", {LENGTH: "-1"}), "Inference-Header-Content-Length must be a number"),
        ((json.dumps({"inputs": [{"name": "input", "shape": [1, 3], "datatype": "FP32"}]}).encode(), {}),
         "inputs[0].data is missing"),
    ],
)  # fmt: skip
def test_binary_values_that_do_not_fit_are_named(service, body, error):
    answer = service.infer(body[0], headers=body[1])
    assert answer.status_code == 400
    assert error in answer.json()["error"]


@pytest.mark.parametrize(
    ("values", "error"),
    [
        (b"\1\0\0", "must hold 1 values, got at most 0"),
        (b"\4\0\0\0abc", "'s length must be at most 3"),
        (b"\1\0\0\0ab", "must end after its 1 values, got 1 bytes more"),
    ],
)
def test_texts_that_do_not_fit_are_named(values, error):
    with pytest.raises(RequestError) as refused:
        decode_binary(memoryview(values), (1,), TensorSpec("x", "BYTES", (1,)), "x", False)
    assert error in refused.value.message
    with pytest.raises(RequestError, match="0 or 1, got 2"):
        decode_binary(memoryview(b"\0\2"), (2,), TensorSpec("x", "BOOL", (2,)), "x", False)


class Shouting(LinearClassifier):
    """Takes texts and gives them back in capitals, and parameters too."""

    inputs = (TensorSpec("input", "BYTES", (-1,)),)
    outputs = (TensorSpec("loud", "BYTES", (-1,)),)

    def predict(self, inputs, parameters):
        texts = inputs["input"]
        assert all(isinstance(text, bytes) for text in texts)
        loud = np.array([text.upper() for text in texts], dtype=object)
        return Prediction({"loud": loud}, np.zeros((len(texts), 6)), parameters=parameters)


def test_texts_and_parameters_go_through(make_service):
    service = make_service(Shouting())
    words = ["grün", "", 'a "b", c\\']
    sent = {**tensor(words, shape=[3], datatype="BYTES"), "parameters": {"mode": "x", "n": 3, "on": True}}
    answer = service.infer(sent).json()
    assert answer["outputs"][0]["data"] == ["grün".encode().upper().decode(), "", 'A "B", C\\']
    assert answer["parameters"] == sent["parameters"]

    wire = b"".join(struct.pack("<I", len(word)) + word for word in (b"\xff\x00a", b"ok"))
    body, headers = binary(wire, shape=[2], datatype="BYTES")
    refused = service.infer(body, headers=headers)
    assert refused.status_code == 400
    assert "no text; ask for it with binary_data" in refused.json()["error"]
    body = body.replace(
        b'{"id": "7"', b'{"id": "7", "outputs": [{"name": "loud", "parameters": {"binary_data": true}}]'
    )
    headers[LENGTH] = str(len(body) - len(wire))
    answer = service.infer(body, headers=headers)
    assert answer.content[int(answer.headers[LENGTH]) :] == wire.upper()
    assert service.infer(tensor(["a"] * 9000, shape=[1], datatype="BYTES")).status_code == 400
    assert service.infer(tensor([1], shape=[1], datatype="BYTES")).status_code == 400


def test_the_older_protocol_is_answered_row_by_row(service):
    rows = [[1, 2, 3], [-4, -5, -6]]
    answer = service.request("POST", "/v1/models/linear:predict", json={"instances": rows})
    assert answer.status_code == 200
    plain = service.infer(tensor(rows, shape=[2, 3])).json()["outputs"]
    assert [row["label"] for row in answer.json()["predictions"]] == plain[1]["data"]
    probabilities = [each for row in answer.json()["predictions"] for each in row["probabilities"]]
    assert probabilities == plain[0]["data"]
    assert answer.headers["x-request-id"]
    assert service.metric("inference_rows_total") == 4


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({"instances": [[1, 2]]}, 400, "instances[0] must hold 3 values for its shape, got 2"),
        ({"instances": []}, 400, "instances must be at least 1 row, got 0"),
        ({"instances": [1, 2]}, 400, "instances[0] must be an array, got 1"),
        ({"instances": [[0] * 3] * 5}, 413, "instances must be at most 4 rows, got 5"),
        ({"instances": [[0] * 9000]}, 413, "instances must be at most 4 rows, got far more"),
        ({"rows": []}, 400, "instances is missing"),
    ],
)
def test_instances_that_do_not_fit_are_named(make_service, body, status, error):
    answer = make_service(max_rows=4).request("POST", "/v1/models/linear:predict", json=body)
    assert (answer.status_code, answer.json()) == (status, {"error": error})


def test_the_paths_of_the_protocols_do_not_mix(service):
    assert service.infer({"instances": [[1, 2, 3]]}, INFER).status_code == 400
    assert service.request("POST", "/v1/models/other:predict", json={}).status_code == 404
