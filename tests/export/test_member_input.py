import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper

from encas.errors import ExportError
from encas.export.member_input import SampleType, feed_member

INFO = helper.make_tensor_value_info


def member_of(dims, elem_type=TensorProto.FLOAT):
    graph = helper.make_graph(
        [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)], "g",
        [INFO("x", elem_type, dims)], [INFO("y", TensorProto.FLOAT, None)],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def answers(member, x):
    return onnxruntime.InferenceSession(member.SerializeToString()).run(None, {"input": x})[0]


@pytest.mark.parametrize(
    ("dims", "elem_type", "dtype", "operators"),
    [
        (["n", 2, 3], TensorProto.FLOAT, "float32", []),
        (["n", 6], TensorProto.FLOAT, "float32", ["Flatten"]),
        (["n", 2, 3], TensorProto.FLOAT16, "float32", ["Cast"]),
        (["n", 6], TensorProto.UINT8, "float32", ["Flatten", "Cast"]),
        (["n", 6], TensorProto.DOUBLE, "uint8", ["Flatten", "Cast"]),
        (["n", 2, 3], TensorProto.UINT8, "uint8", []),
    ],
)
@pytest.mark.parametrize("n", [0, 1, 5])
def test_member_takes_the_samples_of_the_cascade(dims, elem_type, dtype, operators, n):
    member = member_of(dims, elem_type)
    feed_member(member, SampleType(dtype=dtype, shape=(2, 3)), "m")
    assert [node.op_type for node in member.graph.node[:-1]] == operators
    x = np.arange(6 * n, dtype=dtype).reshape(n, 2, 3)
    assert np.array_equal(answers(member, x).reshape(n, 2, 3), x)


def test_member_for_other_samples_is_refused():
    with pytest.raises(ExportError, match=r"m: it takes samples \[7\], but .* are \[2, 3\]"):
        feed_member(member_of(["n", 7]), SampleType(dtype="float32", shape=(2, 3)), "m")
