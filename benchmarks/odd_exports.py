"""Exports that tools trip over: weights beyond 2 GB, samples [H, W, C], a batch that was frozen.

    python benchmarks/odd_exports.py

A torch module of 2.3 GB, an ONNX file that takes [batch, H, W, C], one whose input and reshape say
4 instead of the batch, and one that adds another bias to each of 4 rows: the first three become
bundles that answer as their originals do in batches of 1, 3 and 8, the last is refused. Needs 12 GB
of memory. Prints JSON.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from cifar10 import machine
from onnx import TensorProto, helper, numpy_helper

from encas.cascade import Cascade
from encas.errors import ExportError
from encas.export.bundle import write_bundle
from encas.export.bundle_options import BundleOptions
from encas.export.member_views import Member
from encas.pools.models.specs import source_model
from encas.runtime.loading import load

N_CLASSES, N_ROWS, WIDTH = 10, 2_250_000, 256
SHAPE = (4, 4, 3)


def large() -> Any:
    """A classifier with a table of 2.3 GB, of which each sample reads one row."""
    import torch  # noqa: PLC0415 - only this export needs it

    class Large(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = torch.nn.Embedding(N_ROWS, WIDTH)
            self.last = torch.nn.Linear(WIDTH, N_CLASSES)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            row = (x.flatten(1).abs().sum(1) * 1e4).long() % N_ROWS
            return self.last(self.table(row))

    torch.manual_seed(0)
    return Large()


def main() -> None:
    found: dict[str, Any] = {}
    sys.path.insert(0, str(Path(__file__).parent))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shape = "x".join(map(str, SHAPE))
        found["2 GB"] = exported(folder, f"torch:odd_exports:large?input_shape={shape}")
        files = {"channels last": linear("batch"), "batch of 4": linear(4)}
        files["biases of 4 rows"] = linear(4, n_biases=4)
        for title, model in files.items():
            path = folder / "model.onnx"
            onnx.save(model, path)
            found[title] = exported(folder, f"onnx:{path}")
    print(json.dumps({**machine(), **found}, indent=2))
    *sound, broken = found.values()
    assert all("bytes" in one for one in sound)
    assert "frozen at 4" in broken["refused"]
    assert found["2 GB"]["bytes"] > 2**31


def linear(batch: str | int, *, n_biases: int = 1) -> onnx.ModelProto:
    """Channels last, as Keras gives them: a mean over places, then a linear map."""
    rng = np.random.default_rng(0)
    constants = {
        "shape": np.array([batch if batch == 4 else -1, SHAPE[-1]], np.int64),
        "weights": rng.normal(0, 3, (SHAPE[-1], N_CLASSES)).astype(np.float32),
        "biases": rng.normal(0, 1, (n_biases, N_CLASSES)).astype(np.float32),
    }
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[1, 2], keepdims=1),
        helper.make_node("Reshape", ["mean", "shape"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["product"]),
        helper.make_node("Add", ["product", "biases"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "channels last",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, *SHAPE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, N_CLASSES])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def exported(folder: Path, spec: str) -> dict[str, Any]:
    """Exports one model, which proves it, and opens the bundle."""
    bundle = folder / "bundle"
    start = time.monotonic()
    member = Member(name="odd", source=source_model(spec))
    options = BundleOptions(exporter="legacy", graph=None, overwrite=True)
    try:
        manifest = write_bundle(
            bundle, Cascade(members=("odd",), thresholds=()), [member], options=options
        )
    except ExportError as error:
        return {"refused": str(error).replace(str(folder), "")}
    prediction = load(bundle, n_threads=1)(np.ones((5, *SHAPE), np.float32))
    assert prediction.label.shape == (5,)
    (proof,) = manifest.numerics
    return {
        "bytes": sum(file.bytes for file in manifest.files),
        "files": [file.file for file in manifest.files],
        "largest_difference": proof.max_difference,
        "batch_sizes": list(proof.batch_sizes),
        "seconds": round(time.monotonic() - start, 1),
    }


if __name__ == "__main__":
    main()
