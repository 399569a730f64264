"""Real networks through `encas pool build`: the stored outputs are the known ones.

Prints JSON. The four CIFAR-10 ResNets as ONNX files, and the one that there is a torch checkpoint
of, over all of val.zip and test.zip; for each the largest difference of an output from the row of
{val,test}_outputs.npz (logits, up to 40 in size), the labels that differ, and the MACs.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path

import numpy as np

from encas.search.build import BuildRequest, build_pool
from encas.search.pool import Pool

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "cifar10"
CHECKPOINT = "resnet20-12fca82f.th"
TOLERANCE = 1e-4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--workers", type=int)
    options = parser.parse_args()
    data = options.data.resolve() / "cifar10"
    os.chdir(EXAMPLE)
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            row
            for split in ("val", "test")
            for row in differences(split, data, Path(folder), options.workers)
        ]
    print(json.dumps({"tolerance": TOLERANCE, "models": rows}, indent=2))
    assert all(row["max_difference"] <= TOLERANCE for row in rows), "outputs differ"
    assert all(row["macs"] == row["known_macs"] for row in rows), "MACs differ"
    assert not any(row["labels_that_differ"] for row in rows), "labels differ"


def differences(
    split: str, data: Path, folder: Path, workers: int | None
) -> list[dict[str, object]]:
    """The pool of a split beside the known outputs."""
    weights = data / "weights"
    models = [f"{path.stem}-onnx=onnx:{path}" for path in sorted(weights.glob("*.onnx"))]
    models.append(f"resnet20=torch:resnet:resnet?depth=20&weights={weights / CHECKPOINT}")
    request = BuildRequest(
        models=tuple(models),
        data=str(data / f"{split}.zip"),
        preprocessing=EXAMPLE / "preprocessing.json",
        workers=workers,
    )
    pool = Pool.load(build_pool(request, folder / split).path)
    known = np.load(data / f"{split}_outputs.npz", allow_pickle=False)
    np.testing.assert_array_equal(pool.label, known["label"])
    names = known["model"].tolist()
    found: list[dict[str, object]] = []
    for model, output in zip(pool.models, pool.outputs, strict=True):
        index = names.index(f"aka_{model.name.removesuffix('-onnx')}")
        expected = known["raw"][index]
        found.append(
            {
                "split": split,
                "model": model.name,
                "max_difference": float(np.abs(output - expected).max()),
                "labels_that_differ": int((output.argmax(1) != expected.argmax(1)).sum()),
                "macs": int(model.costs["macs"]),
                "known_macs": int(known["macs"][index]),
            }
        )
    return found


if __name__ == "__main__":
    main()
