"""Three bundles of one front for the serving benchmarks: perceptrons on scikit-learn's digits.

Their costs lie far apart (1 thousand, 0.1 and 4.3 million MACs), so that batches of the dearest
cascade take milliseconds, as those of real networks do. Members are shared between the bundles.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.neural_network import MLPClassifier

from encas.bundle_files import file_entry
from encas.cascade import Cascade, reach_of
from encas.data.digits import digits
from encas.entries import Expected, GraphEntry, MemberEntry
from encas.export.graph import cascade_graph
from encas.intervals import wilson_interval
from encas.manifest import Manifest
from encas.runtime.loading import load

TRAINED_WIDTH, RANDOM_WIDTHS = 16, {"middle": 320, "large": 2048}
RIDGE, SHARPNESS = 0.003, 12.0
BUNDLES = {
    "cheap": (("small",), ()),
    "balanced": (("small", "middle"), (0.9,)),
    "dear": (("small", "middle", "large"), (0.97, 0.98)),
}
N_CLASSES, SHAPE = 10, (1, 8, 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A trained perceptron: weights [n_in, n_out] and biases [n_out] by layer."""

    weights: list[np.ndarray]
    biases: list[np.ndarray]

    @property
    def macs(self) -> float:
        """Of one sample."""
        return float(sum(w.size for w in self.weights))


def train_networks() -> dict[str, Network]:
    x, label = digits("train")
    x = x.reshape(len(x), -1)
    small = MLPClassifier((TRAINED_WIDTH,), max_iter=2000, random_state=0, alpha=0.01)
    small.fit(x, label)
    networks = {"small": Network(weights=small.coefs_, biases=small.intercepts_)}
    return networks | {
        name: _random_features(x, label, width) for name, width in RANDOM_WIDTHS.items()
    }


def _random_features(x: np.ndarray, label: np.ndarray, width: int) -> Network:
    """Two wide random layers and a ridge regression: large, good, and made in a second."""
    rng = np.random.default_rng(0)
    shapes = ((x.shape[1], width), (width, width))
    weights = [rng.normal(0, np.sqrt(2 / n_in), (n_in, n_out)) for n_in, n_out in shapes]
    biases = [rng.normal(0, 0.1, width) for _ in shapes]
    features = x
    for weight, bias in zip(weights, biases, strict=True):
        features = np.maximum(features @ weight + bias, 0)
    targets = np.eye(N_CLASSES)[label] - 1 / N_CLASSES
    gram = features @ features.T + RIDGE * len(x) * np.eye(len(x))
    last = features.T @ np.linalg.solve(gram, targets) * SHARPNESS
    return Network(weights=[*weights, last], biases=[*biases, np.zeros(N_CLASSES)])


def onnx_of(network: Network, name: str) -> onnx.ModelProto:
    nodes = [helper.make_node("Flatten", ["input"], ["h0"], axis=1)]
    tensors = []
    for j, (weights, biases) in enumerate(zip(network.weights, network.biases, strict=True)):
        tensors += [
            numpy_helper.from_array(weights.astype(np.float32), f"w{j}"),
            numpy_helper.from_array(biases.astype(np.float32), f"b{j}"),
        ]
        nodes.append(helper.make_node("Gemm", [f"h{j}", f"w{j}", f"b{j}"], [f"z{j}"]))
        nodes.append(helper.make_node("Relu", [f"z{j}"], [f"h{j + 1}"]))
    nodes[-1] = helper.make_node("Softmax", [f"z{j}"], ["probabilities"], axis=1)
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", *SHAPE])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", N_CLASSES])],
        tensors,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def make_bundles(folder: Path) -> dict[str, Path]:
    """The bundles by name, made unless they are there already."""
    paths = {name: folder / name for name in BUNDLES}
    if all((path / "manifest.json").is_file() for path in paths.values()):
        return paths
    networks = train_networks()
    models = {name: onnx_of(network, name) for name, network in networks.items()}
    for name, (members, thresholds) in BUNDLES.items():
        _write(paths[name], name, Cascade(members=members, thresholds=thresholds), networks, models)
    return paths


def _write(folder: Path, name: str, cascade: Cascade, networks: dict, models: dict) -> None:
    (folder / "members").mkdir(parents=True, exist_ok=True)
    entries = []
    for member in cascade.members:
        file = f"members/{member}.onnx"
        (folder / file).write_bytes(models[member].SerializeToString(deterministic=True))
        entry = file_entry(folder, file)
        macs = networks[member].macs
        entries.append(
            MemberEntry(
                name=member, file=file, sha256=entry.sha256, bytes=entry.bytes,
                macs=macs, params=macs,
            )
        )  # fmt: skip
    graph = cascade_graph(
        cascade, [models[m] for m in cascade.members], n_classes=N_CLASSES, name=name
    )
    (folder / "cascade.onnx").write_bytes(graph.SerializeToString(deterministic=True))
    manifest = Manifest(
        name=name,
        cascade=cascade,
        members=tuple(entries),
        input_shape=SHAPE,
        n_classes=N_CLASSES,
        graph=GraphEntry(**asdict(file_entry(folder, "cascade.onnx"))),
    )
    manifest.save(folder)
    _with_expectation(folder, manifest).save(folder)


def _with_expectation(folder: Path, manifest: Manifest) -> Manifest:
    x, label = digits("selection")
    prediction = load(folder, n_threads=1)(x)
    right = int((prediction.label == label).sum())
    reach = reach_of(prediction.stage, n_stages=manifest.cascade.n_stages)
    macs = np.array([member.macs for member in manifest.members])
    expected = Expected(
        split="selection",
        n_samples=len(x),
        accuracy=right / len(x),
        interval=wilson_interval(right, len(x)),
        cost=float(reach @ macs),
        objective="macs",
        reach=tuple(reach.tolist()),
    )
    return replace(manifest, expected=(expected,))
