"""`encas tune` on real pools: the front that it ends with is as fast as that by MACs everywhere.

    python benchmarks/tune_circle.py --data ../shared/data --pool cifar --batch-size 8

--pool cifar: four real ResNets on 3,000 test images. --pool digits: the networks of the demo,
trained on drawn digits. All cascades that are compared are timed in turns, and the
front is what of these is not dominated: "as fast everywhere" is so by construction, where it is
faster, and how often what was predicted to be faster is not, is found out. Prints JSON.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
from cifar10 import REPOSITORY, arguments, machine
from resnets import resnet_pool

from encas.commands.console import shown_progress
from encas.demo.demo_pools import make_pools, pool_path, train_networks
from encas.jobs.tuning.tune_pool import tune


def main() -> None:
    options = arguments(__doc__, pool="cifar", batch_size=8, threads=1, measured=10, exported=1)
    out = REPOSITORY / "build" / f"tune-{options.pool}-{options.batch_size}"
    shutil.rmtree(out, ignore_errors=True)
    with shown_progress() as show:
        report = tune(
            _pool(options.data, options.pool),
            out=out,
            batch_size=options.batch_size,
            n_threads=options.threads,
            exporter="legacy",
            max_members=3,
            evaluations=50_000,
            n_measured=options.measured,
            n_exported=options.exported,
            on_progress=show,
        )
    ratios = np.array([pair.speed_up for pair in report.pairs])
    found = {
        **machine(),
        "pool": options.pool,
        "provider": report.setting.provider,
        "versions": dict(report.setting.versions),
        "threads": options.threads,
        "batch_size": report.batch_size,
        "n_models": report.n_models,
        "n_profiled": len(report.profiled),
        "n_pairs": len(report.pairs),
        "n_faster": report.n_faster,
        "n_mispredicted": report.n_mispredicted,
        "overhead_correction": report.overhead_correction,
        "speed_up": {
            "smallest": float(ratios.min()),
            "median": float(np.median(ratios)),
            "largest": float(ratios.max()),
        },
        "n_by_macs": report.n_by_macs,
        "n_by_latency": report.n_by_latency,
        "n_changed": report.n_changed,
        "rounds": [
            {"n": one.n_cascades, "median": one.median_error, "largest": one.largest_error}
            for one in report.rounds
        ],
        "held_out_median_error": report.held_out.median_error if report.held_out else None,
        "pairs": [
            {
                "error": pair.by_macs.error,
                "by_macs_ms": pair.by_macs.measured_ms,
                "predicted_ms": pair.predicted.measured_ms,
                "by_latency_ms": pair.by_latency.measured_ms,
                "by_latency": pair.by_latency.cascade.members,
            }
            for pair in report.pairs
        ],
    }
    print(json.dumps(found, indent=2))
    assert ratios.min() >= 1, "somewhere the front by MACs is faster"


def _pool(data: Path, name: str) -> Path:
    if name == "cifar":
        path = resnet_pool(data, "test").path
        assert path is not None  # it was loaded from a folder
        return path
    folder = REPOSITORY / "build" / "digits"
    folder.mkdir(parents=True, exist_ok=True)
    make_pools(folder, train_networks(folder))
    return pool_path(folder, "search")


if __name__ == "__main__":
    main()
