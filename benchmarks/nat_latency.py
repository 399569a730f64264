"""How true predicted times of subnets are, against what their multiply-adds tell.

    python benchmarks/nat_latency.py --subnets 60 --others 20 --batch-size 1

For each small supernetwork, with images of 16 pixels: random subnets are exported and measured as
`encas nat profile` does. From the first --subnets the prices of blocks are fitted, and, as the
alternative, a line through their MACs (least squares of the relative errors, too). Both predict the
--others, which had no part in either.

Claim: the median error of the prices is below that of the line. Prints JSON; measured times lie in
build/bench/nat_latency and are not measured again.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from cifar10 import REPOSITORY, arguments, machine
from scipy.optimize import nnls

from encas.commands.latency_job import PATIENT, MeasureOptions, profile_targets
from encas.commands.pool_targets import spec_targets
from encas.latency import LatencyProfile
from encas.runtime.placement import Placement
from encas.search.nat.designs import space_of
from encas.search.nat.evaluating import macs_of_genomes
from encas.search.nat.latency import SubnetLatency
from encas.search.nat.space import sample_distinct
from encas.search.nat.subnets import spec_of, subnet_name
from encas.search.nat.surrogate import Quality

SUPERNETS = ("small-mobile", "small-fused")
SIZE, N_CLASSES = 16, 10


def main() -> None:
    given = arguments(__doc__, subnets=60, others=20, batch_size=1, threads=1)
    folder = REPOSITORY / "build" / "bench" / "nat_latency"
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        judged(
            name,
            given.subnets,
            given.others,
            given.batch_size,
            given.threads,
            folder / f"{name}-{given.batch_size}-{given.threads}.json",
        )
        for name in SUPERNETS
    ]
    print(json.dumps({**machine(), "size": SIZE, "rows": rows}, indent=2))
    for row in rows:
        assert row["prices"]["median_error"] < row["line"]["median_error"], row


def judged(
    name: str, n_subnets: int, n_others: int, batch_size: int, n_threads: int, file: Path
) -> dict[str, Any]:
    """Errors of both predictions on subnets that had no part in them."""
    space = space_of(name, size=SIZE)
    genomes = sample_distinct(space, n_subnets + n_others, np.random.default_rng(0))
    specs = {subnet_name(space, g): spec_of(space, g, n_classes=N_CLASSES) for g in genomes}
    options = MeasureOptions(placement=Placement(n_threads=n_threads), protocol=PATIENT)
    with spec_targets(specs, options.placement, exporter="dynamo") as targets:
        profile = profile_targets(targets, [batch_size], out=file, options=options)
    times = np.array([profile.member_ms(n, float(batch_size)) for n in specs], np.float64)
    macs = macs_of_genomes(space, genomes, n_classes=N_CLASSES)
    known, others = np.arange(n_subnets), np.arange(n_subnets, len(genomes))
    part = replace(profile, timings=tuple(profile.timings[i] for i in known))
    fit = SubnetLatency.fit(part, space, n_classes=N_CLASSES)
    line = np.stack((np.ones(len(macs)), macs / macs.max()), axis=1)
    prices, _ = nnls(line[known] / times[known, None], np.ones(n_subnets))
    return {
        "supernet": name,
        "setting": setting_of(profile),
        "batch_size": batch_size,
        "n_fitted": n_subnets,
        "n_others": n_others,
        "times_ms": [float(times.min()), float(np.median(times)), float(times.max())],
        "stated": {"median_error": fit.quality.median_error, "tau": fit.quality.tau},
        "prices": errors_of(fit(genomes[others]), times[others]),
        "line": errors_of(line[others] @ prices, times[others]),
    }


def errors_of(predicted: np.ndarray, times: np.ndarray) -> dict[str, float]:
    """Relative errors, and whether the order is right."""
    errors = np.abs(predicted / times - 1)
    return {
        "median_error": float(np.median(errors)),
        "largest_error": float(errors.max()),
        "tau": Quality.of(predicted, times).tau,
    }


def setting_of(profile: LatencyProfile) -> dict[str, Any]:
    """Where the times come from."""
    setting = profile.setting
    return {
        "device": setting.device_name,
        "provider": setting.provider,
        "n_threads": setting.n_threads,
        "onnxruntime": dict(setting.versions),
    }


if __name__ == "__main__":
    main()
