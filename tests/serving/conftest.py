"""Bundles of small linear classifiers, made without torch, and servers of them."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from view_bundle import views, write_view_bundle

from encas.bundle_files import file_entry
from encas.cascade import Cascade
from encas.entries import FileEntry, GraphEntry, MemberEntry
from encas.export.graph import cascade_graph
from encas.manifest import Manifest
from encas.runtime.executor import Prediction
from encas.runtime.loading import load

SHAPE, N_CLASSES = (1, 4, 4), 5
CLASSES = ("ant", "bee", "cat", "dog", "eel")


def linear_member(seed: int) -> onnx.ModelProto:
    """Softmax of a linear map of the pixels: one that all members share, and some noise."""
    shared = np.random.default_rng(100).normal(0, 0.6, (16, N_CLASSES))
    own = np.random.default_rng(seed).normal(0, 0.3, (16, N_CLASSES))
    weights = (shared + own).astype(np.float32)
    nodes = [
        helper.make_node("Flatten", ["input"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        f"linear_{seed}",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", *SHAPE])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", N_CLASSES])],
        [numpy_helper.from_array(weights, "weights")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def write_bundle(folder: Path, *, name: str, seeds=(0, 1, 2), thresholds=(0.85, 0.7), **values):
    """A bundle of linear members `m<seed>`, with the whole cascade as one graph."""
    (folder / "members").mkdir(parents=True)
    models = [linear_member(seed) for seed in seeds]
    members = []
    for seed, model in zip(seeds, models, strict=True):
        file = f"members/m{seed}.onnx"
        (folder / file).write_bytes(model.SerializeToString())
        members.append(member_entry(file_entry(folder, file), f"m{seed}"))
    cascade = Cascade(members=tuple(m.name for m in members), thresholds=thresholds)
    graph = cascade_graph(cascade, models, n_classes=N_CLASSES)
    (folder / "cascade.onnx").write_bytes(graph.SerializeToString())
    manifest = Manifest(
        name=name,
        cascade=cascade,
        members=tuple(members),
        input_shape=SHAPE,
        n_classes=N_CLASSES,
        classes=CLASSES,
        graph=GraphEntry(**asdict(file_entry(folder, "cascade.onnx"))),
    )
    manifest = replace(manifest, **values)
    manifest.save(folder)
    return folder


def member_entry(entry: FileEntry, name: str) -> MemberEntry:
    return MemberEntry(
        name=name, file=entry.file, sha256=entry.sha256, bytes=entry.bytes, macs=80.0, params=80.0
    )


def samples(n: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, 1, (n, *SHAPE)).astype(np.float32)


@pytest.fixture(scope="session")
def bundles(tmp_path_factory) -> Path:
    """A folder of two bundles that share a member: `three` (m0, m1, m2) and `two` (m0, m2)."""
    folder = tmp_path_factory.mktemp("bundles")
    write_bundle(folder / "three", name="three")
    write_bundle(folder / "two", name="two", seeds=(0, 2), thresholds=(0.7,))
    return folder


@pytest.fixture(scope="session")
def view_bundles(tmp_path_factory) -> Path:
    """Bundles whose members read images at 4, 6 and 8 pixels; see view_bundle.py.

    `both` has the inputs of 4 and 6 pixels, `small` that of 4, `other` those of 6 and 8.
    """
    folder = tmp_path_factory.mktemp("views")
    write_view_bundle(folder / "both", ("4a", "6a", "4b"), (0.75, 0.6))
    write_view_bundle(folder / "small", ("4a", "4b"), (0.7,))
    write_view_bundle(folder / "other", ("6a", "8a"), (0.7,))
    return folder


@pytest.fixture(scope="session")
def bundle(bundles) -> Path:
    return bundles / "three"


@dataclass
class Running:
    """A server in a process of its own."""

    process: subprocess.Popen
    host: str
    http_port: int
    grpc_port: int | None
    log: Path

    @property
    def http(self) -> str:
        return f"{self.host}:{self.http_port}"

    @property
    def grpc(self) -> str:
        return f"{self.host}:{self.grpc_port}"

    def ask(self, method, path, body=None, headers=None):
        """Status, headers and body of one HTTP request."""
        connection = HTTPConnection(self.host, self.http_port, timeout=20)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, dict(response.headers), response.read()
        finally:
            connection.close()

    def end(self) -> int:
        """Tells the server to end, and returns how it did."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@contextmanager
def start_server(folder: Path, *arguments: object) -> Iterator[Running]:
    """`encas serve` on free ports; it is gone at the end."""
    command = [sys.executable, "-W", "error", "-m", "encas", "serve", *map(str, arguments)]
    command += ["--http-port", "0", "--grpc-port", "0", "--threads", "1", "--json"]
    log = folder / "server.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True)
    try:
        lines = iter(process.stdout.readline, "")
        text = ""
        for line in lines:
            text += line
            if line == "}\n":
                break
        assert text, log.read_text()
        values = json.loads(text)
        del values["models"]
        yield Running(process=process, log=log, **values)
    finally:
        process.kill()
        process.wait(30)
        process.stdout.close()


@pytest.fixture
def server(tmp_path) -> Iterator[Callable[..., Running]]:
    """Starts servers that are gone after the test."""
    with ExitStack() as stack:
        yield lambda *arguments: stack.enter_context(start_server(tmp_path, *arguments))


@pytest.fixture(scope="session")
def served(bundles, view_bundles, tmp_path_factory) -> Iterator[Running]:
    """One server of `three`, `two` and `both`, for many tests."""
    folder = tmp_path_factory.mktemp("served")
    models = (bundles / "three", bundles / "two", view_bundles / "both")
    limits = ("--max-batch-size", 16, "--max-queue", 64, "--max-request-mb", 1)
    with start_server(folder, *models, *limits) as running:
        yield running
        assert running.end() == 0


@pytest.fixture(scope="session")
def expected(bundle, tmp_path_factory) -> Path:
    """40 samples and what the executor answers for the bundle `three`."""
    x = samples(40)
    prediction = load(bundle)(x)
    assert set(prediction.stage) == {1, 2, 3}
    return save_expected(tmp_path_factory.mktemp("expected"), {"input": x}, prediction)


@pytest.fixture(scope="session")
def expected_views(view_bundles, tmp_path_factory) -> Path:
    """The same for the bundle `both`, which has two inputs."""
    x = views(40)
    prediction = load(view_bundles / "both")(x)
    assert set(prediction.stage) == {1, 2, 3}
    return save_expected(tmp_path_factory.mktemp("expected"), x, prediction)


def save_expected(folder: Path, x: dict[str, NDArray], prediction: Prediction) -> Path:
    arrays = {name.replace("input", "x"): array for name, array in x.items()}
    np.savez(
        folder / "expected.npz",
        **arrays,
        label=prediction.label,
        stage=prediction.stage,
        probabilities=prediction.probabilities,
    )
    return folder / "expected.npz"
