"""Real networks through `encas pool build`: the stored outputs are the known ones.

Prints JSON. The four CIFAR-10 ResNets as ONNX files and as torch checkpoints, over all of val.zip
and test.zip; for each the largest difference of an output from the row of {val,test}_outputs.npz
(logits, up to 40 in size), the labels that differ, and the MACs. ResNet-20's checkpoint is its
author's. Those of the other three are made here of their ONNX files: the same weights, with each
batch normalisation folded into the convolution before it, as it is in those files.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch
from cifar10 import machine
from torch import nn

from encas.pools.building.build_pool import build_pool
from encas.pools.models.specs import source_model
from encas.pools.pool import Pool

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "cifar10"
CHECKPOINT = "resnet20-12fca82f.th"
DEPTHS = (20, 32, 44, 56)
TOLERANCE = 1e-4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--workers", type=int)
    options = parser.parse_args()
    data = options.data.resolve() / "cifar10"
    os.chdir(EXAMPLE)
    with tempfile.TemporaryDirectory() as folder:
        models = specs(data / "weights", Path(folder))
        rows = [
            row
            for split in ("val", "test")
            for row in differences(split, data, models, Path(folder), options.workers)
        ]
    result = {
        "machine": machine() | {"torch": torch.__version__},
        "tolerance": TOLERANCE,
        "max_difference": max(row["max_difference"] for row in rows),
        "models": rows,
    }
    print(json.dumps(result, indent=2))
    assert all(row["max_difference"] <= TOLERANCE for row in rows), "outputs differ"
    assert all(row["macs"] == row["known_macs"] for row in rows), "MACs differ"
    assert not any(row["labels_that_differ"] for row in rows), "labels differ"


def specs(weights: Path, folder: Path) -> tuple[str, ...]:
    """The four networks as ONNX files and as checkpoints."""
    models: list[str] = []
    for depth in DEPTHS:
        file = weights / f"resnet{depth}.onnx"
        checkpoint = weights / CHECKPOINT
        if depth != DEPTHS[0]:
            checkpoint = folder / f"resnet{depth}.pt"
            torch.save(folded_state(file, depth), checkpoint)
        models.append(f"resnet{depth}-onnx=onnx:{file}")
        models.append(f"resnet{depth}-torch=torch:resnet:resnet?depth={depth}&weights={checkpoint}")
    return tuple(models)


def folded_state(file: Path, depth: int) -> dict[str, torch.Tensor]:
    """The state of examples/cifar10/resnet.py with the weights of an ONNX file."""
    graph = onnx.load(str(file)).graph
    tensors = {
        tensor.name: torch.tensor(onnx.numpy_helper.to_array(tensor))
        for tensor in graph.initializer
    }
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    build = source_model(f"torch:resnet:resnet?depth={depth}").build
    assert build is not None
    module = build()
    state = {key: tensors.get(key, value) for key, value in module.state_dict().items()}
    places = [name for name, child in module.named_modules() if isinstance(child, nn.Conv2d)]
    for place, node in zip(places, convolutions, strict=True):
        norm = place.replace("conv", "bn")
        weight, bias = (tensors[name] for name in node.input[1:3])
        state |= {f"{place}.weight": weight, f"{norm}.bias": bias}
        # Normalising with mean 0 and variance 1 divides by sqrt(1 + eps): multiplied back here.
        eps = module.get_submodule(norm).eps
        state[f"{norm}.weight"] = torch.full_like(bias, math.sqrt(1 + eps))
    return state


def differences(
    split: str, data: Path, models: tuple[str, ...], folder: Path, workers: int | None
) -> list[dict[str, object]]:
    """The pool of a split beside the known outputs."""
    report = build_pool(
        models,
        data=data / f"{split}.zip",
        preprocessing=EXAMPLE / "preprocessing.json",
        workers=workers,
        out=folder / split,
    )
    pool = Pool.load(report.path)
    known = np.load(data / f"{split}_outputs.npz", allow_pickle=False)
    np.testing.assert_array_equal(pool.label, known["label"])
    names = known["model"].tolist()
    found: list[dict[str, object]] = []
    for model, output in zip(pool.models, pool.outputs, strict=True):
        index = names.index(f"aka_{model.name.partition('-')[0]}")
        expected = known["raw"][index]
        found.append(
            {
                "split": split,
                "model": model.name,
                "n": pool.n_samples,
                "max_difference": float(np.abs(output - expected).max()),
                "labels_that_differ": int((output.argmax(1) != expected.argmax(1)).sum()),
                "macs": int(model.costs["macs"]),
                "known_macs": int(known["macs"][index]),
            }
        )
    return found


if __name__ == "__main__":
    main()
