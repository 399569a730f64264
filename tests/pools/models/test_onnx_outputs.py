import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from encas.errors import SourceError
from encas.pools.models.onnx_outputs import with_scores_alone

INFO = helper.make_tensor_value_info


def model_of(nodes, outputs):
    graph = helper.make_graph(
        nodes,
        "g",
        [INFO("x", TensorProto.FLOAT, ["n", 3])],
        outputs,
        [numpy_helper.from_array(np.ones(3, np.float32), "w")],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def two_outputs():
    nodes = [
        helper.make_node("Mul", ["x", "w"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["prob"], axis=1),
    ]
    scores = [INFO(name, TensorProto.FLOAT, ["n", 3]) for name in ("prob", "logits")]
    return model_of(nodes, scores)


def test_model_of_one_output_is_itself():
    model = two_outputs()
    del model.graph.output[1:]
    assert with_scores_alone(model, None, where="m") is model
    assert with_scores_alone(model, "prob", where="m") is model


@pytest.mark.parametrize(("wanted", "n_nodes"), [("logits", 1), ("prob", 2)])
def test_output_that_is_wanted_stays_with_what_it_needs(wanted, n_nodes):
    model = two_outputs()
    made = with_scores_alone(model, wanted, where="m")
    assert [value.name for value in made.graph.output] == [wanted]
    assert len(made.graph.node) == n_nodes
    assert len(model.graph.output) == 2


def test_several_outputs_that_may_be_meant_are_named():
    named = r"m: has the outputs prob \[n, 3\], logits \[n, 3\]: say .* \?output=prob"
    with pytest.raises(SourceError, match=named):
        with_scores_alone(two_outputs(), None, where="m")
    with pytest.raises(SourceError, match=r"m: has no output 'y', but prob \[n, 3\], logits"):
        with_scores_alone(two_outputs(), "y", where="m")


def test_label_beside_scores_is_left_out():
    nodes = [
        helper.make_node("Mul", ["x", "w"], ["scores"]),
        helper.make_node("ArgMax", ["scores"], ["label"], axis=1, keepdims=0),
    ]
    outputs = [INFO("label", TensorProto.INT64, ["n"]), INFO("scores", TensorProto.FLOAT, None)]
    made = with_scores_alone(model_of(nodes, outputs), None, where="m")
    assert [node.op_type for node in made.graph.node] == ["Mul"]


def test_list_of_dictionaries_is_the_tensor_that_it_was_made_of():
    nodes = [
        helper.make_node("Mul", ["x", "w"], ["scores"]),
        helper.make_node(
            "ZipMap", ["scores"], ["maps"], domain="ai.onnx.ml", classlabels_int64s=[0, 1, 2]
        ),
    ]
    model = model_of(nodes, [helper.make_empty_tensor_value_info("maps")])
    for wanted in (None, "maps"):
        made = with_scores_alone(model, wanted, where="m")
        assert [value.name for value in made.graph.output] == ["scores"]
        assert [node.op_type for node in made.graph.node] == ["Mul"]


def test_what_a_branch_needs_stays():
    branch = helper.make_graph(
        [helper.make_node("Identity", ["doubled"], ["inner"])], "b", [],
        [INFO("inner", TensorProto.FLOAT, ["n", 3])],
    )  # fmt: skip
    nodes = [
        helper.make_node("Add", ["x", "x"], ["doubled"]),
        helper.make_node("Mul", ["x", "w"], ["other"]),
        helper.make_node("Constant", [], ["yes"], value=numpy_helper.from_array(np.array(True))),
        helper.make_node("If", ["yes"], ["y"], then_branch=branch, else_branch=branch),
    ]
    outputs = [INFO(name, TensorProto.FLOAT, ["n", 3]) for name in ("y", "other")]
    made = with_scores_alone(model_of(nodes, outputs), "y", where="m")
    assert [node.op_type for node in made.graph.node] == ["Add", "Constant", "If"]
