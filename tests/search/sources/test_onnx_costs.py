"""What ONNX models cost: by hand, and against torch on exported models."""

from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
torch = pytest.importorskip("torch")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from encas.errors import SourceError  # noqa: E402
from encas.search.sources.onnx_costs import ends_in_softmax, onnx_costs  # noqa: E402
from encas.search.sources.timm_models import import_timm  # noqa: E402
from encas.search.sources.torch_costs import torch_costs  # noqa: E402


def save(path: Path, nodes, weights, *, shape=("n", 6), out=("n", None), opset=17, functions=()):
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, out)],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8, functions=functions)
    onnx.save(model, str(path))
    return path


def floats(*shape):
    return np.ones(shape, np.float32)


def test_costs_of_known_nodes_are_their_products(tmp_path):
    path = save(
        tmp_path / "m.onnx",
        [
            helper.make_node("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1], group=2),
            helper.make_node("ConvTranspose", ["a", "t"], ["b"], strides=[2, 2]),
            helper.make_node("GlobalAveragePool", ["b"], ["c"]),
            helper.make_node("Flatten", ["c"], ["d"]),
            helper.make_node("Gemm", ["d", "g"], ["e"], transB=1),
            helper.make_node("MatMul", ["e", "m"], ["f"]),
            helper.make_node("Einsum", ["f", "s"], ["y"], equation="ni,ij->nj"),
        ],
        {
            "w": floats(4, 1, 3, 3),
            "t": floats(4, 3, 2, 2),
            "g": floats(7, 3),
            "m": floats(7, 5),
            "s": floats(5, 2),
        },
        shape=("n", 2, 6, 6),
    )
    costs = onnx_costs(path, (2, 6, 6))
    macs = 4 * 36 * 9 + 4 * 36 * 3 * 4 + 3 * 7 + 7 * 5 + 5 * 2
    assert costs["macs"] == macs
    assert costs["params"] == 36 + 48 + 21 + 35 + 10


def test_costs_of_memory_count_what_lives_together(tmp_path):
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Add", ["a", "b"], ["c"]),
        helper.make_node("MatMul", ["c", "v"], ["y"]),
    ]
    path = save(tmp_path / "m.onnx", nodes, {"w": floats(6, 10), "v": floats(10, 2)})
    # During Add live its two inputs and its output, but no longer the sample.
    assert onnx_costs(path, (6,))["memory_bytes"] == 4 * (60 + 20) + 4 * 30


def test_costs_of_shapes_that_are_computed_are_exact(shared_data):
    path = shared_data / "cifar10" / "weights" / "resnet20.onnx"
    assert onnx_costs(path, (3, 32, 32))["macs"] == 40_551_040


def test_costs_of_a_frozen_batch_are_per_sample(tmp_path):
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    path = save(tmp_path / "m.onnx", nodes, {"w": floats(6, 10)}, shape=(4, 6))
    assert onnx_costs(path, (6,))["macs"] == 60


@pytest.mark.parametrize("operator", ["LSTM", "Loop", "If", "Attention"])
def test_costs_of_what_shapes_do_not_tell_are_refused(tmp_path, operator):
    node = helper.make_node(operator, ["x"], ["y"])
    path = save(tmp_path / "m.onnx", [node], {})
    with pytest.raises(SourceError, match=rf"cannot count the operator {operator}.*--costs"):
        onnx_costs(path, (6,))


def test_costs_of_a_foreign_domain_are_refused(tmp_path):
    node = helper.make_node("FusedMatMul", ["x", "w"], ["y"], domain="com.microsoft")
    path = save(tmp_path / "m.onnx", [node], {"w": floats(6, 2)})
    with pytest.raises(SourceError, match=r"cannot count the operator com\.microsoft\.FusedMatMul"):
        onnx_costs(path, (6,))


def test_costs_of_a_wrong_sample_shape_are_refused(tmp_path):
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    path = save(tmp_path / "m.onnx", [node], {"w": floats(6, 2)})
    with pytest.raises(SourceError, match="cannot be run to count its macs"):
        onnx_costs(path, (7,))


def test_costs_of_no_onnx_file_are_refused(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"no model at all")
    with pytest.raises(SourceError, match="not an ONNX file that can be read"):
        onnx_costs(tmp_path / "m.onnx", (6,))


def test_softmax_at_the_end_is_seen_through_casts(tmp_path):
    soft = [
        helper.make_node("Softmax", ["x"], ["s"]),
        helper.make_node("Identity", ["s"], ["y"]),
    ]
    plain = [helper.make_node("Relu", ["x"], ["y"])]
    assert ends_in_softmax(save(tmp_path / "s.onnx", soft, {}))
    assert not ends_in_softmax(save(tmp_path / "p.onnx", plain, {}))


EXPORTED = ("test_resnet", "test_efficientnet", "test_vit", "test_convnext", "test_mambaout")


@pytest.mark.slow
@pytest.mark.torch
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("name", EXPORTED)
def test_costs_of_exported_models_are_those_that_torch_counts(tmp_path, name):
    timm = import_timm()
    timm.layers.set_fused_attn(enable=False)
    module = timm.create_model(name, num_classes=10).eval()
    side = module.default_cfg["input_size"][-1]
    sample = torch.zeros(1, 3, side, side)
    path = tmp_path / f"{name}.onnx"
    torch.onnx.export(module, (sample,), str(path), dynamo=False, opset_version=17)
    expected = torch_costs(module, sample)["macs"]
    assert onnx_costs(path, (3, side, side))["macs"] == expected
