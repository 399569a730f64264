import onnx
import pytest
from linear_loop import N_CLASSES, SHAPE

from encas.jobs.export_models import export_models
from encas.jobs.portable_model import _file_name


def test_file_takes_any_batch_and_gives_what_the_model_gives(loop, tmp_path):
    export_models(loop.pool, out=tmp_path / "out", data=loop.data)
    graph = onnx.load(tmp_path / "out" / "models" / "small.onnx").graph
    (given,), (taken,) = graph.output, graph.input
    assert (taken.name, given.name) == ("input", "logits")
    dims = [d.dim_param or d.dim_value for d in taken.type.tensor_type.shape.dim]
    assert dims == ["batch", *SHAPE]
    assert given.type.tensor_type.shape.dim[1].dim_value == N_CLASSES
    assert "Softmax" not in {node.op_type for node in graph.node}


@pytest.mark.parametrize(
    ("name", "plain"),
    [("resnet18.a1", "resnet18.a1.onnx"), ("a/b", "a_b-"), ("a b", "a_b-")],
)
def test_file_of_a_model_has_a_plain_name_of_its_own(name, plain):
    assert _file_name(name).startswith(plain)
    assert _file_name("a/b") != _file_name("a b") != _file_name("a_b")
