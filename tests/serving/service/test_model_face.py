import numpy as np
import pytest
from small_service import CASCADE, LIMITS, SURE, UNSURE, small_face, small_manifest

from encas.cascade import Cascade, confidence_of
from encas.entries import InputEntry
from encas.serving.protocol.model_config_text import message_of
from encas.serving.service.queueing import QueueLimits
from encas.serving.service.request_batch import RequestAnswer


def answer_of(*rows):
    probabilities = np.array(rows, np.float32).reshape(len(rows), 3)
    return RequestAnswer(
        label=probabilities.argmax(axis=1),
        stage=np.arange(1, len(rows) + 1),
        probabilities=probabilities,
        cascade="echo",
    )


def test_metadata_has_the_tensors_of_the_bundle():
    number = [-1, 1]
    assert small_face().metadata() == {
        "name": "echo",
        "versions": ["1"],
        "platform": "encas",
        "inputs": [{"name": "input", "datatype": "FP32", "shape": [-1, 3]}],
        "outputs": [
            {"name": "probabilities", "datatype": "FP32", "shape": [-1, 3]},
            {"name": "label", "datatype": "INT64", "shape": number},
            {"name": "stage", "datatype": "INT64", "shape": number},
            {"name": "confidence", "datatype": "FP32", "shape": number},
        ],
    }


def test_metadata_of_bytes_says_so():
    face = small_face(manifest=small_manifest(input_dtype="uint8", input_shape=(8, 8, 3)))
    assert face.metadata()["inputs"] == [
        {"name": "input", "datatype": "UINT8", "shape": [-1, 8, 8, 3]}
    ]


def test_metadata_and_config_have_every_input():
    inputs = (
        InputEntry(name="input", dtype="float32", shape=(3,)),
        InputEntry(name="input_2", dtype="uint8", shape=(8, 8, 3)),
    )
    face = small_face(inputs=inputs)
    assert face.metadata()["inputs"] == [
        {"name": "input", "datatype": "FP32", "shape": [-1, 3]},
        {"name": "input_2", "datatype": "UINT8", "shape": [-1, 8, 8, 3]},
    ]
    found = message_of(face.config).input
    assert [(tensor.name, list(tensor.dims)) for tensor in found] == [
        ("input", [3]),
        ("input_2", [8, 8, 3]),
    ]


def test_config_says_how_requests_are_put_together():
    limits = QueueLimits(max_batch_size=4, max_queue_rows=9, max_delay_s=0.0025)
    message = message_of(small_face(limits, n_workers=3).config)
    batching = message.dynamic_batching
    assert (message.name, message.platform, message.max_batch_size) == ("echo", "encas", 4)
    assert list(batching.preferred_batch_size) == [4]
    assert batching.max_queue_delay_microseconds == 2500
    assert batching.default_queue_policy.max_queue_size == 9
    assert batching.default_queue_policy.allow_timeout_override
    assert message.instance_group[0].count == 3


@pytest.mark.parametrize(
    ("device", "kind"), [("cpu", "KIND_CPU"), ("cuda:0", "KIND_GPU"), ("cuda:1", "KIND_GPU")]
)
def test_config_says_where_it_runs(device, kind):
    assert small_face(device=device).config.instance_group[0].kind == kind


def test_config_has_the_thresholds_in_use_and_further_parameters():
    other = Cascade(members=CASCADE.members, thresholds=(0.125,))
    parameters = small_face(cascade=other).config.parameters
    assert {key: value.string_value for key, value in parameters.items()} == {
        "thresholds": "0.125",
        "members": "a,b",
    }


def test_outputs_are_those_of_the_answer_by_name():
    face, answer = small_face(LIMITS), answer_of(SURE, [0.1, 0.2, 0.7])
    assert face.output("probabilities", answer) is answer.probabilities
    assert face.output("label", answer).tolist() == [[0], [2]]
    assert face.output("stage", answer).tolist() == [[1], [2]]
    confidence = face.output("confidence", answer)
    assert (confidence.dtype, confidence.shape) == (np.float32, (2, 1))
    np.testing.assert_array_equal(confidence[:, 0], np.array([0.6, 0.7], np.float32))


@pytest.mark.parametrize("name", ["margin", "entropy", "logit_gap"])
def test_confidence_is_the_cascades(name):
    face = small_face(cascade=Cascade(members=("a", "b"), thresholds=(0.5,), confidence=name))
    answer = answer_of(SURE, UNSURE)
    expected = confidence_of(answer.probabilities, name)
    np.testing.assert_array_equal(face.output("confidence", answer)[:, 0], expected)


def test_outputs_of_no_samples_are_empty():
    shapes = [small_face().output(name, answer_of()).shape for name in ("probabilities", "stage")]
    assert shapes == [(0, 3), (0, 1)]
