"""Members that want images at different sizes, in one cascade, from image files to answers."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from encas.cascade import Cascade
from encas.data.open_data import open_bundle_data
from encas.fronts.front import Front
from encas.fronts.scored_cascade import PoolReference, ScoredCascade
from encas.fronts.scoring import evaluate_front
from encas.manifest import Manifest
from encas.pools.pool import Pool
from encas.runtime import clock
from encas.runtime.loading import load

N_CLASSES, N_IMAGES = 3, 48
SIZES = {"small": [4, 4], "tall": [8, 6], "other": [4, 4]}


def save_model(path: Path, size: list[int], seed: int) -> None:
    """Logits that are a linear map of the pixels, and beside it the preprocessing it wants."""
    n_values = 3 * size[0] * size[1]
    weights = np.random.default_rng(seed).normal(0, 1, (n_values, N_CLASSES)).astype(np.float32)
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes, "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, *size])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", N_CLASSES])],
        [numpy_helper.from_array(weights, "weights")],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
    mean = [0.5, 0.5, 0.5] if path.stem != "other" else [0.4, 0.4, 0.4]
    preprocessing = {"size": size, "mean": mean, "std": [0.3, 0.3, 0.3], "interpolation": "bicubic"}
    path.with_name(f"{path.name}.preprocessing.json").write_text(json.dumps(preprocessing))


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Tests run beside others: any three windows agree."""
    original = clock.StabilityProtocol

    def tolerant(**values):
        return original(**values, tolerance=20.0, min_window_ms=0.5)

    monkeypatch.setattr("encas.commands.measuring_options.StabilityProtocol", tolerant)


@pytest.fixture
def made(encas, tmp_path, monkeypatch) -> Path:
    """A folder with images, three models, their pool, and a bundle of all three."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(5)
    for i in range(N_IMAGES):
        folder = tmp_path / "images" / f"class{i % N_CLASSES}"
        folder.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (16, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:02}.png")
    for seed, (name, size) in enumerate(SIZES.items()):
        save_model(tmp_path / f"{name}.onnx", size, seed)
    models = [word for name in SIZES for word in ("--model", f"onnx:{name}.onnx")]
    ran = encas("pool", "build", *models, "--data", "images", "--out", "pool")
    assert ran.code == 0, ran.err
    pool = Pool.load("pool")
    cascade = Cascade(members=pool.names, thresholds=(0.9, 0.75))
    unscored = Front(
        pool=PoolReference(name=pool.name, sha256="0" * 64, n_samples=1, n_classes=N_CLASSES),
        objectives=("error", "macs"),
        cascades=(ScoredCascade(cascade=cascade, error=0.0, cost=0.0, reach=(1.0, 1.0, 1.0)),),
    )
    evaluate_front(unscored, pool).save("front.json")
    ran = encas("export", "front.json", "pool", "--out", "bundle", "--knee", "--data", "images")
    assert ran.code == 0, ran.err
    return tmp_path


def test_bundle_has_an_input_for_each_preprocessing(made):
    manifest = Manifest.load(made / "bundle")
    assert [entry.name for entry in manifest.inputs] == ["input", "input_2", "input_3"]
    assert [entry.shape for entry in manifest.inputs] == [(3, 4, 4), (3, 8, 6), (3, 4, 4)]
    assert [member.reads for member in manifest.members] == ["input", "input_2", "input_3"]
    assert manifest.further_inputs[0].preprocessing["interpolation"] == "bicubic"
    graph = onnx.load(made / "bundle" / "cascade.onnx").graph
    assert [value.name for value in graph.input][:3] == ["input", "input_2", "input_3"]
    for proof in manifest.proof:
        assert (proof.n_samples, proof.flips) == (N_IMAGES, ())


@pytest.mark.parametrize("backend", ["staged", "graph"])
def test_run_on_image_files_decides_as_the_stored_outputs(encas, made, backend):
    ran = encas("run", "bundle", "--data", "images", "--out", "p.npz", "--backend", backend)
    assert ran.code == 0, ran.err
    pool = Pool.load("pool")
    (scored,) = Front.load("front.json").cascades
    with np.load("p.npz", allow_pickle=False) as found:
        assert (found["label"] == pool.label).mean() == pytest.approx(scored.accuracy)
        reach = [(found["stage"] > j).mean() for j in range(3)]
        assert reach == pytest.approx(scored.reach)
        assert 0 < reach[2] < reach[1] < 1


def test_verify_and_bench_take_every_input(encas, made):
    assert encas("verify", "bundle", "--data", "images", "--pool", "pool").code == 0
    sizes = ("--batch-size", 4, "--window", 3, "--max-windows", 400)
    for data in (("--data", "images"), ()):
        ran = encas("bench", "bundle", *data, *sizes)
        assert ran.code == 0, ran.err


def test_runner_takes_one_array_for_each_input(made):
    dataset = open_bundle_data(made / "bundle", "images")
    rows = np.arange(10)
    for backend in ("staged", "graph"):
        runner = load(made / "bundle", backend=backend)
        whole = runner(dataset.batch(rows))
        arrays = dataset.arrays(rows)
        assert list(arrays) == ["input", "input_2", "input_3"]
        assert np.array_equal(runner(arrays).label, whole.label)
