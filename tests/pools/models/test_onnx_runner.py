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


@pytest.mark.parametrize(
    ("nodes", "kind", "expected"),
    [
        ([NEGATIVE], None, "logits"),
        ([SOFTMAX], None, "probabilities"),
        ([SOFTMAX], "logits", "logits"),
        ([NEGATIVE], "probabilities", "probabilities"),
    ],
)
def test_kind_is_what_is_said_or_what_the_graph_ends_in(tmp_path, nodes, kind, expected):
    assert runner_of(tmp_path, nodes, [tensor("x", ["n", 3])], kind=kind).kind == expected


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
    with pytest.raises(SourceError, match=r"one input and one output, got \['x', 'z', 'y'\]"):
        runner_of(tmp_path, [add], [tensor("x", ["n", 3]), tensor("z", ["n", 3])])
    other = helper.make_node("Neg", ["x"], ["z"])
    outputs = [("y", ["n", 3]), ("z", ["n", 3])]
    with pytest.raises(SourceError, match=r"one input and one output, got \['x', 'y', 'z'\]"):
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
