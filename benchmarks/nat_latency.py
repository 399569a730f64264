"""How true predicted times of subnets are, against what their multiply-adds tell.

    python benchmarks/nat_latency.py --subnets 60 --others 20 --batch-size 1 --passes 5

For each small supernetwork, with images of 16 pixels: random subnets are exported and measured as
`encas nat profile` does. From --subnets of them prices are fitted, and two alternatives, by least
squares of the relative errors, too: a line through their MACs, and a table with a price of its own
for every block that is in any of the subnets. All predict the --others, which had no part in them.

Claims: the median error of the prices is below that of the table for each supernetwork, and below
that of the line in the mean over them. Prints JSON; measured times lie in build/bench/nat_latency
and are not measured again.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from cifar10 import REPOSITORY, arguments, machine
from scipy.optimize import nnls

from encas.jobs.measure_latency import PATIENT, MeasureOptions
from encas.jobs.measure_passes import profile_in_passes
from encas.jobs.pool_targets import spec_targets
from encas.latency import LatencyProfile
from encas.nat.designs import space_of
from encas.nat.recipe import Recipe, out_side
from encas.nat.space import Space, sample_distinct
from encas.nat.subnet_evaluating import macs_of_genomes
from encas.nat.subnet_latency import SubnetLatency
from encas.nat.subnets import spec_of, subnet_name
from encas.nat.surrogate import Quality
from encas.runtime.placement import Placement

WAYS = ("prices", "line", "table")
SUPERNETS = ("small-mobile", "small-fused")
SIZE, N_CLASSES = 16, 10


def main() -> None:
    given = arguments(__doc__, subnets=60, others=20, batch_size=1, threads=1, passes=5)
    folder = REPOSITORY / "build" / "bench" / "nat_latency"
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        judged(
            name,
            given.subnets,
            given.others,
            given.batch_size,
            given.threads,
            given.passes,
            folder / f"{name}-{given.batch_size}-{given.threads}-{given.passes}.json",
        )
        for name in SUPERNETS
    ]
    print(json.dumps({**machine(), "size": SIZE, "rows": rows}, indent=2))
    errors = {way: [row[way]["median_error"] for row in rows] for way in WAYS}
    for prices, table in zip(errors["prices"], errors["table"], strict=True):
        assert prices < table, errors
    assert mean(errors["prices"]) < mean(errors["line"]), errors


def judged(
    name: str,
    n_subnets: int,
    n_others: int,
    batch_size: int,
    n_threads: int,
    n_passes: int,
    file: Path,
) -> dict[str, Any]:
    """Errors of all predictions on subnets that had no part in them."""
    space = space_of(name, size=SIZE)
    genomes = sample_distinct(space, n_subnets + n_others, np.random.default_rng(0))
    specs = {subnet_name(space, g): spec_of(space, g, n_classes=N_CLASSES) for g in genomes}
    options = MeasureOptions(placement=Placement(n_threads=n_threads), protocol=PATIENT)
    placement = options.placement
    with spec_targets(specs, placement, exporter="dynamo", keep_files=True) as targets:
        profile = profile_in_passes(
            targets, [batch_size], out=file, options=options, n_passes=n_passes
        )
    times = np.array([profile.member_ms(n, float(batch_size)) for n in specs], np.float64)
    macs = macs_of_genomes(space, genomes, n_classes=N_CLASSES)
    known, others = np.arange(n_subnets), np.arange(n_subnets, len(genomes))
    names = set(list(specs)[:n_subnets])
    part = replace(profile, timings=tuple(t for t in profile.timings if t.name in names))
    fit = SubnetLatency.fit(part, space, n_classes=N_CLASSES)
    line = np.stack((np.ones(len(macs)), macs / macs.max()), axis=1)
    table = blocks_of(space, genomes)
    return {
        "supernet": name,
        "setting": setting_of(profile),
        "batch_size": batch_size,
        "n_fitted": n_subnets,
        "n_others": n_others,
        "n_passes": n_passes,
        "times_ms": [float(times.min()), float(np.median(times)), float(times.max())],
        "stated": {"median_error": fit.quality.median_error, "tau": fit.quality.tau},
        "prices": errors_of(fit(genomes[others]), times[others]),
        "line": errors_of(line[others] @ fitted(line[known], times[known]), times[others]),
        "table": errors_of(table[others] @ fitted(table[known], times[known]), times[others]),
        "n_blocks": table.shape[1] - 1,
    }


def blocks_of(space: Space, genomes: np.ndarray) -> np.ndarray:
    """1, and how often each different block is in each subnet, float64 [n, 1 + n_blocks]."""
    counts = [
        blocks_in(space.design.recipe(space.decode(genome), n_classes=N_CLASSES))
        for genome in genomes
    ]
    blocks = sorted(set().union(*counts), key=str)
    return np.array([[1, *(own[block] for block in blocks)] for own in counts], np.float64)


def blocks_in(recipe: Recipe) -> Counter[Any]:
    """The blocks of a network, each with the side of what it takes, whatever their place."""
    side, found = out_side(recipe.resolution, recipe.stem_stride), Counter[Any]()
    for block in recipe.blocks:
        found[side, replace(block, place=(0, 0))] += 1
        side = out_side(side, block.stride)
    return found


def fitted(features: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Prices of at least 0 with the least sum of squared relative errors."""
    prices, _ = nnls(features / times[:, None], np.ones(len(times)))
    return prices


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
