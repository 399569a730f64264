import numpy as np
import pytest

from encas.serving.grpc.protobuf_codec import decoded_message, encoded_message
from encas.serving.protocol.messages import pb
from encas.serving.protocol.protocol import (
    InferAnswer,
    OutputTensor,
    Refusal,
    RegionSlice,
    RequestedOutput,
)


def message_of(*tensors, raw=(), **values):
    return pb.ModelInferRequest(inputs=tensors, raw_input_contents=raw, **values)


def tensor_of(**values):
    given = {"name": "x", "datatype": "FP32", "shape": [1, 2], **values}
    return pb.ModelInferRequest.InferInputTensor(**given)


def region_parameters(**values):
    return {
        "shared_memory_region": {"string_param": "r"},
        "shared_memory_byte_size": {"int64_param": 8},
        **values,
    }


def refusal(message):
    with pytest.raises(Refusal) as refused:
        decoded_message(message)
    assert refused.value.kind == "invalid"
    return refused.value.message


def test_request_of_raw_contents_is_decoded_in_order():
    parameters = {"timeout": {"int64_param": 7}, "a": {"bool_param": True}}
    request = decoded_message(
        message_of(
            tensor_of(name="a"),
            tensor_of(name="b", shape=[0]),
            raw=[b"12345678", b""],
            model_name="m",
            model_version="1",
            id="7",
            parameters=parameters,
        )
    )
    assert (request.model, request.version, request.id) == ("m", "1", "7")
    assert [(t.name, t.shape, t.content) for t in request.inputs] == [
        ("a", (1, 2), b"12345678"),
        ("b", (0,), b""),
    ]
    assert request.parameters == {"timeout": 7, "a": True}
    assert request.outputs is None


@pytest.mark.parametrize(
    ("datatype", "contents", "numbers"),
    [
        ("FP32", {"fp32_contents": [1.5, 2]}, [1.5, 2.0]),
        ("UINT8", {"uint_contents": [1, 255]}, [1, 255]),
        ("FP32", {"uint_contents": [1, 2]}, []),
        ("FP32", {}, []),
    ],
)
def test_typed_contents_are_those_of_the_data_type(datatype, contents, numbers):
    (tensor,) = decoded_message(message_of(tensor_of(datatype=datatype, contents=contents))).inputs
    assert tensor.content == numbers


def test_typed_contents_of_several_inputs_are_each_ones_own():
    message = message_of(
        tensor_of(name="a", contents={"fp32_contents": [1.5, 2]}),
        tensor_of(name="b", datatype="UINT8", contents={"uint_contents": [1, 255]}),
    )
    found = {tensor.name: tensor.content for tensor in decoded_message(message).inputs}
    assert found == {"a": [1.5, 2.0], "b": [1, 255]}


def test_regions_need_no_content_and_may_stand_among_raw_contents():
    in_region = tensor_of(name="r", parameters=region_parameters())
    first, second, third = decoded_message(
        message_of(tensor_of(name="a"), in_region, tensor_of(name="b"), raw=[b"1", b"2"])
    ).inputs
    assert (first.content, third.content) == (b"1", b"2")
    assert second.content == RegionSlice(region="r", byte_size=8)


def test_outputs_know_how_they_are_wanted():
    outputs = [
        {"name": "label"},
        {"name": "probabilities", "parameters": {"classification": {"int64_param": 3}}},
        {"name": "x", "parameters": region_parameters(shared_memory_offset={"int64_param": 4})},
    ]
    assert decoded_message(pb.ModelInferRequest(outputs=outputs)).outputs == (
        RequestedOutput(name="label"),
        RequestedOutput(name="probabilities", classes=3),
        RequestedOutput(name="x", region=RegionSlice(region="r", byte_size=8, offset=4)),
    )


def test_limits_themselves_are_allowed():
    for shape in ([1] * 7 + [2], []):
        (tensor,) = decoded_message(message_of(tensor_of(shape=shape), raw=[b""])).inputs
        assert tensor.shape == tuple(shape)
    assert len(decoded_message(message_of(*[tensor_of()] * 64)).inputs) == 64
    assert len(decoded_message(pb.ModelInferRequest(outputs=[{"name": "x"}] * 64)).outputs) == 64


@pytest.mark.parametrize("shape", [[1] * 9, [-1], [2, -1]])
def test_impossible_shapes_are_refused(shape):
    message = message_of(tensor_of(shape=shape), raw=[b""])
    assert refusal(message) == "input 'x' has an impossible shape"


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        (message_of(*[tensor_of()] * 65), "expected at most 64 inputs and outputs"),
        (pb.ModelInferRequest(outputs=[{"name": "x"}] * 65), "expected at most 64 inputs"),
        (message_of(tensor_of(), tensor_of(), raw=[b"1"]), "needs its content once, raw or typed"),
        (
            message_of(tensor_of(contents={"fp32_contents": [1]}), raw=[b"1"]),
            "input 'x' needs its content once, raw or typed",
        ),
        (message_of(tensor_of(), raw=[b"1", b"2"]), "more raw contents than inputs that need one"),
        (
            message_of(tensor_of(parameters=region_parameters()), raw=[b""]),
            "more raw contents than inputs that need one",
        ),
        (message_of(tensor_of(datatype="FP16")), "input 'x': send FP16 as raw content"),
        (message_of(tensor_of(datatype="")), "input 'x': send  as raw content"),
        (message_of(parameters={"timeout": {}}), "parameter 'timeout' has no value"),
        (message_of(tensor_of(parameters={"k": {}})), "parameter 'k' has no value"),
        (
            message_of(tensor_of(parameters={"shared_memory_region": {"string_param": "r"}})),
            "shared_memory_byte_size of input 'x' must be a whole number of at least 0",
        ),
    ],
)
def test_request_whose_parts_do_not_fit_is_refused(message, fault):
    assert fault in refusal(message)


@pytest.mark.parametrize(
    "count",
    [{"string_param": "3"}, {"double_param": 3}, {"bool_param": True}, {"int64_param": -1}],
)
def test_classification_that_is_no_count_is_refused_as_over_http(count):
    message = pb.ModelInferRequest(outputs=[{"name": "x", "parameters": {"classification": count}}])
    fault = "classification of output 'x' must be a whole number of at least 0"
    assert refusal(message) == fault


def test_answer_holds_its_numbers_raw_and_names_its_regions():
    outputs = (
        OutputTensor(name="p", datatype="FP32", data=np.array([[0.5, 0.25]], np.float32)),
        OutputTensor(
            name="l",
            datatype="INT64",
            data=np.array([[1]]),
            region=RegionSlice(region="r", byte_size=8, offset=3),
        ),
        OutputTensor(name="c", datatype="BYTES", data=np.array([[b"ab"]], object)),
    )
    message = encoded_message(
        InferAnswer(model="m", version="1", id="7", outputs=outputs, parameters={"cascade": "c"})
    )
    assert (message.model_name, message.model_version, message.id) == ("m", "1", "7")
    assert [(t.name, t.datatype, list(t.shape)) for t in message.outputs] == [
        ("p", "FP32", [1, 2]),
        ("l", "INT64", [1, 1]),
        ("c", "BYTES", [1, 1]),
    ]
    raw = list(message.raw_output_contents)
    assert raw == [np.array([0.5, 0.25], np.float32).tobytes(), b"", b"\2\0\0\0ab"]
    region = message.outputs[1].parameters
    assert region["shared_memory_region"].string_param == "r"
    assert region["shared_memory_byte_size"].int64_param == 8
    assert region["shared_memory_offset"].int64_param == 3
    assert not message.outputs[0].parameters


@pytest.mark.parametrize(
    ("value", "kind"),
    [("a", "string_param"), (7, "int64_param"), (0.5, "double_param"), (True, "bool_param")],
)
def test_answers_parameters_keep_their_types(value, kind):
    answer = InferAnswer(model="m", version="1", id="", outputs=(), parameters={"k": value})
    parameter = encoded_message(answer).parameters["k"]
    assert (parameter.WhichOneof("parameter_choice"), getattr(parameter, kind)) == (kind, value)
