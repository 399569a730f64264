"""One graph or a session for each member: which backend is faster, and where weights should lie.

    python benchmarks/backends.py --data ../shared/data

Three real ResNets on test images: the staged executor, cascade.onnx with its weights in the
branches, and with all weights at the top level, timed in turns on the same batches; labels and
stages of all three are equal. The resident memory of each is read in a process of its own. JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from cifar10 import arguments, machine
from executor_overhead import CASCADE, in_turns
from resnets import resnet_pool

from encas.data.open_data import open_views
from encas.export.bundle import write_bundle
from encas.export.bundle_options import BundleOptions
from encas.export.member_views import views_of
from encas.jobs.export_front import members_of
from encas.jobs.joined_data import joined_data
from encas.runtime.batching import Batching
from encas.runtime.bench import batches_of
from encas.runtime.loading import load

BATCH_SIZES = (1, 8, 32)
SIDES = (("staged", "branches"), ("graph", "branches"), ("graph", "top"))
RESIDENT = """
import sys
from encas.runtime.loading import load
import onnxruntime
read = lambda: int(open("/proc/self/statm").read().split()[1]) * 4096
before = read()
runner = load(sys.argv[1], backend=sys.argv[2], n_threads=1)
print((read() - before) / 2**20)
"""


def main() -> None:
    options = arguments(__doc__, threads=1)
    pool = resnet_pool(options.data, "test")
    members = members_of(pool, CASCADE.members)
    dataset = open_views(pool.data, views_of(members).preprocessings)
    evidence = joined_data(dataset, pool).evidence(CASCADE.members)
    with tempfile.TemporaryDirectory() as name:
        for weights in ("branches", "top"):
            write_bundle(
                Path(name) / weights,
                CASCADE,
                members,
                evidence=evidence,
                options=BundleOptions(graph=weights),  # type: ignore[arg-type]
            )
        rows = [_row(Path(name), dataset, size, options.threads) for size in BATCH_SIZES]
        memory = {f"{b}, {w}": _resident_mb(Path(name) / w, b) for b, w in SIDES}
    print(
        json.dumps(
            {**machine(), "threads": options.threads, "resident_mb": memory, "sizes": rows},
            indent=2,
        )
    )
    assert all(row["all_agree"] for row in rows)


def _row(folder: Path, dataset: Any, size: int, n_threads: int) -> dict[str, Any]:
    runners = [
        load(
            folder / weights,
            backend=backend,  # type: ignore[arg-type]
            n_threads=n_threads,
            batching=Batching(max_batch_size=size),
        )
        for backend, weights in SIDES
    ]
    rows = batches_of(dataset.n_samples, size, rng=np.random.default_rng(0))[:64]
    batches = [dataset.samples(batch) for batch in rows]
    stages = [np.concatenate([runner(x).stage for x in batches]) for runner in runners]
    times = in_turns([[partial(runner, x) for x in batches] for runner in runners])
    names = [f"{backend}, {weights}" for backend, weights in SIDES]
    return {
        "batch_size": size,
        "ms": dict(zip(names, times, strict=True)),
        "all_agree": all(np.array_equal(stages[0], other) for other in stages),
    }


def _resident_mb(bundle: Path, backend: str) -> float:
    command = [sys.executable, "-c", RESIDENT, str(bundle), backend]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    main()
