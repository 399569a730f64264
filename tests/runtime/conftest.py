"""A bundle of small linear classifiers, made without torch."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from encas.bundle_files import file_entry
from encas.cascade import Cascade
from encas.entries import GraphEntry, MemberEntry
from encas.export.graph import cascade_graph
from encas.manifest import Manifest

SHAPE, N_CLASSES = (1, 2, 3), 4
NAMES = ("first", "second", "third")
THRESHOLDS = (0.5, 0.45)


def weights_of(seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, 2, (6, N_CLASSES)).astype(np.float32)


def linear_model(seed: int, *, n_classes: int = N_CLASSES, input_name: str = "input"):
    """Softmax of a linear map of the six values of a sample."""
    nodes = [
        helper.make_node("Flatten", [input_name], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    inputs = [helper.make_tensor_value_info(input_name, TensorProto.FLOAT, ["batch", *SHAPE])]
    outputs = [
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", n_classes])
    ]
    weights = numpy_helper.from_array(weights_of(seed)[:, :n_classes], "weights")
    graph = helper.make_graph(nodes, "linear", inputs, outputs, [weights])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def probabilities_of(seed: int, x: NDArray[np.float32]) -> NDArray[np.float32]:
    logits = x.reshape(len(x), 6) @ weights_of(seed)
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def write_bundle(folder: Path) -> Manifest:
    (folder / "members").mkdir(parents=True)
    models = [linear_model(seed) for seed in range(3)]
    members = []
    for name, model in zip(NAMES, models, strict=True):
        (folder / f"members/{name}.onnx").write_bytes(model.SerializeToString())
        entry = file_entry(folder, f"members/{name}.onnx")
        members.append(
            MemberEntry(file=entry.file, sha256=entry.sha256, bytes=entry.bytes, name=name)
        )
    cascade = Cascade(members=NAMES, thresholds=THRESHOLDS)
    graph = cascade_graph(cascade, models, n_classes=N_CLASSES)
    (folder / "cascade.onnx").write_bytes(graph.SerializeToString())
    manifest = Manifest(
        name="linear",
        cascade=cascade,
        members=tuple(members),
        input_shape=SHAPE,
        n_classes=N_CLASSES,
        graph=GraphEntry(**asdict(file_entry(folder, "cascade.onnx"))),
    )
    manifest.save(folder)
    return manifest


@pytest.fixture
def bundle(tmp_path) -> Path:
    write_bundle(tmp_path / "bundle")
    return tmp_path / "bundle"


@pytest.fixture
def samples() -> NDArray[np.float32]:
    return np.random.default_rng(5).normal(0, 1, (60, *SHAPE)).astype(np.float32)


@pytest.fixture
def model() -> Callable[..., onnx.ModelProto]:
    """`model(seed)` makes a linear classifier."""
    return linear_model


@pytest.fixture
def probabilities() -> Callable[..., NDArray[np.float32]]:
    """`probabilities(seed, x)` is what `model(seed)` answers, computed by numpy."""
    return probabilities_of
