"""How much of a search a warm start saves when the costs have changed.

16 real CIFAR-10 networks are searched for MACs. Then every network's cost is multiplied by a random
factor (log-normal, sigma 0.5: as far as measured times are from MACs), and the pool is searched
again, from nothing and from the first front. Each search keeps a history of its hypervolume.

Claim: from the first front, the second search comes within 0.1 % of the hypervolume that it reaches
from nothing with its whole budget in at most half of the evaluations that it takes from nothing, in
the median of the seeds.

    python benchmarks/warm_start.py --data ../shared/data --seeds 10
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
from cifar10 import arguments, load, machine, median

from encas.fronts.front import Front
from encas.pools.pool import Pool
from encas.search.front_finding import find_front

SIGMA = 0.5
NEAR = 0.999
SHARE = 0.5


def with_new_costs(pool: Pool, seed: int) -> Pool:
    """The same outputs at other costs."""
    factors = np.random.default_rng(seed).lognormal(0.0, SIGMA, pool.n_models)
    models = [
        replace(model, costs=dict(model.costs) | {"macs": model.costs["macs"] * float(factor)})
        for model, factor in zip(pool.models, factors, strict=True)
    ]
    return replace(pool, models=tuple(models))


def history(front: Front) -> np.ndarray:
    """Evaluations, seconds and hypervolume, float64 [n, 3]."""
    return np.array(front.search["hypervolume"]["history"], np.float64)


def reached(front: Front, goal: float) -> tuple[float, float]:
    """The evaluations and seconds after which a search has a hypervolume; inf if none."""
    rows = history(front)
    there = rows[rows[:, 2] >= goal]
    return (float(there[0, 0]), float(there[0, 1])) if len(there) else (np.inf, np.inf)


def compare(pool: Pool, seed: int, algorithm: str, evaluations: int) -> dict[str, Any]:
    settings: dict[str, Any] = {"algorithm": algorithm, "evaluations": evaluations}
    first = find_front(pool, seed=seed, **settings)
    changed = with_new_costs(pool, seed)
    cold = find_front(changed, seed=seed + 1000, **settings)
    warm = find_front(changed, seed=seed + 1000, warm_start=first, **settings)
    best = history(cold)[-1, 2]
    cold_at, warm_at = reached(cold, NEAR * best), reached(warm, NEAR * best)
    return {
        "seed": seed,
        "hypervolume_cold": best,
        "hypervolume_warm": history(warm)[-1, 2],
        "evaluations_cold": cold_at[0],
        "evaluations_warm": warm_at[0],
        "share_of_evaluations": warm_at[0] / cold_at[0],
        "seconds_cold": cold_at[1],
        "seconds_warm": warm_at[1],
        "share_of_seconds": warm_at[1] / cold_at[1],
    }


def main() -> None:
    given = arguments(__doc__, seeds=10, evaluations=100_000, sequences=20_000)
    pool = load(given.data, "val")
    budgets = {"mo-gomea": given.evaluations, "sweep": given.sequences}
    result: dict[str, Any] = {"machine": machine(), "budgets": budgets}
    for name, evaluations in budgets.items():
        runs = [compare(pool, s, name, evaluations) for s in range(1, given.seeds + 1)]
        medians = {key: median([run[key] for run in runs]) for key in runs[0] if key != "seed"}
        result[name] = {"medians": medians, "runs": runs}
    print(json.dumps(result, indent=2))
    for name in budgets:
        assert result[name]["medians"]["share_of_evaluations"] <= SHARE, name


if __name__ == "__main__":
    main()
