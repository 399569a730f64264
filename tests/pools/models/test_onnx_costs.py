"""What ONNX models cost: by hand, and against torch on exported models."""

from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
torch = pytest.importorskip("torch")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from encas.errors import SourceError  # noqa: E402
from encas.pools.models.onnx_costs import onnx_costs  # noqa: E402
from encas.pools.models.timm_models import import_timm  # noqa: E402
from encas.pools.models.torch_costs import torch_costs  # noqa: E402


def save(path: Path, nodes, weights, *, shape=("n", 6), out=("n", None), opset=17, functions=()):
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, out)],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    opsets += [helper.make_opsetid("mine", 1)]
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


@pytest.mark.parametrize("operator", ["LSTM", "Loop", "If"])
def test_costs_of_what_shapes_do_not_tell_are_refused(tmp_path, operator):
    node = helper.make_node(operator, ["x"], ["y"])
    path = save(tmp_path / "m.onnx", [node], {})
    with pytest.raises(SourceError, match=rf"cannot count the operator {operator}.*--costs"):
        onnx_costs(path, (6,))


@pytest.mark.parametrize("operator", ["Attention", "GroupQueryAttention", "MatMulNBits"])
def test_costs_of_foreign_operators_are_refused(tmp_path, operator):
    node = helper.make_node(operator, ["x", "w"], ["y"], domain="com.microsoft")
    path = save(tmp_path / "m.onnx", [node], {"w": floats(6, 2)})
    with pytest.raises(SourceError, match=rf"cannot count the operator com\.microsoft\.{operator}"):
        onnx_costs(path, (6,))


@pytest.mark.parametrize(
    ("inputs", "attributes"),
    [
        (["x", "w", "w", "", "past"], {}),
        (["x"], {}),
        (["x", "w", "w"], {"transBatchA": 1}),
    ],
)
def test_costs_of_attention_to_other_keys_are_refused(tmp_path, inputs, attributes):
    node = helper.make_node("Attention", inputs, ["y"], **attributes)
    path = save(tmp_path / "m.onnx", [node], {"w": floats(6, 2)}, opset=23)
    with pytest.raises(SourceError, match="operator Attention with all that it is given"):
        onnx_costs(path, (6,))


def test_costs_of_functions_are_those_of_their_nodes(tmp_path):
    body = [helper.make_node("MatMul", ["a", "b"], ["c"])]
    function = helper.make_function(
        "mine", "Project", ["a", "b"], ["c"], body, [helper.make_opsetid("", 17)]
    )
    node = helper.make_node("Project", ["x", "w"], ["y"], domain="mine")
    path = save(tmp_path / "m.onnx", [node], {"w": floats(6, 5)}, functions=[function])
    assert onnx_costs(path, (6,))["macs"] == 30


def test_costs_of_a_wrong_sample_shape_are_refused(tmp_path):
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    path = save(tmp_path / "m.onnx", [node], {"w": floats(6, 2)})
    with pytest.raises(SourceError, match="cannot be run to count its macs"):
        onnx_costs(path, (7,))


def test_costs_of_no_onnx_file_are_refused(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"no model at all")
    with pytest.raises(SourceError, match="not an ONNX file that can be read"):
        onnx_costs(tmp_path / "m.onnx", (6,))


EXPORTED = ("test_resnet", "test_efficientnet", "test_vit", "test_convnext", "test_mambaout")


@pytest.fixture(params=EXPORTED)
def exported(request, tmp_path):
    """A timm model as an ONNX file, the shape of a sample, and the macs that torch counts."""
    timm = import_timm()
    timm.layers.set_fused_attn(enable=False)
    module = timm.create_model(request.param, num_classes=10).eval()
    timm.layers.set_fused_attn(enable=True)
    shape = module.default_cfg["input_size"]
    path = tmp_path / "model.onnx"
    torch.onnx.export(module, (torch.zeros(1, *shape),), str(path), dynamo=False, opset_version=17)
    return path, shape, torch_costs(module, torch.zeros(1, *shape))["macs"]


@pytest.mark.slow
@pytest.mark.torch
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_costs_of_exported_and_of_optimized_models_are_those_that_torch_counts(exported, tmp_path):
    path, shape, expected = exported
    assert onnx_costs(path, shape)["macs"] == expected
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    assert onnx_costs(tmp_path / "optimized.onnx", shape)["macs"] == expected


@pytest.mark.slow
@pytest.mark.torch
@pytest.mark.filterwarnings("ignore")
def test_costs_of_attention_as_one_operator_are_those_that_torch_counts(tmp_path):
    module = import_timm().create_model("test_vit", num_classes=10).eval()
    sample = torch.zeros(1, 3, 160, 160)
    program = torch.onnx.export(module, (sample,), dynamo=True, opset_version=23, verbose=False)
    program.save(str(tmp_path / "m.onnx"))
    kinds = {node.op_type for node in onnx.load(str(tmp_path / "m.onnx")).graph.node}
    assert "Attention" in kinds
    assert onnx_costs(tmp_path / "m.onnx", (3, 160, 160))["macs"] == 37_571_968
    assert torch_costs(module, sample)["macs"] == 37_571_968
