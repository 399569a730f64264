"""The executor on a GPU: every bucket of every member, CUDA graphs on and off, and the cascade.

    python benchmarks/gpu_cascade.py --data ../shared/data --device cuda:0

Needs an NVIDIA GPU and the extra [gpu]; without, it is skipped, which one line says. `--device
cpu --largest 8` runs the same without CUDA graphs, to try the script. The provider of every session
is proven to be the one asked for, labels and stages are held against the stored outputs. Prints
JSON with transfers, SM clocks and energy beside the times.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from cifar10 import arguments, machine, skip
from executor_overhead import CASCADE
from resnets import resnet_pool

from encas.cascade import decide
from encas.data.open_data import open_views
from encas.errors import EncasError
from encas.jobs.measure_latency import PATIENT
from encas.jobs.pool_targets import PoolModels
from encas.runtime.batching import Batching
from encas.runtime.bench import batches_of, bench
from encas.runtime.device import Device
from encas.runtime.executor import Runner
from encas.runtime.ort_opening import PROVIDERS
from encas.runtime.placement import Placement
from encas.runtime.predicting import predict
from encas.runtime.profiler import profile_members


def main() -> None:
    options = arguments(__doc__, device="cuda:0", largest=256)
    pool = resnet_pool(options.data, "test")
    try:
        device = Device.parse(options.device)
        graphs = (False,) if device.kind == "cpu" else (False, True)
        rows = [_row(pool, options.device, options.largest, cuda_graphs=on) for on in graphs]
    except EncasError as error:
        skip(error)
    print(json.dumps({**machine(), "device": options.device, "rows": rows}, indent=2))
    assert all(row["provider"] == PROVIDERS[device.kind] for row in rows)
    assert all(row["other_decisions"] == 0 for row in rows)


def _row(pool: Any, device: str, largest: int, *, cuda_graphs: bool) -> dict[str, Any]:
    batching = Batching.powers_of_two(largest)
    placement = Placement(
        device=device, n_threads=1, cuda_graphs=cuda_graphs, buckets=batching.buckets
    )
    with tempfile.TemporaryDirectory() as folder:
        models = PoolModels(pool, Path(folder), placement, exporter="dynamo")
        dataset = open_views(pool.data, models.views.preprocessings)
        targets = [target for target in models.targets() if target.name in CASCADE.members]
        profile = profile_members(targets, batching.buckets, protocol=PATIENT)
        runner = Runner(CASCADE, [models.open(m) for m in CASCADE.members], batching=batching)
    runner.warm_up()
    found = predict(runner, dataset)
    places = [pool.index(member) for member in CASCADE.members]
    believed = decide(
        CASCADE, lambda j, rows: pool.probabilities(places[j], rows), n_samples=pool.n_samples
    )
    benches = []
    for size in sorted({1, min(32, largest), largest}):
        rows = batches_of(dataset.n_samples, size, rng=np.random.default_rng(0))
        one = bench(
            runner,
            [dataset.samples(batch) for batch in rows],
            profile,
            name="resnets",
            data="test.zip",
            protocol=PATIENT,
        )
        benches.append(
            {
                "batch_size": size,
                "ms": one.latency.mean_ms,
                "predicted_ms": one.latency.predicted_ms,
                "padding_waste": one.padding_waste,
            }
        )
    return {
        "cuda_graphs": cuda_graphs,
        "provider": profile.setting.provider,
        "device_name": profile.setting.device_name,
        "other_decisions": int(
            ((found.label != believed.label) | (found.stage != believed.stage)).sum()
        ),
        "buckets": [
            {
                "member": timing.name,
                "batch_size": timing.batch_size,
                "p50_ms": timing.p50_ms,
                "p99_ms": timing.p99_ms,
                "transfer_ms": timing.transfer_ms,
                "sm_clock_mhz": timing.sm_clock_mhz,
                "energy_mj": timing.energy_mj,
            }
            for timing in profile.timings
        ],
        "cascade": benches,
    }


if __name__ == "__main__":
    main()
