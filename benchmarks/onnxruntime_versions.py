"""cascade.onnx and its members run alike in old and new releases of ONNX Runtime.

    python benchmarks/onnxruntime_versions.py --versions 1.20.1,1.23.2,1.32.0

Makes a bundle of four small cascaded networks, an environment for each release (pip), and lets
each one run the graph on the same samples at batches of 0, 1, 7 and 64. Labels and stages must be
equal everywhere. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from encas.cascade import Cascade
from encas.export.graph import cascade_graph

SHAPE, N_CLASSES, N_MEMBERS = (3, 12, 12), 5, 4
BATCH_SIZES = (0, 1, 7, 64)
RUN = """
import json, sys
import numpy as np, onnxruntime as ort
x = np.load(sys.argv[2])["x"]
options = ort.SessionOptions(); options.intra_op_num_threads = 1
session = ort.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
found = {}
for size in json.loads(sys.argv[3]):
    label, stage = session.run(["label", "stage"], {"input": x[:size]})
    found[size] = [label.tolist(), stage.tolist()]
print(json.dumps({"version": ort.__version__, "numpy": np.__version__, "found": found}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--versions", default="1.20.1,1.22.1,1.32.0")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for weights in ("branches", "top"):
            onnx.save(_graph(weights), folder / f"{weights}.onnx")
        x = np.random.default_rng(0).normal(0, 1, (64, *SHAPE)).astype(np.float32)
        np.savez(folder / "x.npz", x=x)
        rows = [row for v in options.versions.split(",") for row in _run(v, folder)]
    first = rows[0]["found"]
    for row in rows:
        row["agrees"] = row.pop("found") == first
    stages = np.bincount(first["64"][1], minlength=N_MEMBERS + 1)[1:].tolist()
    print(json.dumps({"left_at_stage": stages, "releases": rows}, indent=2))
    assert all(row["agrees"] for row in rows), "a release decides otherwise"


def _run(version: str, folder: Path) -> list[dict]:
    home = folder / f"venv-{version}"
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    subprocess.run([*pip, f"onnxruntime=={version}", "numpy"], check=True)
    found = []
    for weights in ("branches", "top"):
        command = [str(python), "-c", RUN, str(folder / f"{weights}.onnx"), str(folder / "x.npz")]
        answer = subprocess.run(
            [*command, json.dumps(BATCH_SIZES)], check=True, capture_output=True, text=True
        )
        found.append({"weights": weights, **json.loads(answer.stdout)})
    return found


def _graph(weights: str) -> onnx.ModelProto:
    cascade = Cascade(members=tuple("abcd"), thresholds=(0.5, 0.4, 0.35))
    members = [_member(seed) for seed in range(N_MEMBERS)]
    return cascade_graph(cascade, members, n_classes=N_CLASSES, weights=weights)  # type: ignore[arg-type]


def _member(seed: int) -> onnx.ModelProto:
    rng = np.random.default_rng(seed)
    nodes = [
        helper.make_node("Conv", ["input", "kernel"], ["conv"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["conv"], ["relu"]),
        helper.make_node("GlobalMaxPool", ["relu"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    tensors = {"kernel": (8, SHAPE[0], 3, 3), "weights": (8, N_CLASSES)}
    graph = helper.make_graph(
        nodes,
        "member",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", *SHAPE])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", N_CLASSES])],
        [
            numpy_helper.from_array(rng.normal(0, 0.4, shape).astype(np.float32), name)
            for name, shape in tensors.items()
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


if __name__ == "__main__":
    main()
