"""Request bytes → arrays: what fits comes through exactly, what does not is named."""

from __future__ import annotations

import json

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from driftlead.errors import InvalidParameterError
from driftlead.service import DATATYPES, TensorSpec
from driftlead.service.encoding import encode_response
from driftlead.service.errors import RequestError
from driftlead.service.tensors import decode_inputs, decode_request, select_outputs

PAIRS = TensorSpec("x", "FP32", (-1, 2))


def decode(body, *specs, **options):
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return decode_inputs(decode_request(text), specs or (PAIRS,), **{"max_rows": 100, **options})


def one(data, shape=(1, 2), datatype="FP32", name="x"):
    return {"inputs": [{"name": name, "shape": list(shape), "datatype": datatype, "data": data}]}


def refusal(body, *specs, **options):
    with pytest.raises(RequestError) as refused:
        decode(body, *specs, **options)
    return refused.value.status, refused.value.message


numeric_arrays = st.sampled_from(sorted(set(DATATYPES) - {"BYTES"})).flatmap(
    lambda name: arrays.arrays(
        DATATYPES[name],
        arrays.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4),
        elements=({"allow_nan": False, "allow_infinity": False} if name.startswith("FP") else None),
    ).map(lambda array: (name, array))
)


@given(numeric_arrays, st.booleans())
def test_every_datatype_survives_the_way_in_and_out(case, nested):
    datatype, array = case
    spec = TensorSpec("x", datatype, (-1, *array.shape[1:]))
    data = array.tolist() if nested else array.ravel().tolist()
    batch = decode(one(data, array.shape, datatype), spec)
    assert batch.rows == len(array)
    assert batch.arrays["x"].dtype == array.dtype
    np.testing.assert_array_equal(batch.arrays["x"], array, strict=True)
    (answer,) = orjson.loads(encode_response("m", "1", "7", batch.arrays, [spec]).body)["outputs"]
    assert (answer["name"], answer["datatype"], answer["shape"]) == ("x", datatype, list(array.shape))
    np.testing.assert_array_equal(np.array(answer["data"], dtype=array.dtype), array.ravel())


def test_several_tensors_share_their_rows():
    specs = (TensorSpec("x", "FP64", (-1, 2)), TensorSpec("k", "INT8", (-1,)), TensorSpec("s", "BOOL", (2,)))
    tensors = [
        {"name": "k", "shape": [2], "datatype": "INT8", "data": [1, 2]},
        {"name": "s", "shape": [2], "datatype": "BOOL", "data": [True, False]},
        {"name": "x", "shape": [2, 2], "datatype": "FP64", "data": [1, 2, 3, 4]},
    ]
    batch = decode({"inputs": tensors}, *specs)
    assert batch.rows == 2
    assert batch.arrays["s"].tolist() == [True, False]
    tensors[0] |= {"shape": [3], "data": [1, 2, 3]}
    assert refusal({"inputs": tensors}, *specs) == (
        400,
        "inputs[0].shape[0] must be 2, as in inputs[2], got 3",
    )


def test_missing_values_come_as_null_where_the_model_takes_them():
    batch = decode(one([1, None]), allows_missing=True)
    np.testing.assert_array_equal(batch.arrays["x"], [[1, np.nan]])
    assert "takes no missing values, got null" in refusal(one([1, None]))[1]
    whole = TensorSpec("x", "INT32", (-1, 2))
    assert (
        "must be a whole number, got null"
        in refusal(one([1, None], datatype="INT32"), whole, allows_missing=True)[1]
    )


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ([1, True], "inputs[0].data[1] must be a number, got true"),
        ([1, "2"], 'inputs[0].data[1] must be a number, got "2"'),
        ([1, [2]], "inputs[0].data[1] must be a number, got [2]"),
        ([[1, {}]], "inputs[0].data[0][1] must be a number, got an object"),
        ([[[1, 2]]], "inputs[0].data[0][0] must be a number, got [1, 2]"),
        ([1, 1e39], "inputs[0].data[1] must be finite as FP32, got 1e+39"),
        ([[1, -1e39]], "inputs[0].data[0][1] must be finite as FP32, got -1e+39"),
        ([1, 10**400], "inputs[0].data[1] must be a finite number, got a larger one"),
        ([1, 2, 3], "inputs[0].data must hold 2 values for shape [1, 2], got 3"),
        ([], "inputs[0].data must hold 2 values for shape [1, 2], got 0"),
        ([0] * 5000, "inputs[0].data must hold 2 values for shape [1, 2], got far more"),
        ([[1, 2], [3, 4]], "inputs[0].data must hold 1 values for its shape, got 2"),
        ([[1, 2, 3]], "inputs[0].data[0] must hold 2 values for its shape, got 3"),
        ([[]], "inputs[0].data[0] must hold 2 values for its shape, got 0"),
        ("1,2", 'inputs[0].data must be an array, got "1,2"'),
        (None, "inputs[0].data must be an array, got null"),
        ({"a": 1}, "inputs[0].data must be an array, got an object"),
        (1, "inputs[0].data must be an array, got 1"),
    ],
)
def test_data_that_do_not_fit_are_named(data, complaint):
    assert refusal(one(data)) == (400, complaint)


@pytest.mark.parametrize("literal", [b"NaN", b"-Infinity", b"Infinity", b"nan", b"-inf"])
def test_json_has_no_nan(literal):
    body = json.dumps(one([1, 5])).encode().replace(b"5", literal)
    status, message = refusal(body)
    assert status == 400
    assert message.startswith(
        f"body must be JSON, which has no NaN or infinity, got {literal.decode()} at byte"
    )


def test_ragged_deep_data_name_the_row():
    cube = TensorSpec("x", "FP32", (-1, 2, 2))
    data = [[[1, 2], [3, 4]], [[1, 2], [3]]]
    assert refusal(one(data, (2, 2, 2)), cube) == (
        400,
        "inputs[0].data[1][1] must hold 2 values for its shape, got 1",
    )


@pytest.mark.parametrize(
    ("datatype", "value"),
    [
        ("INT8", 128),
        ("INT8", -129),
        ("UINT8", -1),
        ("UINT16", 65536),
        ("INT32", 2**31),
        ("UINT32", 2**32),
        ("INT64", 2**63),
        ("INT64", -(2**63) - 1),
        ("UINT64", 2**64),
        ("UINT64", -1),
        ("INT16", 10**30),
    ],
)
def test_whole_numbers_keep_within_their_type(datatype, value):
    spec = TensorSpec("x", datatype, (-1, 2))
    limits = np.iinfo(DATATYPES[datatype])
    expected = f"inputs[0].data[1] must be between {limits.min} and {limits.max} ({datatype}), got {value}"
    assert refusal(one([0, value], datatype=datatype), spec) == (400, expected)


@pytest.mark.parametrize(
    ("datatype", "value"), [("INT8", 1.0), ("INT8", True), ("BOOL", 1), ("INT64", "1"), ("UINT8", 1e2)]
)
def test_numbers_are_not_converted_between_kinds(datatype, value):
    status, message = refusal(one([value, value], datatype=datatype), TensorSpec("x", datatype, (-1, 2)))
    assert status == 400
    assert message.endswith(f"got {json.dumps(value)}")


@pytest.mark.parametrize(
    ("changes", "status", "complaint"),
    [
        ({"shape": [2]}, 400, "inputs[0].shape must be [-1, 2] (-1: any number of rows), got [2]"),
        ({"shape": [0, 2]}, 400, "inputs[0].shape[0] must be at least 1 row, got 0"),
        ({"shape": [-1, 2]}, 400, "inputs[0].shape[0] must be at least 1 row, got -1"),
        ({"shape": [101, 2]}, 413, "inputs[0].shape[0] must be at most 100 rows, got 101"),
        ({"shape": [10**60, 2]}, 413, "inputs[0].shape[0] must be at most 100 rows, got a huge number"),
        ({"shape": [True, 2]}, 400, "inputs[0].shape[0] must be a whole number, got true"),
        ({"shape": [1.0, 2]}, 400, "inputs[0].shape[0] must be a whole number, got 1.0"),
        ({"shape": "1x2"}, 400, 'inputs[0].shape must be an array, got "1x2"'),
        ({"datatype": "FP64"}, 400, 'inputs[0].datatype must be "FP32", got "FP64"'),
        ({"datatype": "fp32"}, 400, 'inputs[0].datatype must be "FP32", got "fp32"'),
        ({"name": "y"}, 400, 'inputs[0].name must be "x", got "y"'),
        ({"name": "y" * 99}, 400, 'inputs[0].name must be "x", got "' + "y" * 38 + "…"),
        ({"name": None}, 400, "inputs[0].name must be a string, got null"),
        ({"parameters": []}, 400, "inputs[0].parameters must be an object or null, got []"),
    ],
)
def test_headers_that_do_not_fit_are_named(changes, status, complaint):
    body = one([1, 2])
    body["inputs"][0] |= changes
    assert refusal(body) == (status, complaint)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"", "body must be JSON, got nothing"),
        (b" \n", "body must be JSON, got nothing"),
        (b"hello", "body must be JSON: invalid character at byte 0"),
        (b"\xef\xbb\xbf{}", "body must be JSON: invalid character at byte 0"),
        (b'{"inputs": [', "body must be JSON: input data was truncated"),
        (b"[]", "body must be an object, got []"),
        (b"null", "body must be an object, got null"),
        (b"{}", "inputs is missing"),
        (b'{"inputs": {}}', "inputs must be an array, got an object"),
        (b'{"inputs": []}', 'inputs must hold "x", got []'),
        (b'{"inputs": [1]}', "inputs[0] must be an object, got 1"),
        (b'{"inputs": [{"name": "x"}]}', "inputs[0].shape is missing"),
        (b'{"inputs": [], "id": 7}', "id must be a string or null, got 7"),
        (b'{"inputs": [], "id": "\xff"}', "body must be UTF-8 text, got the byte 0xff"),
        (b'{"inputs": [], "outputs": ["y"]}', 'outputs[0] must be an object, got "y"'),
        (b'{"inputs": ' + b"[" * 100_000, "inputs[0] must be an object, got an array"),
        (b'{"else": ' + b"[" * 100_000, "body must be nested less deeply"),
    ],
)
def test_bodies_that_do_not_fit_are_named(body, complaint):
    assert refusal(body) == (400, complaint)


def test_an_id_has_a_length_limit():
    assert refusal({"inputs": [], "id": "a" * 257})[1].startswith("id must be at most 256 characters long")


def test_a_tensor_is_named_once_and_the_last_of_repeated_keys_counts():
    twice = {"inputs": one([1, 2])["inputs"] * 2}
    assert refusal(twice) == (400, 'inputs[1].name must be named once, got "x"')
    body = b'{"inputs": [{"name": "y", "name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]}'
    assert decode(body).rows == 1


def test_outputs_are_selected_in_the_order_asked_for():
    specs = (TensorSpec("p", "FP32", (-1, 2)), TensorSpec("k", "INT64", (-1,)))

    def ask(*names):
        return decode_request(
            json.dumps({"inputs": [], "outputs": [{"name": name} for name in names]}).encode()
        )

    assert select_outputs(ask("k", "p"), specs) == specs[::-1]
    assert select_outputs(ask("k"), specs) == specs[1:]
    assert select_outputs(ask(), specs) == specs
    with pytest.raises(RequestError, match=r'outputs\[0\].name must be one of "p", "k", got "z"'):
        select_outputs(ask("z"), specs)
    with pytest.raises(RequestError, match=r'outputs\[1\].name must be named once, got "k"'):
        select_outputs(ask("k", "k"), specs)


def test_nan_leaves_as_null():
    answer = orjson.loads(encode_response("m", "1", "7", {"x": np.array([[np.nan, 1]])}, [PAIRS]).body)
    assert answer["outputs"][0]["data"] == [None, 1.0]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("", "FP32", (1,)), "name must be not empty"),
        (("x", "TEXT", (1,)), "datatype must be one of BOOL"),
        (("x", "FP32", (0,)), r"shape\[0\] must be at least 1, or -1"),
        (("x", "FP32", (-1, -1)), r"shape\[1\] must be at least 1, got -1"),
    ],
)
def test_a_specification_is_checked(arguments, complaint):
    with pytest.raises(InvalidParameterError, match=complaint):
        TensorSpec(*arguments)
