"""The pool of 16 real CIFAR-10 networks that several benchmarks search.

    python benchmarks/cifar10.py --data ../shared/data --split val --out build/cifar10/val

stores it as a pool folder, for `encas search` and the other commands.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from encas.fronts.front import Front
from encas.fronts.indicators import hypervolume
from encas.pools.model import Model
from encas.pools.pool import Pool

REPOSITORY = Path(__file__).resolve().parent.parent
DATA = REPOSITORY.parent / "shared" / "data"
KINDS = {"logits": "logits", "probs": "probabilities"}
REFERENCE = (0.5, 200e6)
SKIPPED = 77  # what `make bench` goes on after


def skip(reason: object) -> NoReturn:
    """Ends a benchmark that cannot be run here: one line, and the exit code that says so."""
    print(f"skipped: {reason}", file=sys.stderr)
    sys.exit(SKIPPED)


def load(data: Path, split: str) -> Pool:
    """The pool of the split "val" or "test", 3,000 images each."""
    file = data / "cifar10" / f"{split}_outputs.npz"
    if not file.is_file():
        skip(f"the real data is not here: {file}")
    arrays = np.load(file, allow_pickle=False)
    columns = [arrays[key] for key in ("model", "raw_kind", "macs", "params")]
    models = [
        Model(
            name=str(name),
            kind=KINDS[str(kind)],  # type: ignore[arg-type]
            costs={"macs": float(macs), "params": float(params)},
        )
        for name, kind, macs, params in zip(*columns, strict=True)
    ]
    label = arrays["label"]
    return Pool.of(outputs=list(arrays["raw"]), label=label, models=models, name=f"cifar10-{split}")


def volume(front: Front) -> float:
    """Hypervolume of error against MMACs below (0.5, 200), divided by 100."""
    return hypervolume(front.points / (1, 1e6), (REFERENCE[0], REFERENCE[1] / 1e6)) / 100


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def arguments(description: str | None, **options: Any) -> argparse.Namespace:
    """Parses --data and the options given with their defaults."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, default=DATA, help="the folder of real data")
    for name, default in options.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    return parser.parse_args()


if __name__ == "__main__":
    given = arguments(__doc__, split="val", out="build/cifar10/val")
    print(load(given.data, given.split).save(given.out, overwrite=True).path)
