"""The Triton models in this process, with a stand-in for what Triton gives them.

Their code is the code beside `model.py` in a repository that was written: it must run on its own.
"""

import asyncio
import importlib
import io
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from encas.data.images import sample_of_pixels
from encas.data.preprocessing import Preprocessing
from encas.runtime.executor import Runner
from encas.runtime.loading import load
from encas.serving.protocol.model_config_text import parsed_text
from encas.serving.triton.layout_options import LayoutOptions
from encas.serving.triton.repository import write_repository
from encas.serving.triton.vendoring import PACKAGE, ROOT, model_files, own_modules

SHAPE = (1, 4, 4)
HOW = {"size": [4, 4], "resize": 4, "mean": [0.5], "std": [0.25]}


@dataclass
class FakeTriton:
    """Triton's module `triton_python_backend_utils`: tensors, responses, metrics, other models."""

    models: dict = field(default_factory=dict)
    calls: list = field(default_factory=list)
    counts: dict = field(default_factory=dict)

    TRITONSERVER_MEMORY_CPU = 0

    class TritonModelException(Exception):  # noqa: N818 - Triton's name
        pass

    class Tensor:
        def __init__(self, name, array):
            self.name, self.array = name, array

        def as_numpy(self):
            return self.array

    class TritonError:
        INVALID_ARG = 3

        def __init__(self, text, code=None):
            self.text, self.code = text, code

        def message(self):
            return self.text

    class InferenceResponse:
        def __init__(self, tensors=(), error=None):
            self.tensors, self._error = {t.name: t.array for t in tensors}, error

        def has_error(self):
            return self._error is not None

        def error(self):
            return self._error

    def PreferredMemory(self, kind, index):
        return (kind, index)

    def get_input_tensor_by_name(self, request, name):
        return self.Tensor(name, request[name])

    def get_output_tensor_by_name(self, response, name):
        return self.Tensor(name, response.tensors[name])

    def triton_string_to_numpy(self, name):
        return {"TYPE_FP32": np.float32}[name]

    def InferenceRequest(self, *, model_name, requested_output_names, inputs, preferred_memory):
        assert requested_output_names == ["probabilities"]

        async def answer():
            self.calls.append((model_name, len(inputs[0].array)))
            outputs = self.models[model_name](inputs[0].array)
            if isinstance(outputs, str):
                return self.InferenceResponse(error=self.TritonError(outputs))
            return self.InferenceResponse([self.Tensor("probabilities", outputs)])

        return SimpleNamespace(async_exec=answer)

    @property
    def MetricFamily(self):
        counts = self.counts

        class MetricFamily:
            COUNTER = "counter"

            def __init__(self, *, name, description, kind):
                assert (name, kind) == ("encas_exits_total", "counter")

            def Metric(self, *, labels):
                key = (labels["model"], labels["stage"])
                counts[key] = 0
                return SimpleNamespace(increment=lambda n: counts.update({key: counts[key] + n}))

        return MetricFamily


@pytest.fixture
def triton(monkeypatch):
    fake = FakeTriton()
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", fake)
    return fake


@pytest.fixture
def loaded(triton, monkeypatch):
    """Loads a model of a repository as Triton does: from its own folder alone."""

    def open_model(repository, name):
        folder = repository / name / "1"
        for module in [m for m in sys.modules if m == "model" or m.startswith(PACKAGE)]:
            monkeypatch.delitem(sys.modules, module)
        monkeypatch.syspath_prepend(str(folder))
        importlib.invalidate_caches()
        model = importlib.import_module("model").TritonPythonModel()
        model.initialize(arguments(repository, name))
        assert sys.modules[f"{PACKAGE}.serving"].__file__.startswith(str(folder))
        return model

    yield open_model
    for module in [m for m in sys.modules if m == "model" or m.startswith(PACKAGE)]:
        del sys.modules[module]


def arguments(repository, name):
    config = parsed_text((repository / name / "config.pbtxt").read_text(), where=name)
    values = {
        "max_batch_size": config.max_batch_size,
        "parameters": {k: {"string_value": v.string_value} for k, v in config.parameters.items()},
        "output": [
            {"name": o.name, "dims": list(o.dims), "data_type": "TYPE_FP32"} for o in config.output
        ],
    }
    return {
        "model_config": json.dumps(values),
        "model_repository": str(repository / name),
        "model_version": "1",
        "model_name": name,
        "model_instance_kind": "CPU",
        "model_instance_device_id": "0",
    }


def written(bundle, folder, **values):
    options = LayoutOptions(**{"target": "cpu", "backend": "python", "threads": 1, **values})
    return write_repository([bundle], folder / "models", options).path


def samples(*sizes):
    rng = np.random.default_rng(3)
    return [rng.normal(0, 1, (n, *SHAPE)).astype(np.float32) for n in sizes]


def joined(responses, name):
    return np.concatenate([response.tensors[name] for response in responses])


def test_bls_decides_as_the_executor_and_calls_each_member_once(triton, loaded, bundle, tmp_path):
    runner = load(bundle)
    triton.models = {s.info.name: s.run for s in runner.sessions}
    model = loaded(written(bundle, tmp_path, layout="bls"), "three")
    parts = samples(3, 1, 20)
    responses = asyncio.run(model.execute([{"input": part} for part in parts]))
    expected = runner(np.concatenate(parts))
    assert [len(r.tensors["label"]) for r in responses] == [3, 1, 20]
    np.testing.assert_array_equal(joined(responses, "label")[:, 0], expected.label)
    np.testing.assert_array_equal(joined(responses, "stage")[:, 0], expected.stage)
    np.testing.assert_array_equal(joined(responses, "probabilities"), expected.probabilities)
    confidence = expected.probabilities.max(axis=1)
    np.testing.assert_array_equal(joined(responses, "confidence")[:, 0], confidence)
    left = [24, int((expected.stage > 1).sum()), int((expected.stage > 2).sum())]
    assert triton.calls == [("m0", left[0]), ("m1", left[1]), ("m2", left[2])]
    counts = {("three", str(j)): int((expected.stage == j).sum()) for j in (1, 2, 3)}
    assert triton.counts == counts


def test_bls_on_a_gpu_pads_calls_to_buckets(triton, loaded, bundle, tmp_path):
    runner = load(bundle)
    triton.models = {s.info.name: s.run for s in runner.sessions}
    repository = written(
        bundle, tmp_path, layout="bls", target="gpu", backend="onnxruntime", max_batch_size=16
    )
    (x,) = samples(11)
    responses = asyncio.run(loaded(repository, "three").execute([{"input": x}]))
    np.testing.assert_array_equal(joined(responses, "stage")[:, 0], runner(x).stage)
    assert all(size in (1, 2, 4, 8, 16) for _, size in triton.calls)
    assert triton.calls[0] == ("m0", 16)


def test_bls_whose_member_fails_says_which(triton, loaded, bundle, tmp_path):
    triton.models = {"m0": lambda _x: "out of memory"}
    model = loaded(written(bundle, tmp_path, layout="bls"), "three")
    with pytest.raises(FakeTriton.TritonModelException, match="m0: out of memory"):
        asyncio.run(model.execute([{"input": samples(2)[0]}]))


def test_python_layout_runs_the_bundle_beside_it(triton, loaded, bundle, tmp_path):
    repository = written(bundle, tmp_path, layout="python", thresholds=(1.0, 0.0))
    parts = samples(2, 5)
    responses = loaded(repository, "three").execute([{"input": part} for part in parts])
    runner = load(bundle)
    forced = Runner(replace(runner.cascade, thresholds=(1.0, 0.0)), runner.sessions)
    expected = forced(np.concatenate(parts))
    assert set(expected.stage) == {2}
    np.testing.assert_array_equal(joined(responses, "stage")[:, 0], expected.stage)
    np.testing.assert_array_equal(joined(responses, "probabilities"), expected.probabilities)
    assert triton.counts == {("three", "1"): 0, ("three", "2"): 7, ("three", "3"): 0}


def test_member_runs_its_file_under_the_names_of_the_configuration(
    triton, loaded, bundle, tmp_path
):
    repository = written(bundle, tmp_path, layout="bls")
    parts = samples(2, 3)
    responses = loaded(repository, "m1").execute([{"input": part} for part in parts])
    expected = load(bundle).sessions[1].run(np.concatenate(parts))
    np.testing.assert_allclose(joined(responses, "probabilities"), expected, atol=1e-7)


def test_graph_in_the_python_backend_gives_the_shapes_of_the_configuration(
    triton, loaded, bundle, tmp_path
):
    (x,) = samples(6)
    (response,) = loaded(written(bundle, tmp_path), "three").execute([{"input": x}])
    expected = load(bundle)(x)
    np.testing.assert_array_equal(response.tensors["stage"], expected.stage[:, None])
    assert response.tensors["confidence"].shape == (6, 1)


@pytest.fixture
def pictured(bundle, tmp_path):
    shutil.copytree(bundle, tmp_path / "three")
    manifest = json.loads((bundle / "manifest.json").read_text())
    content = json.dumps(manifest | {"preprocessing": HOW})
    (tmp_path / "three" / "manifest.json").write_text(content)
    return tmp_path / "three"


def test_preprocessing_makes_samples_and_refuses_what_is_no_image(
    triton, loaded, pictured, tmp_path
):
    model = loaded(written(pictured, tmp_path, layout="ensemble"), "three_preprocess")
    pixels = np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    good = {"image": np.array([[buffer.getvalue()]] * 2, object)}
    bad = {"image": np.array([[b"nonsense"]], object)}
    whole, broken, raw = model.execute([good, bad, {"image": pixels[None]}])
    expected = sample_of_pixels(pixels, Preprocessing.of(HOW))
    np.testing.assert_array_equal(whole.tensors["input"], np.stack([expected] * 2))
    np.testing.assert_array_equal(raw.tensors["input"], expected[None])
    assert broken.has_error()
    assert "not an image that can be read" in broken.error().message()
    assert broken.error().code == FakeTriton.TritonError.INVALID_ARG


def test_postprocessing_gives_class_names(triton, loaded, pictured, tmp_path):
    model = loaded(written(pictured, tmp_path, layout="ensemble"), "three_postprocess")
    label = np.array([[4], [0]])
    responses = model.execute([{"label": label}, {"label": label[:1]}])
    assert joined(responses, "class").tolist() == [[b"eel"], [b"ant"], [b"eel"]]


@pytest.mark.parametrize(
    "module", ["triton_bls", "triton_python", "triton_member", "triton_preprocess"]
)
def test_copied_code_imports_without_this_package(module, tmp_path):
    for path, text in model_files(module).items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (tmp_path / "triton_python_backend_utils.py").write_text("")
    code = (
        "import sys; sys.modules['encas'] = None; sys.path.insert(0, sys.argv[1]); "
        "import model; assert 'torch' not in sys.modules; print(model.TritonPythonModel.__module__)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, str(tmp_path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == f"{PACKAGE}.serving.triton.{module}\n", done.stderr


def test_bls_needs_nothing_but_numpy():
    names = [path.relative_to(ROOT).as_posix() for path in own_modules(_module("triton_bls"))]
    assert names == [
        "arrays.py", "cascade.py", "errors.py", "runtime/batching.py",
        "serving/triton/triton_batch.py", "serving/triton/triton_bls.py",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["batch", "bls", "python", "member", "preprocess", "postprocess"])
def test_triton_model_is_short(name):
    assert len(_module(f"triton_{name}").read_text().splitlines()) < 100


def _module(name):
    return ROOT / "serving" / "triton" / f"{name}.py"
