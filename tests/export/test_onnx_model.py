import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from encas.errors import ExportError
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


def _session(model):
    import onnxruntime  # noqa: PLC0415

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model.SerializeToString(), options)
