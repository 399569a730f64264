import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from encas.errors import ExportError
from encas.export.batch_axis import spell_out_reshapes, thaw
from encas.export.onnx_model import (
    MAX_IR_VERSION,
    fresh_name,
    load_model,
    rename_tensors,
    save_model,
    tensor_names,
    tidy,
    weight_bytes,
    with_names,
)
from encas.pools.models.onnx_graph import real_inputs


def model_with_if() -> onnx.ModelProto:
    """y = x + 1 if flag else x, with the 1 in the branch and the x from outside."""
    info = helper.make_tensor_value_info
    one = numpy_helper.from_array(np.ones(1, np.float32), "one")
    then = helper.make_graph(
        [helper.make_node("Add", ["x", "one"], ["plus"])],
        "then", [], [info("plus", TensorProto.FLOAT, ["n"])], [one],
    )  # fmt: skip
    otherwise = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["same"])],
        "else", [], [info("same", TensorProto.FLOAT, ["n"])],
    )  # fmt: skip
    nodes = [helper.make_node("If", ["flag"], ["y"], then_branch=then, else_branch=otherwise)]
    graph = helper.make_graph(
        nodes, "g",
        [info("flag", TensorProto.BOOL, []), info("x", TensorProto.FLOAT, ["n"])],
        [info("y", TensorProto.FLOAT, ["n"])],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])


def test_tensor_names_are_those_of_all_graphs():
    names = tensor_names(model_with_if().graph)
    assert names == {"flag", "x", "y", "one", "plus", "same"}


def test_rename_tensors_reaches_every_graph():
    model = model_with_if()
    rename_tensors(model.graph, lambda name: f"p/{name}")
    assert tensor_names(model.graph) == {
        f"p/{n}" for n in ("flag", "x", "y", "one", "plus", "same")
    }
    onnx.checker.check_model(model, full_check=True)


def test_with_names_moves_whoever_has_the_name():
    model = model_with_if()
    with_names(model.graph, {"x": "one", "y": "x"})
    assert [value.name for value in model.graph.input] == ["flag", "one"]
    assert [value.name for value in model.graph.output] == ["x"]
    onnx.checker.check_model(model, full_check=True)
    session = _session(model)
    found = session.run(None, {"flag": np.array(True), "one": np.zeros(2, np.float32)})[0]
    assert found.tolist() == [1, 1]


def test_fresh_name_is_one_that_nobody_has():
    taken = {"a", "a_1"}
    assert [fresh_name("a", taken), fresh_name("a", taken), fresh_name("b", taken)] == [
        "a_2", "a_3", "b",
    ]  # fmt: skip


def test_tidy_drops_where_a_model_was_made():
    model = model_with_if()
    model.doc_string = model.graph.doc_string = model.graph.node[0].doc_string = "/home/me/x.py"
    entry = model.graph.node[0].metadata_props.add()
    entry.key, entry.value = "stack_trace", "/home/me/x.py"
    model.ir_version = 13
    tidied = tidy(model)
    assert b"/home/me" not in tidied.SerializeToString()
    assert tidied.ir_version == MAX_IR_VERSION


def test_real_inputs_are_those_without_a_default():
    model = model_with_if()
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "flag"))
    assert [value.name for value in real_inputs(model.graph)] == ["x"]


def big_model() -> onnx.ModelProto:
    info = helper.make_tensor_value_info
    weights = numpy_helper.from_array(np.arange(2000, dtype=np.float32).reshape(2, 1000), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])], "g",
        [info("x", TensorProto.FLOAT, ["n", 2])], [info("y", TensorProto.FLOAT, ["n", 1000])],
        [weights],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])


def test_save_model_keeps_small_weights_inside(tmp_path):
    assert weight_bytes(big_model()) == 8000
    assert save_model(big_model(), tmp_path / "below" / "m.onnx") == ()
    assert load_model(tmp_path / "below" / "m.onnx") == big_model()


def test_save_model_puts_large_weights_beside_the_file(tmp_path):
    assert save_model(big_model(), tmp_path / "m.onnx", inline_limit=7999) == ("m.onnx.data",)
    assert (tmp_path / "m.onnx").stat().st_size < 1000
    loaded = load_model(tmp_path / "m.onnx")
    assert weight_bytes(loaded) == 8000
    (tmp_path / "m.onnx.data").unlink()
    with pytest.raises(ExportError, match="not an ONNX file that can be read"):
        load_model(tmp_path / "m.onnx")


def reshaped_model(shape_nodes, initializers=(), opset: int = 18) -> onnx.ModelProto:
    info = helper.make_tensor_value_info
    nodes = [*shape_nodes, helper.make_node("Reshape", ["input", "shape"], ["probabilities"])]
    graph = helper.make_graph(
        nodes, "g",
        [info("input", TensorProto.FLOAT, ["batch", 3, 4])],
        [info("probabilities", TensorProto.FLOAT, ["batch", 12])], list(initializers),
    )  # fmt: skip
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def test_computed_reshape_is_spelled_out_so_that_an_empty_batch_works():
    minus_one = numpy_helper.from_array(np.array([-1], np.int64), "minus_one")
    nodes = [
        helper.make_node("Shape", ["input"], ["n"], start=0, end=1),
        helper.make_node("Concat", ["n", "minus_one"], ["shape"], axis=0),
    ]
    model = reshaped_model(nodes, [minus_one])
    empty = np.zeros((0, 3, 4), np.float32)
    with pytest.raises(Exception, match="cannot be reshaped"):
        _session(model).run(None, {"input": empty})
    found = _session(spell_out_reshapes(model)).run(None, {"input": empty})[0]
    assert found.shape == (0, 12)
    x = np.random.default_rng(0).random((5, 3, 4), np.float32)
    assert np.array_equal(_session(model).run(None, {"input": x})[0], x.reshape(5, 12))


def test_reshape_that_mixes_the_batch_in_is_left_alone():
    shape = numpy_helper.from_array(np.array([12, -1], np.int64), "shape")
    model = reshaped_model([], [shape])
    model.graph.output[0].type.tensor_type.ClearField("shape")
    before = model.SerializeToString()
    assert spell_out_reshapes(model).SerializeToString() == before


def test_spelling_out_a_model_that_cannot_run_is_refused():
    shape = numpy_helper.from_array(np.array([5, 12], np.int64), "shape")
    with pytest.raises(ExportError, match="it cannot be run on a batch of 2"):
        spell_out_reshapes(reshaped_model([], [shape]))


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


def _session(model):
    import onnxruntime  # noqa: PLC0415

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model.SerializeToString(), options)
