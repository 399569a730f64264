"""Every layout on a real Triton server: `make test-triton`.

The server is the one that nvidia-pytriton carries. It has no ONNX Runtime backend: ONNX files run
in its Python backend, under the same names and with the same tensors. The configurations for the
ONNX Runtime backend, CUDA and TensorRT are checked in test_repository.py, without a server.
"""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tritonclient.http
from local_triton import SHARED_MEMORY, TritonInstallation, local_triton
from PIL import Image
from tritonclient.utils import InferenceServerException
from view_bundle import steps_of

from encas.data.images import sample_of_pixels
from encas.data.preprocessing import Preprocessing
from encas.errors import ServingError
from encas.runtime.executor import Runner
from encas.runtime.loading import load
from encas.serving.triton.layout_options import LayoutOptions
from encas.serving.triton.repository import write_repository

pytestmark = pytest.mark.triton

ENVIRONMENT = Path(__file__).resolve().parents[2] / "build" / "triton" / "venv"
CONFORMANCE = Path(__file__).with_name("conformance.py")
SHAPE = [1, 4, 4]
ROWS = 32
PREPROCESSING = {"size": [4, 4], "resize": 4, "mean": [0.5], "std": [0.25]}


def options_of(layout, **values):
    chosen = {"layout": layout, "target": "cpu", "backend": "python", "threads": 1}
    return LayoutOptions(**{**chosen, "max_batch_size": ROWS, **values})


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """Writes a repository of bundles and starts a server of it, until the module's end."""
    installation = TritonInstallation(environment=ENVIRONMENT)
    with ExitStack() as stack:

        def begin(bundles, options):
            folder = tmp_path_factory.mktemp("triton")
            written = write_repository(bundles, folder / "models", options)
            return stack.enter_context(
                local_triton(installation, written.path, folder / "server.log")
            )

        yield begin


@pytest.fixture(scope="module")
def servers(start, bundles, view_bundles):
    """One server for each layout, each started when first asked for."""
    running = {}

    def server(layout):
        if layout not in running:
            options = options_of(layout, max_delay_ms=30.0 if layout == "bls" else 0.0)
            sources = [bundles / "three", bundles / "two", view_bundles / "both"]
            running[layout] = start(sources, options)
        return running[layout]

    return server


@pytest.fixture
def client(servers):
    with ExitStack() as stack:

        def of(layout):
            client = tritonclient.http.InferenceServerClient(servers(layout).http, concurrency=8)
            stack.callback(client.close)
            return client

        yield of


def tensor_of(x, name="input", datatype="FP32"):
    tensor = tritonclient.http.InferInput(name, list(x.shape), datatype)
    tensor.set_data_from_numpy(x)
    return tensor


def samples(n, seed=5):
    return np.random.default_rng(seed).normal(0, 1, (n, *SHAPE)).astype(np.float32)


def counts(client, model):
    (entry,) = client.get_inference_statistics(model)["model_stats"]
    return np.array([entry["inference_count"], entry["execution_count"]])


def with_thresholds(client, model, text):
    config = client.get_model_config(model)
    config["parameters"]["thresholds"] = {"string_value": text}
    client.load_model(model, config=json.dumps(config))


@pytest.mark.parametrize("model", ["three", "both"])
@pytest.mark.parametrize("layout", ["graph", "bls", "python"])
def test_tritonclient_finds_everything_it_may_expect(
    servers, expected, expected_views, layout, model
):
    server = servers(layout)
    command = [sys.executable, CONFORMANCE, "--http", server.http, "--grpc", server.grpc]
    command += ["--model", model, "--expected", expected if model == "three" else expected_views]
    skips = {"stream_infer": "HTTP has no streams", "infer_as_json": "gRPC has no JSON"}
    if layout == "graph":
        why = "the thresholds are in the ONNX file"
        command += ["--skip", f"thresholds_without_a_new_bundle={why}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    results = json.loads(done.stdout)
    others = {key: what for key, what in results.items() if what != "ok"}
    skipped = {
        "http.stream_infer": f"skipped: {skips['stream_infer']}",
        "grpc.infer_as_json": f"skipped: {skips['infer_as_json']}",
    }
    if layout == "graph":
        for protocol in ("http", "grpc"):
            skipped[f"{protocol}.thresholds_without_a_new_bundle"] = f"skipped: {why}"
    assert others == skipped
    assert (done.returncode, len(results)) == (0, 46)


@pytest.mark.parametrize("layout", ["bls", "python"])
@pytest.mark.parametrize("stage", [1, 2, 3])
def test_every_stage_answers_as_the_executor_when_it_is_forced(client, bundle, layout, stage):
    x, triton = samples(ROWS), client(layout)
    thresholds = tuple(float(j >= stage) == 0 for j in (1, 2))
    runner = load(bundle)
    forced = Runner(replace(runner.cascade, thresholds=thresholds), runner.sessions)(x)
    assert set(forced.stage) == {stage}
    with_thresholds(triton, "three", ",".join(f"{t:g}" for t in thresholds))
    try:
        answer = triton.infer("three", [tensor_of(x)])
    finally:
        # Triton keeps an override until the files change.
        with_thresholds(triton, "three", "0.85,0.7")
    np.testing.assert_array_equal(answer.as_numpy("stage")[:, 0], forced.stage)
    np.testing.assert_array_equal(answer.as_numpy("label")[:, 0], forced.label)
    np.testing.assert_allclose(answer.as_numpy("probabilities"), forced.probabilities, atol=1e-6)


@pytest.mark.parametrize("stage", [1, 2, 3])
def test_every_stage_of_a_graph_answers_as_the_executor_when_it_is_forced(
    start, bundle, stage, tmp_path
):
    x = samples(ROWS)
    thresholds = tuple(float(j >= stage) == 0 for j in (1, 2))
    runner = load(bundle)
    forced = Runner(replace(runner.cascade, thresholds=thresholds), runner.sessions)(x)
    options = options_of("graph", thresholds=thresholds)
    written = write_repository([bundle], tmp_path / "models", options)
    installation = TritonInstallation(environment=ENVIRONMENT)
    with (
        local_triton(installation, written.path, tmp_path / "log") as server,
        tritonclient.http.InferenceServerClient(server.http) as triton,
    ):
        answer = triton.infer("three", [tensor_of(x)])
    np.testing.assert_array_equal(answer.as_numpy("stage")[:, 0], forced.stage)
    np.testing.assert_array_equal(answer.as_numpy("label")[:, 0], forced.label)


@pytest.mark.parametrize("layout", ["graph", "bls", "python"])
def test_outputs_agree_with_the_executor_for_both_cascades(client, bundles, layout):
    x, triton = samples(ROWS, seed=6), client(layout)
    for name in ("three", "two"):
        prediction = load(bundles / name)(x)
        answer = triton.infer(name, [tensor_of(x)])
        np.testing.assert_array_equal(answer.as_numpy("stage")[:, 0], prediction.stage)
        np.testing.assert_array_equal(answer.as_numpy("label")[:, 0], prediction.label)
        confidence = prediction.probabilities.max(axis=1)
        np.testing.assert_allclose(answer.as_numpy("confidence")[:, 0], confidence, atol=1e-6)


def test_bls_gives_members_only_the_rows_that_are_left(client, bundle):
    x, triton = samples(ROWS, seed=7), client("bls")
    stage = load(bundle)(x).stage
    before = {name: counts(triton, name) for name in ("m0", "m1", "m2")}
    triton.infer("three", [tensor_of(x)])
    found = {name: tuple(counts(triton, name) - before[name]) for name in before}
    left = {"m0": ROWS, "m1": int((stage > 1).sum()), "m2": int((stage > 2).sum())}
    assert found == {name: (rows, 1) for name, rows in left.items()}


def test_bls_packs_the_rows_of_several_requests_into_one_call(client):
    triton, x = client("bls"), samples(8, seed=8)
    before = counts(triton, "m0")
    waiting = [triton.async_infer("three", [tensor_of(x[i : i + 1])]) for i in range(8)]
    for request in waiting:
        request.get_result(timeout=20)
    rows, calls = counts(triton, "m0") - before
    assert rows == 8
    assert calls < 8


def test_bls_without_a_member_says_which_one_and_recovers(client):
    triton, x = client("bls"), samples(4)
    with_thresholds(triton, "two", "1")
    triton.unload_model("m2")
    # Once the member is gone, Triton is ready again: no readiness tells that a cascade is broken.
    deadline = time.monotonic() + 20
    while not triton.is_server_ready() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert triton.is_server_ready()
    with pytest.raises(InferenceServerException, match="Model m2"):
        triton.infer("two", [tensor_of(x)])
    triton.load_model("m2")
    assert set(triton.infer("two", [tensor_of(x)]).as_numpy("stage").ravel()) == {2}
    with_thresholds(triton, "two", "0.7")


@pytest.mark.parametrize("layout", ["bls", "python"])
def test_exits_are_counted_in_tritons_metrics(client, servers, bundles, layout):
    x = samples(ROWS, seed=9)
    stage = load(bundles / "two")(x).stage

    def exits():
        port = servers(layout).metrics_port
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as page:
            text = page.read().decode()
        pattern = r'encas_exits_total\{model="two",stage="(\d)"\} (\S+)'
        found = {int(j): float(n) for j, n in re.findall(pattern, text)}
        return np.array([found[1], found[2]])

    before = exits()
    client(layout).infer("two", [tensor_of(x)])
    assert (exits() - before).tolist() == [(stage == 1).sum(), (stage == 2).sum()]


@pytest.fixture(scope="module")
def pictured(bundle, tmp_path_factory):
    """The bundle `three` with a preprocessing."""
    folder = tmp_path_factory.mktemp("pictured") / "three"
    shutil.copytree(bundle, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"preprocessing": PREPROCESSING}))
    return folder


def pictures(n):
    rng = np.random.default_rng(10)
    return [rng.integers(0, 256, (6 + i, 5 + i, 3), dtype=np.uint8) for i in range(n)]


def file_of(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def test_ensemble_takes_image_files_and_gives_class_names(start, pictured):
    server = start([pictured], options_of("ensemble", around="bls"))
    pixels = pictures(5)
    x = np.stack([sample_of_pixels(p, Preprocessing.of(PREPROCESSING)) for p in pixels])
    prediction = load(pictured)(x)
    files = np.array([[file_of(p)] for p in pixels], object)
    broken = np.array([[b"no image"]], object)
    with tritonclient.http.InferenceServerClient(server.http, concurrency=4) as triton:
        bad = triton.async_infer("three_ensemble", [tensor_of(broken, "image", "BYTES")])
        answer = triton.infer("three_ensemble", [tensor_of(files, "image", "BYTES")])
        with pytest.raises(InferenceServerException, match="not an image that can be read"):
            bad.get_result(timeout=20)
    np.testing.assert_array_equal(answer.as_numpy("label")[:, 0], prediction.label)
    np.testing.assert_array_equal(answer.as_numpy("stage")[:, 0], prediction.stage)
    names = [b"ant", b"bee", b"cat", b"dog", b"eel"]
    assert answer.as_numpy("class")[:, 0].tolist() == [names[c] for c in prediction.label]


def test_ensemble_takes_pixels(start, pictured):
    server = start([pictured], options_of("ensemble", around="graph", image_input="pixels"))
    with tritonclient.http.InferenceServerClient(server.http) as triton:
        for pixels in pictures(3):
            x = sample_of_pixels(pixels, Preprocessing.of(PREPROCESSING))[None]
            prediction = load(pictured)(x)
            answer = triton.infer("three_ensemble", [tensor_of(pixels[None], "image", "UINT8")])
            np.testing.assert_array_equal(answer.as_numpy("label")[:, 0], prediction.label)
            np.testing.assert_array_equal(answer.as_numpy("stage")[:, 0], prediction.stage)


@pytest.mark.parametrize("around", ["graph", "bls", "python"])
def test_ensemble_prepares_images_for_every_input(start, view_bundles, around):
    server = start([view_bundles / "both"], options_of("ensemble", around=around))
    images = pictures(5)
    x = {
        name: np.stack(
            [sample_of_pixels(image, Preprocessing.of(steps_of(size))) for image in images]
        )
        for name, size in (("input", 4), ("input_2", 6))
    }
    expected = load(view_bundles / "both")(x)
    files = np.array([[file_of(image)] for image in images], object)
    with tritonclient.http.InferenceServerClient(server.http) as triton:
        answer = triton.infer("both_ensemble", [tensor_of(files, "image", "BYTES")])
    np.testing.assert_array_equal(answer.as_numpy("label")[:, 0], expected.label)
    np.testing.assert_array_equal(answer.as_numpy("stage")[:, 0], expected.stage)


def test_answers_under_concurrency_are_not_mixed_up(servers, expected):
    data = dict(np.load(expected))
    address = servers("bls").http
    failures, n_asked = [], []

    def ask(seed):
        rng = np.random.default_rng(seed)
        # A client of its own: tritonclient's connections belong to the thread that opened them.
        with tritonclient.http.InferenceServerClient(address) as triton:
            for _ in range(15):
                rows = rng.integers(0, 40, rng.integers(1, 9))
                answer = triton.infer("three", [tensor_of(data["x"][rows])])
                n_asked.append(1)
                if not np.array_equal(answer.as_numpy("label")[:, 0], data["label"][rows]):
                    failures.append((seed, rows))

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert len(n_asked) == 60


def test_server_leaves_no_process_and_no_shared_memory(bundle, tmp_path):
    written = write_repository([bundle], tmp_path / "models", options_of("bls"))
    installation = TritonInstallation(environment=ENVIRONMENT)
    before = set(SHARED_MEMORY.iterdir())
    with local_triton(installation, written.path, tmp_path / "log") as server:
        during = set(SHARED_MEMORY.iterdir()) - before
        assert _processes_of(written.path)
        server.process.kill()
    assert during
    assert not during & set(SHARED_MEMORY.iterdir())
    assert _processes_of(written.path) == []


def test_server_that_cannot_start_is_an_error_with_its_log(bundle, tmp_path):
    written = write_repository([bundle], tmp_path / "models", options_of("bls"))
    (written.path / "m0" / "1" / "model.onnx").write_bytes(b"nonsense")
    installation = TritonInstallation(environment=ENVIRONMENT)
    with (
        pytest.raises(ServingError, match="ended with 1"),
        local_triton(installation, written.path, tmp_path / "log"),
    ):
        pass
    assert "cannot be loaded" in (tmp_path / "log").read_text()
    assert _processes_of(written.path) == []


def _processes_of(repository):
    """The processes, but this one, that name a repository's folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes()
        except OSError:
            continue
        is_own = int(path.parent.name) == os.getpid()
        if os.fsencode(repository) in command and not is_own:
            found.append(command)
    return found
