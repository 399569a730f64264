"""ONNX files that answer, by the numbers of small graphs."""

from pathlib import Path

import numpy as np
import onnx
import pytest

onnxruntime = pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper  # noqa: E402

from encas.data.preprocessing import Preprocessing  # noqa: E402
from encas.errors import SourceError  # noqa: E402
from encas.pools.models.onnx_runner import OnnxRunner  # noqa: E402
from encas.pools.models.run_settings import RunSettings  # noqa: E402
from encas.pools.models.source_model import SourceModel  # noqa: E402

NEGATIVE = helper.make_node("Neg", ["x"], ["y"])
SOFTMAX = helper.make_node("Softmax", ["x"], ["y"], axis=1)


def tensor(name: str, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def runner_of(
    folder: Path, nodes, inputs, outputs=(("y", ["n", 3]),), *, kind: str | None = None
) -> OnnxRunner:
    graph = helper.make_graph(nodes, "g", inputs, [tensor(*output) for output in outputs])
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), folder / "m.onnx")
    source = SourceModel(spec="onnx:m.onnx", onnx_file=folder / "m.onnx", kind=kind)
    return OnnxRunner(source, RunSettings())


def test_run_gives_what_the_graph_computes(tmp_path):
    runner = runner_of(tmp_path, [NEGATIVE], [tensor("x", ["n", 3])])
    batch = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert runner.frozen_batch is None
    np.testing.assert_array_equal(runner.run(batch, None), -batch)


@pytest.mark.parametrize("kind", [None, "logits", "probabilities"])
def test_kind_is_what_the_user_says(tmp_path, kind):
    assert runner_of(tmp_path, [SOFTMAX], [tensor("x", ["n", 3])], kind=kind).kind == kind


@pytest.mark.parametrize("n", [1, 3, 4])
def test_run_of_fewer_samples_than_a_frozen_batch_answers_those_alone(tmp_path, n):
    runner = runner_of(tmp_path, [NEGATIVE], [tensor("x", [4, 3])], [("y", [4, 3])])
    batch = np.arange(3 * n, dtype=np.float32).reshape(n, 3)
    assert runner.frozen_batch == 4
    np.testing.assert_array_equal(runner.run(batch, None), -batch)


def test_run_of_more_than_a_frozen_batch_is_refused(tmp_path):
    runner = runner_of(tmp_path, [NEGATIVE], [tensor("x", [4, 3])], [("y", [4, 3])])
    with pytest.raises(SourceError, match="onnx:m.onnx: fails on a batch of 5: ") as caught:
        runner.run(np.zeros((5, 3), np.float32), None)
    assert "\n" not in str(caught.value)


def test_run_feeds_the_type_that_the_graph_takes(tmp_path):
    node = helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)
    runner = runner_of(tmp_path, [node], [tensor("x", ["n", 3], TensorProto.FLOAT16)])
    outputs = runner.run(np.array([[0.1, 1, 2]], np.float32), None)
    assert outputs.dtype == np.float32
    assert outputs[0, 0] == np.float32(np.float16(0.1))


def test_run_with_a_preprocessing_normalises_pixels(tmp_path):
    shape = ["n", 3, 1, 2]
    preprocessing = Preprocessing(size=(1, 2), mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.2))
    node = helper.make_node("Flatten", ["x"], ["y"], axis=1)
    runner = runner_of(tmp_path, [node], [tensor("x", shape)], [("y", ["n", 6])])
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 1, 2, 3)
    expected = preprocessing.normalised(pixels).reshape(2, 6)
    np.testing.assert_array_equal(runner.run(pixels, preprocessing), expected)


def test_costs_are_those_of_a_sample(tmp_path):
    runner = runner_of(tmp_path, [NEGATIVE], [tensor("x", ["n", 3])])
    costs = runner.costs(np.zeros((1, 3), np.float32))
    assert (costs["macs"], costs["params"]) == (0, 0)


def test_graph_of_several_inputs_or_outputs_is_refused(tmp_path):
    add = helper.make_node("Add", ["x", "z"], ["y"])
    with pytest.raises(SourceError, match=r"expected one input, got \['x', 'z'\]"):
        runner_of(tmp_path, [add], [tensor("x", ["n", 3]), tensor("z", ["n", 3])])
    other = helper.make_node("Neg", ["x"], ["z"])
    outputs = [("y", ["n", 3]), ("z", ["n", 3])]
    with pytest.raises(SourceError, match=r"has the outputs y \[n, 3\], z \[n, 3\]: say"):
        runner_of(tmp_path, [NEGATIVE, other], [tensor("x", ["n", 3])], outputs)


def test_graph_that_takes_words_is_refused(tmp_path):
    node = helper.make_node("StringNormalizer", ["x"], ["y"])
    graph = helper.make_graph(
        [node], "g", [tensor("x", ["n"], TensorProto.STRING)],
        [tensor("y", ["n"], TensorProto.STRING)],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), tmp_path / "m.onnx")
    source = SourceModel(spec="onnx:m.onnx", onnx_file=tmp_path / "m.onnx")
    with pytest.raises(SourceError, match=r"cannot feed an input of type tensor\(string\)"):
        OnnxRunner(source, RunSettings())


def test_run_never_cuts_floats_to_bytes(tmp_path):
    node = helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)
    runner = runner_of(tmp_path, [node], [tensor("x", ["n", 3], TensorProto.UINT8)])
    whole = np.array([[0, 3, 255]], np.float32)
    np.testing.assert_array_equal(runner.run(whole, None), whole)
    with pytest.raises(SourceError, match=r'takes uint8, the samples are float32 .* "scale": 1'):
        runner.run(whole / 255, None)


def test_run_gives_images_to_a_model_of_tables_as_rows(tmp_path):
    runner = runner_of(tmp_path, [NEGATIVE], [tensor("x", ["n", 6])], [("y", ["n", 6])])
    batch = np.arange(12, dtype=np.float32).reshape(2, 1, 2, 3)
    np.testing.assert_array_equal(runner.run(batch, None), -batch.reshape(2, 6))
    assert runner.costs(batch[:1])["macs"] == 0


def test_run_of_a_batch_that_is_frozen_inside_says_so(tmp_path):
    shape = helper.make_tensor("s", TensorProto.INT64, [2], [1, 3])
    nodes = [
        helper.make_node("Constant", [], ["s"], value=shape),
        helper.make_node("Reshape", ["x", "s"], ["y"]),
    ]
    runner = runner_of(tmp_path, nodes, [tensor("x", ["n", 3])])
    assert runner.run(np.zeros((1, 3), np.float32), None).shape == (1, 3)
    with pytest.raises(SourceError, match="answers one sample but no batch of 4: .* dynamic_axes"):
        runner.run(np.zeros((4, 3), np.float32), None)


@pytest.mark.parametrize(
    ("tokens", "message"),
    [(1, r"frozen at 1, inside the file too; .* dynamic_axes.*\(\[ONNXRuntimeError"), (0, "")],
)
def test_run_of_a_frozen_batch_holds_it_against_a_free_one(tmp_path, tokens, message):
    token = helper.make_tensor("t", TensorProto.FLOAT, [1, 1], [0.5])
    joined = [helper.make_node("Concat", ["x", "t"], ["y"], axis=1)] if tokens else [NEGATIVE]
    nodes = [helper.make_node("Constant", [], ["t"], value=token), *joined]
    runner = runner_of(tmp_path, nodes, [tensor("x", [1, 3])], [("y", [1, 3 + tokens])])
    x = np.zeros((1, 3), np.float32)
    if not message:
        assert runner.run(x, None).shape == (1, 3)
        return
    with pytest.raises(SourceError, match=message):
        runner.run(x, None)


def test_run_of_a_frozen_batch_that_mixes_its_samples_is_refused(tmp_path):
    node = helper.make_node("CumSum", ["x", "axis"], ["y"])
    axis = helper.make_tensor("axis", TensorProto.INT32, [], [0])
    nodes = [helper.make_node("Constant", [], ["axis"], value=axis), node]
    runner = runner_of(tmp_path, nodes, [tensor("x", [1, 3])], [("y", [1, 3])])
    with pytest.raises(SourceError, match=r"frozen at 1, .* \(it answers otherwise\)"):
        runner.run(np.ones((1, 3), np.float32), None)


def test_graph_of_a_training_is_refused(tmp_path):
    flag = helper.make_tensor("flag", TensorProto.BOOL, [], [True])
    nodes = [
        helper.make_node("Constant", [], ["flag"], value=flag),
        helper.make_node("Dropout", ["x", "", "flag"], ["y"]),
    ]
    with pytest.raises(SourceError, match=r"in training mode \(Dropout\), .* model\.eval\(\)"):
        runner_of(tmp_path, nodes, [tensor("x", ["n", 3])])


def test_output_that_is_chosen_is_the_one_that_answers(tmp_path):
    nodes = [NEGATIVE, helper.make_node("Softmax", ["y"], ["z"], axis=1)]
    with pytest.raises(SourceError, match="say which"):
        runner_of(tmp_path, nodes, [tensor("x", ["n", 3])], [("y", ["n", 3]), ("z", ["n", 3])])
    source = SourceModel(spec="onnx:m.onnx", onnx_file=tmp_path / "m.onnx", output="y")
    batch = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(OnnxRunner(source, RunSettings()).run(batch, None), -batch)


def test_file_that_is_something_else_is_told(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    source = SourceModel(spec="onnx:m.onnx", onnx_file=tmp_path / "m.onnx")
    with pytest.raises(
        SourceError, match="no ONNX file, but a pointer of Git LFS .*: run `git lfs pull`"
    ):
        OnnxRunner(source, RunSettings())
