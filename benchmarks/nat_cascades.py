"""From the fronts of supernetworks to cascades, judged on images that chose nothing.

    python benchmarks/nat_cascades.py --dataset digits --seeds 5 --first-seed 1

The runs are those of nat.py (read where they are done). The subnets of each run's front become a
pool; cascades of it are searched on the search split and judged on the test split, and so is the
front of its single subnets. Then the pools of both supernetworks are joined and searched, by
MO-GOMEA, and with as many evaluations by its rivals.

Claims, after A. Chebykin, T. Alderliesten, P. A. N. Bosman (GECCO 2022, doi
10.1145/3512290.3528749), each with a one-sided Wilcoxon test over the seeds: cascades of one
supernetwork > its single subnets; of two > of one; MO-GOMEA > greedy, > random search, >
ensembles. All by hypervolume on the test split, relative to error 1 and the MACs of the largest
subnet. Asserted is the first. Prints JSON; a seed that is done is in build/bench.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cifar10 import arguments, machine
from partial import stored

from encas.data.open_source import open_source
from encas.fronts.front import Front
from encas.fronts.indicators import hypervolume
from encas.fronts.scoring import evaluate_front
from encas.nat.nat_runs import NatRun
from encas.nat.sample_table import SampleTable, table_of
from encas.nat.space import largest
from encas.nat.subnet_evaluating import evaluator_of, macs_of_genomes
from encas.nat.subnets import subnet_name
from encas.pools.model import Model
from encas.pools.pool import Pool
from encas.search.front_finding import find_front
from nat import SUPERNETS, adapted, compared, setup

RIVALS: dict[str, dict[str, Any]] = {
    "greedy": {"algorithm": "greedy"},
    "random search": {"algorithm": "random"},
    "ensembles": {"algorithm": "mo-gomea", "mode": "ensemble"},
}
CLAIMS = (
    ("small-mobile, cascades", "small-mobile, singles"),
    ("small-fused, cascades", "small-fused, singles"),
    ("both, cascades", "both, singles"),
    ("both, cascades", "small-mobile, cascades"),
    ("both, cascades", "small-fused, cascades"),
    *(("both, cascades", f"both, {name}") for name in RIVALS),
)
N_BUDGETS = 20


def main() -> None:
    given = arguments(
        __doc__, dataset="digits", seeds=5, first_seed=1, threads=1, evaluations=20_000
    )
    torch.set_num_threads(given.threads)
    rows = []
    for seed in range(given.first_seed, given.first_seed + given.seeds):
        key = {"dataset": given.dataset, "seed": seed, "evaluations": given.evaluations}
        rows.append(stored("nat_cascades", key, lambda key=key: measured(key, given.data)))
    claims = {f"{a} > {b}": compared(rows, a, b) for a, b in CLAIMS}
    print(
        json.dumps(
            {**machine(), "torch": torch.__version__, "claims": claims, "seeds": rows}, indent=2
        )
    )
    for supernet in SUPERNETS:
        claim = claims[f"{supernet}, cascades > {supernet}, singles"]
        assert claim["median_gain"] > 0, claim


def measured(key: dict[str, Any], data: Path) -> dict[str, Any]:
    """Hypervolumes on the test split of one seed, and accuracies at equal MACs."""
    runs = [
        adapted(key["dataset"], name, key["seed"], data, proposer="surrogate") for name in SUPERNETS
    ]
    scale = max(largest_macs(run) for run in runs)
    pools = [pools_of(run, key["dataset"], data) for run in runs]
    pools.append((joined([p for p, _ in pools]), joined([p for _, p in pools])))
    row: dict[str, Any] = {"n_models": [search.n_models for search, _ in pools]}
    for name, (search, test) in zip((*SUPERNETS, "both"), pools, strict=True):
        ways = {"singles": {"algorithm": "single"}, "cascades": {"algorithm": "mo-gomea"}}
        if name == "both":
            ways |= RIVALS
        fronts = {way: searched(search, key, options) for way, options in ways.items()}
        judged = {way: evaluate_front(front, test) for way, front in fronts.items()}
        row |= {f"{name}, {way}": volume(front, scale) for way, front in judged.items()}
        row[f"{name}, at equal MACs"] = _at_equal_macs(fronts, judged)
    return row


def searched(pool: Pool, key: dict[str, Any], options: dict[str, Any]) -> Front:
    """The front that an algorithm finds in a pool."""
    limit = {} if options["algorithm"] in ("single", "greedy") else key["evaluations"]
    limits = {"evaluations": limit} if limit else {}
    return find_front(pool, seed=key["seed"], **limits, **options)


def _at_equal_macs(fronts: dict[str, Front], judged: dict[str, Front]) -> dict[str, float]:
    """Mean test accuracy over budgets of MACs, of what is most accurate in each on search."""
    costs = fronts["singles"].points[:, 1]
    budgets = np.geomspace(costs.min(), costs.max(), N_BUDGETS)
    result = {}
    for way in ("singles", "cascades"):
        error, cost = fronts[way].points.T
        chosen = [int(np.argmin(np.where(cost <= b * (1 + 1e-9), error, np.inf))) for b in budgets]
        points = judged[way].points[chosen]
        result[f"accuracy, {way}"] = 1 - float(points[:, 0].mean())
        result[f"share of the budget, {way}"] = float((points[:, 1] / budgets).mean())
    return result


def volume(front: Front, scale: float) -> float:
    """Hypervolume relative to error 1 and `scale` MACs."""
    return hypervolume(front.points / (1, scale), (1.0, 1.0))


def largest_macs(run: NatRun) -> float:
    """Of the largest subnet of a run's supernetwork."""
    genome = largest(run.space)[None]
    return float(macs_of_genomes(run.space, genome, n_classes=run.n_classes)[0])


def pools_of(run: NatRun, dataset: str, data: Path) -> tuple[Pool, Pool]:
    """The subnets of a run's front on the search and the test split."""
    plan, _ = setup(dataset, data)
    assert plan.search is not None
    test = "digits:test" if dataset == "digits" else str(data / "cifar10" / "test.zip")
    tables = [table_of(open_source(text), run.preprocessing) for text in (plan.search, test)]
    evaluator, supernet = evaluator_of(run), run.open_supernet()
    genomes = run.genomes(run.front)
    networks = [evaluator.calibrated(supernet, genome) for genome in genomes]
    models = [
        Model(
            name=subnet_name(run.space, genome),
            kind="logits",
            costs={"macs": run.scored(text).macs},
        )
        for genome, text in zip(genomes, run.front, strict=True)
    ]

    def pool(table: SampleTable, name: str) -> Pool:
        outputs = [evaluator.logits(network, table) for network in networks]
        return Pool.of(outputs=outputs, label=table.label.numpy(), models=models, name=name)

    search, test_pool = pool(tables[0], "search"), pool(tables[1], "test")
    errors = [(o.argmax(axis=1) != search.label).mean() for o in search.outputs]
    assert errors == [run.scored(text).error for text in run.front], "not what the run measured"
    return search, test_pool


def joined(pools: Sequence[Pool]) -> Pool:
    """All models of some pools of the same samples."""
    return Pool.of(
        outputs=[output for pool in pools for output in pool.outputs],
        label=pools[0].label,
        models=[model for pool in pools for model in pool.models],
        name=pools[0].name,
    )


if __name__ == "__main__":
    main()
