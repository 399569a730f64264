import numpy as np
import pytest

from encas.data.preprocessing import Preprocessing
from encas.errors import SourceError
from encas.pools.models.model_runner import ChosenOutputs, open_runner, preprocessing_of
from encas.pools.models.run_settings import RunSettings
from encas.pools.models.source_model import SourceModel

DEFAULT = Preprocessing(size=(8, 8))


def source(**more) -> SourceModel:
    return SourceModel(spec="torch:nets:make", build=lambda: None, **more)  # type: ignore[arg-type]


def test_preprocessing_of_the_model_counts_more_than_the_default():
    own = {"size": [4, 6], "mean": [0.5, 0.5, 0.5], "std": [1, 1, 1]}
    found = preprocessing_of(source(preprocessing=own), DEFAULT)
    assert (found.size, found.mean) == ((4, 6), (0.5, 0.5, 0.5))


def test_preprocessing_that_a_model_lacks_is_the_default():
    assert preprocessing_of(source(), DEFAULT) is DEFAULT


def test_preprocessing_that_nobody_knows_is_refused_with_the_remedy():
    match = "torch:nets:make: its preprocessing is not known: give --preprocessing FILE.json"
    with pytest.raises(SourceError, match=match):
        preprocessing_of(source(), None)


def test_preprocessing_with_faults_is_an_error_of_the_model():
    with pytest.raises(SourceError, match="^torch:nets:make: .*size"):
        preprocessing_of(source(preprocessing={"size": [0, 8]}), DEFAULT)


@pytest.mark.torch
def test_open_runner_of_a_torch_spec_runs_the_module(nets):
    pytest.importorskip("torch")
    runner = open_runner("torch:little_nets:make?classes=5", RunSettings())
    assert runner.kind is None
    assert runner.run(np.zeros((2, 3, 8, 8), np.float32), None).shape == (2, 5)


def test_open_runner_of_an_onnx_spec_runs_the_file_below_its_base(tmp_path):
    pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    x, y = (
        onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, ["n", 3]) for n in ("x", "y")
    )
    node = onnx.helper.make_node("Softmax", ["x"], ["y"], axis=1)
    graph = onnx.helper.make_graph([node], "g", [x], [y])
    opsets = [onnx.helper.make_opsetid("", 17)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8)
    onnx.save(model, tmp_path / "m.onnx")
    runner = open_runner("onnx:m.onnx", RunSettings(), base=tmp_path)
    assert runner.kind is None
    assert runner.run(np.zeros((2, 3), np.float32), None).shape == (2, 3)


def test_open_runner_of_a_missing_file_is_refused(tmp_path):
    with pytest.raises(SourceError, match="no such file"):
        open_runner("onnx:nowhere.onnx", RunSettings(), base=tmp_path)


@pytest.mark.torch
@pytest.mark.parametrize("style", ["net", "softmaxed"])
def test_open_runner_of_a_spec_with_columns_gives_these_outputs(nets, style):
    pytest.importorskip("torch")
    (nets / "columns.json").write_text("[2, 0]")
    kind = "probabilities" if style == "softmaxed" else "logits"
    spec = f"torch:little_nets:make?style={style}&kind={kind}"
    x = np.random.default_rng(0).random((3, 3, 8, 8), np.float32)
    whole = open_runner(spec, RunSettings())
    # Both have the weights of the same draw.
    part = ChosenOutputs(whole, (2, 0), where=spec)
    expected = whole.run(x, None)[:, [2, 0]]
    if style == "softmaxed":
        expected = expected / expected.sum(axis=1, keepdims=True)
    assert np.array_equal(part.run(x, None), expected)
    assert (part.kind, part.frozen_batch) == (kind, None)
    assert part.costs(x[:1]) == whole.costs(x[:1])
    opened = open_runner(f"{spec}&columns=columns.json", RunSettings(), base=nets)
    assert opened.run(x, None).shape == (3, 2)


def test_columns_beyond_the_outputs_are_refused():
    class Two:
        kind, frozen_batch = "logits", None

        def run(self, batch, _preprocessing):
            return np.zeros((len(batch), 2), np.float32)

    with pytest.raises(SourceError, match="expected more than 2 outputs, got 2"):
        ChosenOutputs(Two(), (2, 0), where="it").run(np.zeros((1, 1)), None)
