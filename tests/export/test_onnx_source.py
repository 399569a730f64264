from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from encas.cascade import softmax
from encas.errors import ExportError
from encas.export.onnx_export import export_member, stated_input_shape
from encas.pools.models.specs import source_model
from encas.runtime.ort_session import OrtSession

WEIGHTS = np.random.default_rng(1).normal(0, 1, (12, 5)).astype(np.float32)


@dataclass(frozen=True)
class Recipe:
    """A small ONNX classifier as somebody else might have written it."""

    softmax: str = ""
    batch: int | str = "n"
    reshape: tuple[int, ...] | None = None
    dtype: int = TensorProto.FLOAT
    name: str = "x"
    opset: int = 13
    behind: str = ""

    def save(self, path: Path) -> Path:
        nodes, tensor = [], self.name
        if self.dtype != TensorProto.FLOAT:
            nodes.append(helper.make_node("Cast", [tensor], ["cast"], to=TensorProto.FLOAT))
            tensor = "cast"
        initializers = [numpy_helper.from_array(WEIGHTS, "input")]
        if self.reshape:
            shape = numpy_helper.from_array(np.array(self.reshape, np.int64), "shape")
            initializers.append(shape)
            nodes.append(helper.make_node("Reshape", [tensor, "shape"], ["flat"]))
        else:
            nodes.append(helper.make_node("Flatten", [tensor], ["flat"], axis=1))
        nodes.append(helper.make_node("MatMul", ["flat", "input"], ["probabilities"]))
        last = "probabilities"
        if self.softmax:
            nodes.append(helper.make_node(self.softmax, [last], ["normalised"], axis=-1))
            last = "normalised"
        if self.behind:
            nodes.append(helper.make_node(self.behind, [last], ["end"]))
            last = "end"
        graph = helper.make_graph(
            nodes,
            "somebody's",
            [helper.make_tensor_value_info(self.name, self.dtype, [self.batch, 3, 2, 2])],
            [helper.make_tensor_value_info(last, TensorProto.FLOAT, [self.batch, 5])],
            initializers,
        )
        opsets = [helper.make_opsetid("", self.opset)]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=7), path)
        return path


def exported_from(path: Path, query: str = "", **values):
    return export_member(source_model(f"onnx:{path}{query}"), input_shape=(3, 2, 2), **values)


def run(exported, x):
    content = exported.model.SerializeToString()
    session = OrtSession(content, name="m", input_shape=x.shape[1:], n_classes=exported.n_classes)
    return session.run(x)


@pytest.mark.parametrize(
    ("recipe", "kind"),
    [
        (Recipe(), "logits"),
        (Recipe(softmax="Softmax"), "probabilities"),
        (Recipe(softmax="Softmax", behind="Identity"), "probabilities"),
        (Recipe(softmax="LogSoftmax"), "logits"),
        (Recipe(batch=1), "logits"),
        (Recipe(batch=1, reshape=(1, 12)), "logits"),
        (Recipe(batch=1, reshape=(1, -1)), "logits"),
        (Recipe(batch=4, reshape=(4, 12)), "logits"),
        (Recipe(batch=4, reshape=(4, -1)), "logits"),
        (Recipe(reshape=(-1, 12)), "logits"),
        (Recipe(name="input_1", opset=11), "logits"),
        (Recipe(name="y", softmax="Softmax", opset=17), "probabilities"),
    ],
)
def test_existing_file_becomes_a_member_with_our_names_and_any_batch(tmp_path, rng, recipe, kind):
    exported = exported_from(recipe.save(tmp_path / "m.onnx"))
    assert (exported.exporter, exported.kind, exported.n_classes) == ("onnx", kind, 5)
    onnx.checker.check_model(exported.model, full_check=True)
    for n in (1, 3, 8):
        x = rng.normal(size=(n, 3, 2, 2)).astype(np.float32)
        expected = softmax(x.reshape(n, 12) @ WEIGHTS)
        assert np.allclose(run(exported, x), expected, atol=1e-5)
        raw = exported.raw(x)
        given = raw if kind == "probabilities" else softmax(raw)
        assert np.allclose(given, expected, atol=1e-5)


@pytest.mark.parametrize("softmax_inside", ["", "Softmax"])
def test_existing_file_takes_a_temperature(tmp_path, rng, softmax_inside):
    path = Recipe(softmax=softmax_inside).save(tmp_path / "m.onnx")
    exported = exported_from(path, temperature=3.0)
    x = rng.normal(size=(4, 3, 2, 2)).astype(np.float32)
    expected = softmax(x.reshape(4, 12) @ WEIGHTS / np.float32(3))
    assert np.allclose(run(exported, x), expected, atol=1e-5)


@pytest.mark.parametrize("recipe", [Recipe(), Recipe(softmax="Softmax"), Recipe(opset=11)])
@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_existing_file_of_which_some_outputs_are_wanted_gives_these(
    tmp_path, rng, recipe, temperature
):
    recipe.save(tmp_path / "m.onnx")
    (tmp_path / "columns.json").write_text("[3, 0, 4]")
    query = f"?columns={tmp_path / 'columns.json'}"
    exported = exported_from(tmp_path / "m.onnx", query, temperature=temperature)
    onnx.checker.check_model(exported.model, full_check=True)
    x = rng.normal(size=(4, 3, 2, 2)).astype(np.float32)
    expected = softmax((x.reshape(4, 12) @ WEIGHTS)[:, [3, 0, 4]] / np.float32(temperature))
    assert exported.n_classes == 3
    assert np.allclose(run(exported, x), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("dtype", "name"), [(TensorProto.UINT8, "uint8"), (TensorProto.FLOAT16, "float16")]
)
def test_existing_file_keeps_the_type_of_its_input(tmp_path, dtype, name):
    exported = exported_from(Recipe(dtype=dtype).save(tmp_path / "m.onnx"))
    assert exported.input_dtype == name
    x = np.ones((2, 3, 2, 2), name)
    assert np.allclose(run(exported, x).sum(axis=1), 1, atol=1e-5)


def test_existing_file_of_a_real_network_is_a_member(shared_data, rng):
    source = source_model(f"onnx:{shared_data / 'cifar10' / 'weights' / 'resnet20.onnx'}")
    assert stated_input_shape(source) == (3, 32, 32)
    exported = export_member(source, input_shape=(3, 32, 32))
    x = rng.normal(size=(5, 3, 32, 32)).astype(np.float32)
    assert np.allclose(run(exported, x), softmax(exported.raw(x)), atol=1e-5)


def test_existing_file_says_its_shape_unless_it_is_free(tmp_path):
    path = Recipe().save(tmp_path / "m.onnx")
    assert stated_input_shape(source_model(f"onnx:{path}")) == (3, 2, 2)
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "h"
    onnx.save(model, path)
    assert stated_input_shape(source_model(f"onnx:{path}")) is None


def test_existing_file_with_a_softmax_that_the_spec_denies_gets_a_second_one(tmp_path):
    path = Recipe(softmax="Softmax").save(tmp_path / "m.onnx")
    assert [exported_from(path, said).kind for said in ("", "?kind=logits")] == [
        "probabilities",
        "logits",
    ]


def test_existing_file_that_is_no_probabilities_though_the_spec_says_so_is_refused(tmp_path):
    with pytest.raises(ExportError, match="kind=probabilities, but the model gives no prob"):
        exported_from(Recipe().save(tmp_path / "m.onnx"), "?kind=probabilities")


def test_existing_file_for_other_samples_is_refused(tmp_path):
    path = Recipe().save(tmp_path / "m.onnx")
    with pytest.raises(ExportError, match=r"fails on samples \[3, 4, 4\]"):
        export_member(source_model(f"onnx:{path}"), input_shape=(3, 4, 4))


def test_existing_file_with_a_batch_that_cannot_be_freed_is_refused(tmp_path):
    path = Recipe(batch=4).save(tmp_path / "m.onnx")
    model = onnx.load(path)
    bias = numpy_helper.from_array(np.arange(20, dtype=np.float32).reshape(4, 5), "bias")
    model.graph.initializer.append(bias)
    model.graph.node[-1].output[0] = "before"
    model.graph.node.append(helper.make_node("Add", ["before", "bias"], ["probabilities"]))
    shape = numpy_helper.from_array(np.array([4, 12], np.int64), "shape")
    model.graph.initializer.append(shape)
    model.graph.node[0].CopyFrom(helper.make_node("Reshape", ["x", "shape"], ["flat"]))
    onnx.save(model, path)
    with pytest.raises(ExportError, match="its batch is frozen at 4, and it cannot be run"):
        exported_from(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g: g.output.append(g.output[0]), "has the outputs probabilities"),
        (lambda g: g.input.append(g.input[0]), "expected one input"),
        (
            lambda g: setattr(g.input[0].type.tensor_type, "elem_type", TensorProto.INT64),
            "expected an input of type float32, float16, float64 or uint8",
        ),
        (
            lambda g: setattr(g.output[0].type.tensor_type, "elem_type", TensorProto.INT64),
            "expected an output of type float32, float16 or float64",
        ),
        (
            lambda g: g.input[0].type.tensor_type.ClearField("shape"),
            r"expected an input \[batch, ...\] of known rank",
        ),
    ],
)
def test_existing_file_of_another_kind_is_refused(tmp_path, change, message):
    path = Recipe().save(tmp_path / "m.onnx")
    model = onnx.load(path)
    change(model.graph)
    onnx.save(model, path)
    with pytest.raises(ExportError, match=message):
        exported_from(path)


def test_existing_file_that_is_no_onnx_file_is_refused(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(ExportError, match=r"m\.onnx: not an ONNX file that can be read"):
        exported_from(path)
