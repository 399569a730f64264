import json
from contextlib import suppress
from dataclasses import replace

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
        ({"parameters": {"binary_data_size": True}}, "whole number of at least 0"),
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


def test_limits_themselves_are_allowed():
    shape = [1] * 7 + [2]
    (tensor,) = decoded({"inputs": [TENSOR | {"shape": shape}]}).inputs
    assert tensor.shape == tuple(shape)
    assert len(decoded({"inputs": [TENSOR] * 64}).inputs) == 64
    assert len(decoded({"outputs": [{"name": "x"}] * 64}).outputs) == 64
    assert "at most 64 outputs, got 65" in refusal({"outputs": [{"name": "x"}] * 65})


def test_binary_size_that_is_true_takes_no_byte():
    tensor = {"name": "x", "datatype": "UINT8", "shape": [1]}
    head = {"inputs": [tensor | {"parameters": {"binary_data_size": True}}]}
    assert refusal(head, b"\x01").startswith("binary_data_size of input 'x' must be a whole number")


@pytest.mark.parametrize("length", [2, None])
def test_header_length_of_the_whole_body_leaves_no_raw_bytes(length):
    assert decoded_request(b"{}", length, model="m").inputs == ()


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"1", "the request must be a JSON object"),
        (b"{", "failed to parse the JSON of the request: Expecting"),
        (
            b'{"id": "a", "id": "b"}',
            "failed to parse the JSON of the request: the key 'id' comes twice",
        ),
        (b'{"id": NaN}', "failed to parse the JSON of the request: NaN is not a JSON number"),
    ],
)
def test_body_that_is_no_object_is_refused(body, fault):
    with pytest.raises(Refusal, match=f"^{fault}") as refused:
        decoded_request(body, len(body), model="m")
    assert refused.value.kind == "invalid"


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
    assert json_object(b'{"a": 1}') == {"a": 1}


def test_object_that_is_none_is_refused_by_its_name():
    with pytest.raises(Refusal, match="^failed to parse the JSON of the settings: "):
        json_object(b"{", what="the settings")


def test_answer_is_short_json_with_its_id_where_it_has_one():
    plain = InferAnswer(model="m", version="1", id="", outputs=(), parameters={"cascade": "c"})
    text = b'{"model_name":"m","model_version":"1","parameters":{"cascade":"c"},"outputs":[]}'
    assert encoded_answer(plain) == (text, None)
    assert json.loads(encoded_answer(replace(plain, id="7"))[0]) == {**json.loads(text), "id": "7"}


def test_answer_in_shared_memory_says_where_and_holds_no_number():
    region = RegionSlice(region="r", byte_size=8, offset=3)
    output = OutputTensor(name="l", datatype="INT64", data=np.array([[1]]), region=region)
    answer = InferAnswer(model="m", version="1", id="", outputs=(output,))
    body, length = encoded_answer(answer)
    place = {
        "shared_memory_region": "r",
        "shared_memory_byte_size": 8,
        "shared_memory_offset": 3,
    }
    head = {"name": "l", "datatype": "INT64", "shape": [1, 1], "parameters": place}
    assert (json.loads(body)["outputs"], length) == ([head], None)


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
