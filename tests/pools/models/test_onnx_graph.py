import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from encas.errors import SourceError
from encas.pools.models.onnx_graph import (
    frozen_batch,
    load_inlined,
    real_inputs,
    training_operators,
)


def model_of(nodes, *, batch="n", weights=()):
    graph = helper.make_graph(
        nodes,
        "g",
        [
            *(helper.make_tensor_value_info(n, TensorProto.FLOAT, [1]) for n in weights),
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 6]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 6])],
        [numpy_helper.from_array(np.ones(1, np.float32), name) for name in weights],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize(
    ("batch", "frozen"), [("n", None), (None, None), (0, None), (1, 1), (4, 4)]
)
def test_batch_is_frozen_where_the_model_states_a_number(batch, frozen):
    nodes = [helper.make_node("Identity", ["x"], ["y"])]
    assert frozen_batch(model_of(nodes, batch=batch)) == frozen


def test_batch_is_that_of_the_first_input_without_a_default():
    nodes = [helper.make_node("Mul", ["x", "w"], ["y"])]
    model = model_of(nodes, batch=4, weights=("w",))
    assert [value.name for value in real_inputs(model.graph)] == ["x"]
    assert frozen_batch(model) == 4


def test_batch_of_a_model_without_inputs_is_not_frozen():
    model = model_of([helper.make_node("Identity", ["x"], ["y"])])
    del model.graph.input[:]
    assert frozen_batch(model) is None


def test_file_that_is_no_model_is_refused(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"no model")
    with pytest.raises(SourceError, match=r"m\.onnx: not an ONNX file that can be read"):
        load_inlined(tmp_path / "m.onnx")


def test_functions_of_a_file_are_inlined(tmp_path):
    model = model_of([helper.make_node("Twice", ["x"], ["y"], domain="mine")])
    opset = helper.make_opsetid("", 17)
    add = helper.make_node("Add", ["a", "a"], ["b"])
    model.functions.append(helper.make_function("mine", "Twice", ["a"], ["b"], [add], [opset]))
    model.opset_import.append(helper.make_opsetid("mine", 1))
    onnx.save(model, str(tmp_path / "m.onnx"))
    assert [node.op_type for node in load_inlined(tmp_path / "m.onnx").graph.node] == ["Add"]


def norm(mode: int):
    names = ["x", "w", "b", "m", "v"]
    return helper.make_node("BatchNormalization", names, ["y"], training_mode=mode)


@pytest.mark.parametrize(("mode", "found"), [(0, ()), (1, ("BatchNormalization",))])
def test_batch_normalization_trains_where_it_uses_the_batch(mode, found):
    assert training_operators(model_of([norm(mode)])) == found


@pytest.mark.parametrize(("value", "found"), [(False, ()), (True, ("Dropout",))])
def test_dropout_trains_where_it_drops(value, found):
    flag = numpy_helper.from_array(np.array(value), "flag")
    nodes = [
        helper.make_node("Constant", [], ["is_training"], value=flag),
        helper.make_node("Dropout", ["x", "", "is_training"], ["y"]),
    ]
    assert training_operators(model_of(nodes)) == found
    assert training_operators(model_of([helper.make_node("Dropout", ["x"], ["y"])])) == ()
