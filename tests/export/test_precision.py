import numpy as np
import pytest
from onnx import TensorProto, helper

from encas.errors import ExportError
from encas.export.precision import converted


def model(*, end: str = "Softmax"):
    attributes = {"axis": 1} if end == "Softmax" else {}
    nodes = [
        helper.make_node("Flatten", ["input"], ["logits"], axis=1),
        helper.make_node(end, ["logits"], ["probabilities"], **attributes),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 2, 2])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 4])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def test_converted_needs_a_softmax_at_the_end():
    with pytest.raises(ExportError, match="ends in a softmax, got Sigmoid"):
        converted(model(end="Sigmoid"), "float16", [])


def test_converted_to_int8_needs_samples():
    with pytest.raises(ExportError, match="int8 needs calibration samples"):
        converted(model(), "int8", [])


def test_converted_leaves_the_given_model_alone():
    given = model()
    before = given.SerializeToString()
    made = converted(given, "int8", [np.ones((2, 2, 2), np.float32)])
    assert given.SerializeToString() == before
    assert [value.name for value in made.graph.output] == ["probabilities"]
    assert {opset.domain for opset in made.opset_import} == {""}
