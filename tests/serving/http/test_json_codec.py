import json
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from encas.serving.http.json_codec import decoded_request, encoded_answer, json_object
from encas.serving.protocol.protocol import (
    InferAnswer,
    InputTensor,
    OutputTensor,
    Refusal,
    RegionSlice,
    RequestedOutput,
)
from encas.serving.protocol.tensors import array_of_bytes, array_of_numbers, best_classes

TENSOR = {"name": "input", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}


def decoded(head, raw=b"", **options):
    text = json.dumps(head).encode()
    length = len(text) if raw else None
    return decoded_request(text + raw, length, model="m", **options)


def refusal(head, raw=b""):
    with pytest.raises(Refusal) as refused:
        decoded(head, raw)
    return refused.value.message


def test_json_tensor_is_decoded():
    request = decoded({"id": "7", "inputs": [TENSOR], "parameters": {"timeout": 5}}, version="1")
    assert (request.model, request.version, request.id) == ("m", "1", "7")
    assert request.parameters == {"timeout": 5}
    assert (request.outputs, request.binary) == (None, False)
    expected = InputTensor(name="input", datatype="FP32", shape=(1, 2), content=[1, 2])
    assert request.inputs == (expected,)


def test_binary_tensors_take_their_bytes_in_order():
    tensors = [
        {"name": str(i), "datatype": "FP32", "shape": [i], "parameters": {"binary_data_size": i}}
        for i in (2, 0, 3)
    ]
    request = decoded({"inputs": tensors}, b"abcde")
    assert [bytes(tensor.content) for tensor in request.inputs] == [b"ab", b"", b"cde"]


def test_outputs_know_how_they_are_wanted():
    outputs = [
        {"name": "a", "parameters": {"binary_data": False, "classification": 3}},
        {"name": "b", "parameters": {"shared_memory_region": "r", "shared_memory_byte_size": 8}},
    ]
    request = decoded({"outputs": outputs, "parameters": {"binary_data_output": True}})
    assert request.outputs == (
        RequestedOutput(name="a", binary=False, classes=3),
        RequestedOutput(name="b", region=RegionSlice(region="r", byte_size=8)),
    )


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"name": None}, "an input's name must be a string"),
        ({"datatype": 1}, "datatype of input 'input' must be a string"),
        ({"shape": "1"}, "shape of input 'input' must be a list"),
        ({"shape": [-1]}, "whole numbers of at least 0"),
        ({"shape": [True]}, "whole numbers of at least 0"),
        ({"shape": [1] * 9}, "9 dimensions, more than 8"),
        ({"data": None}, "input 'input' must be a list"),
        ({"data": {}}, "input 'input' must be a list"),
        ({"parameters": []}, None),
        ({"parameters": [1]}, "must be a JSON object"),
        ({"parameters": {"x": []}}, "parameter 'x' of input 'input' must be a plain value"),
        ({"parameters": {"binary_data_size": -1}}, "whole number of at least 0"),
        ({"parameters": {"binary_data_size": 9}}, "has 9 bytes, but 0 are left"),
        ({"parameters": {"shared_memory_region": 1}}, "must be a string"),
        ({"parameters": {"shared_memory_region": "r"}}, "shared_memory_byte_size"),
    ],
)
def test_input_that_is_none_is_refused(change, fault):
    if fault is None:
        assert decoded({"inputs": [TENSOR | change]}).inputs
    else:
        assert fault in refusal({"inputs": [TENSOR | change]})


@pytest.mark.parametrize(
    ("head", "raw", "fault"),
    [
        ({"inputs": {}}, b"", "inputs must be a list"),
        ({"inputs": [1]}, b"", "an input must be a JSON object"),
        ({"inputs": [TENSOR] * 65}, b"", "at most 64 inputs, got 65"),
        ({"inputs": [TENSOR]}, b"abc", "3 bytes of the request belong to no input"),
        ({"id": 5}, b"", "id must be a string"),
        ({"parameters": {"binary_data_output": 1}}, b"", "binary_data_output must be true"),
        ({"outputs": [{"name": "x", "parameters": {"classification": "2"}}]}, b"", "whole number"),
    ],
)
def test_request_that_is_none_is_refused(head, raw, fault):
    assert fault in refusal(head, raw)


@pytest.mark.parametrize("length", [0, 3, -1])
def test_header_length_outside_of_the_body_is_refused(length):
    with pytest.raises(Refusal, match=r"in range 1\.\.2"):
        decoded_request(b"{}", length, model="m")


@given(st.binary(max_size=200), st.integers(0, 250))
def test_any_bytes_are_a_request_or_refused(body, length):
    with suppress(Refusal):
        assert decoded_request(body, length, model="m").model == "m"


def test_empty_body_is_an_empty_object():
    assert json_object(b"") == {}


@given(
    hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2)),
    st.booleans(),
)
def test_answer_is_decoded_to_the_same_numbers(probabilities, binary):
    label = np.arange(len(probabilities))[:, None]
    outputs = (
        OutputTensor(name="p", datatype="FP32", data=probabilities, binary=binary),
        OutputTensor(name="l", datatype="INT64", data=label, binary=not binary),
    )
    answer = InferAnswer(model="m", version="1", id="", outputs=outputs)
    if not binary and not np.isfinite(probabilities).all():
        with pytest.raises(Refusal, match="ask for binary data"):
            encoded_answer(answer)
        return
    body, length = encoded_answer(answer)
    head, raw = json.loads(body[:length]), body[length:]
    found = head["outputs"][0]
    assert found["shape"] == list(probabilities.shape)
    if binary:
        values = np.frombuffer(raw, np.float32)
        assert found["parameters"]["binary_data_size"] == probabilities.nbytes
    else:
        values = np.array(found["data"], np.float32)
    np.testing.assert_array_equal(values, probabilities.ravel())


@pytest.mark.parametrize(
    ("content", "dtype", "fault"),
    [
        ([1, 2, 3], "float32", r"shape \[1, 2\] needs 2 numbers, got 3"),
        ([[1], [2, 3]], "float32", "ragged"),
        (["1", "2"], "float32", "must be numbers of type float32"),
        ([None, 1], "float32", "must be numbers of type float32"),
        ([10**400, 1], "float32", "must be numbers of type float32"),
        ([1.5, 2], "uint8", "must be numbers of type uint8"),
        ([256, 0], "uint8", "out of the range of uint8"),
        ([-1, 0], "uint8", "out of the range of uint8"),
    ],
)
def test_numbers_that_make_no_tensor_are_refused(content, dtype, fault):
    with pytest.raises(Refusal, match=fault):
        array_of_numbers(content, (1, 2), dtype, name="x")


@pytest.mark.parametrize("content", [[1, 2, 3, 4], [[1, 2], [3, 4]], [[[1, 2], [3, 4]]]])
def test_numbers_may_be_nested_or_flat(content):
    array = array_of_numbers(content, (2, 2), "float32", name="x")
    assert (array.dtype, array.tolist()) == (np.float32, [[1, 2], [3, 4]])


def test_no_numbers_make_an_empty_tensor():
    assert array_of_numbers([], (0, 3), "float32", name="x").shape == (0, 3)


def test_bytes_of_another_length_are_refused():
    with pytest.raises(Refusal, match="expected 8, got 7"):
        array_of_bytes(b"1234567", (1, 2), "float32", name="x")


def test_best_classes_name_score_index_and_class():
    probabilities = np.array([[0.25, 0.5, 0.25], [0.0, 0.0, 1.0]], np.float32)
    found = best_classes(probabilities, 2, ("a", "b", "c"))
    assert found.tolist() == [
        [b"0.500000:1:b", b"0.250000:0:a"],
        [b"1.000000:2:c", b"0.000000:0:a"],
    ]
    assert best_classes(probabilities, 9, None).shape == (2, 3)
    assert best_classes(probabilities, 1, None)[0, 0] == b"0.500000:1"
