import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from encas.errors import ServingError
from encas.serving.protocol.onnx_thresholds import with_thresholds


def graph_with(*tensors):
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])
    node = helper.make_node("Identity", ["x"], ["y"])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])
    graph = helper.make_graph([node], "g", [value], [out], list(tensors))
    return helper.make_model(graph).SerializeToString()


def tensor(name, *numbers):
    return numpy_helper.from_array(np.array(numbers, np.float32), name)


def numbers_in(content):
    initializers = onnx.load_model_from_string(content).graph.initializer
    return {each.name: numpy_helper.to_array(each) for each in initializers}


def test_thresholds_are_replaced_as_float32_and_all_else_stays():
    model = graph_with(tensor("other", 0.5, 0.25), tensor("thresholds", 0.5, 0.25))
    found = numbers_in(with_thresholds(model, (1 / 3, 1.0), where="x"))
    assert found["thresholds"].tolist() == [np.float32(1 / 3), 1.0]
    assert found["thresholds"].dtype == np.float32
    assert found["other"].tolist() == [0.5, 0.25]


def test_thresholds_that_are_as_before_give_the_same_graph():
    model = graph_with(tensor("thresholds", 0.5))
    again = onnx.load_model_from_string(with_thresholds(model, (0.5,), where="x"))
    assert again == onnx.load_model_from_string(model)


@pytest.mark.parametrize(("n_given", "n_there"), [(1, 2), (3, 2), (0, 2)])
def test_thresholds_of_another_number_are_refused(n_given, n_there):
    model = graph_with(tensor("thresholds", *[0.5] * n_there))
    fault = f"c.onnx: the graph has {n_there} thresholds, got {n_given}"
    with pytest.raises(ServingError, match=fault):
        with_thresholds(model, (0.5,) * n_given, where="c.onnx")


def test_graph_of_one_member_takes_no_thresholds_and_stays_as_it_is():
    model = graph_with()
    assert (
        onnx.load_model_from_string(with_thresholds(model, (), where="x")).graph.initializer == []
    )


def test_graph_without_thresholds_refuses_others(tmp_path, bundle):
    model = onnx.load(str(bundle / "members" / "m0.onnx"))
    with pytest.raises(ServingError, match="x: the graph has 0 thresholds, got 2"):
        with_thresholds(model.SerializeToString(), (0.5, 0.5), where="x")
