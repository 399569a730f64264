import numpy as np
import pytest
from onnx import helper, numpy_helper
from reshaped_model import reshaped_model

from encas.pools.models.onnx_batch import thaw, thawed_copy


@pytest.mark.parametrize(
    ("given", "thawed"), [([4, 12], [-1, 12]), ([4, -1], [0, -1]), ([12, 4], [12, 4])]
)
@pytest.mark.parametrize("kind", ["initializer", "constant", "ints"])
def test_thaw_frees_the_batch_of_constant_shapes(kind, given, thawed):
    tensor = numpy_helper.from_array(np.array(given, np.int64), "shape")
    if kind == "initializer":
        model = reshaped_model([], [tensor])
    elif kind == "constant":
        model = reshaped_model([helper.make_node("Constant", [], ["shape"], value=tensor)])
    else:
        model = reshaped_model([helper.make_node("Constant", [], ["shape"], value_ints=given)])
    thaw(model.graph, 4)
    if kind == "initializer":
        found = numpy_helper.to_array(model.graph.initializer[0])
    else:
        found = numpy_helper.to_array(model.graph.node[0].attribute[0].t)
    assert found.tolist() == thawed


@pytest.mark.parametrize("shape", [[4], [5, 12]])
def test_thaw_leaves_what_is_no_shape_with_that_batch(shape):
    tensor = numpy_helper.from_array(np.array(shape, np.int64), "shape")
    model = reshaped_model([], [tensor])
    before = model.SerializeToString()
    thaw(model.graph, 4)
    assert model.SerializeToString() == before


def test_thaw_leaves_numbers_that_are_no_shapes():
    numbers = numpy_helper.from_array(np.array([4, 12], np.int64), "numbers")
    node = helper.make_node("Reshape", ["input", "shape"], ["probabilities"])
    model = reshaped_model([helper.make_node("Identity", ["numbers"], ["shape"])], [numbers])
    assert model.graph.node[-1] == node
    before = model.SerializeToString()
    thaw(model.graph, 4)
    assert model.SerializeToString() == before


def test_thawed_copy_takes_any_batch_and_leaves_the_model_alone():
    shape = numpy_helper.from_array(np.array([4, 12], np.int64), "shape")
    model = reshaped_model([], [shape])
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 4
    before = model.SerializeToString()
    copy = thawed_copy(model, 4)
    assert model.SerializeToString() == before
    assert copy.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    assert numpy_helper.to_array(copy.graph.initializer[0]).tolist() == [-1, 12]
