"""What helps a front on images that it was not searched on, at equal evaluations.

Searches the validation pool of 16 real CIFAR-10 networks and judges on the test pool, which chooses
nothing. Two figures: the hypervolume of the whole front on the test images, and what a user gets:
the mean accuracy on them over 20 budgets of MACs, of the cascade that is chosen for each budget.

Ways to search: as stored; with one temperature for each network, fitted on the validation images;
with the margin instead of the largest probability; on one half of the images, choosing from both
halves' fronts by the images that they were not searched on (folds).

Ways to choose for a budget from a front: the most accurate; the fewest members among those at most
three images (0.1 points) worse (ties); by the error averaged with those of the cascades that differ
in one threshold by one step (shrinkage).

    python benchmarks/cifar_generalisation.py --data ../shared/data --seeds 10
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from cifar10 import arguments, load, machine, median, volume

from encas.arrays import DoubleArray
from encas.cascade import Cascade
from encas.evaluate.objectives import TopOneError, cost_objective
from encas.fronts.front import Front
from encas.fronts.scoring import evaluate_front, score
from encas.pools.calibration import fit_temperatures
from encas.pools.pool import Pool
from encas.pools.pool_split import split_rows
from encas.search.front_finding import find_front

BUDGETS = np.geomspace(2e6, 60e6, 20)
TIE = 0.001
STEP = 0.02


def searched(pool: Pool, seed: int, given: Any, confidence: str) -> Front:
    return find_front(
        pool,
        evaluations=given.evaluations,
        seed=seed,
        algorithm=given.algorithm,
        confidence=confidence,  # type: ignore[arg-type]
    )


def folded(pool: Pool, seed: int, given: Any, confidence: str) -> Front:
    """Both halves' fronts, each scored on the half that it was not searched on."""
    rows = split_rows(pool, {"search": 0.5, "selection": 0.5, "test": 0.0}, seed=seed)
    halves = [pool.take(rows["search"]), pool.take(rows["selection"])]
    half = replace_evaluations(given)
    fronts = [
        evaluate_front(searched(one, seed, half, confidence), other)
        for one, other in (halves, halves[::-1])
    ]
    both = {item.cascade: item for front in fronts for item in front.cascades}
    return fronts[0].with_cascades(sorted(both.values(), key=lambda c: c.cost))


def replace_evaluations(given: Any) -> Any:
    """Half the evaluations for each of two searches."""
    return type(given)(**vars(given) | {"evaluations": given.evaluations // 2})


def most_accurate(front: Front, _pool: Pool) -> Callable[[float], int]:
    errors = front.points[:, 0]
    return lambda budget: _least(errors, front, budget)


def fewest_members(front: Front, _pool: Pool) -> Callable[[float], int]:
    error, cost = front.points.T
    length = np.array([item.cascade.n_stages for item in front.cascades])

    def chosen(budget: float) -> int:
        near = (cost <= budget) & (error <= error[cost <= budget].min() + TIE)
        return min(np.flatnonzero(near), key=lambda i: (length[i], cost[i]))

    return chosen


def shrunk(front: Front, pool: Pool) -> Callable[[float], int]:
    errors = smoothed([item.cascade for item in front.cascades], pool)
    return lambda budget: _least(errors, front, budget)


def smoothed(cascades: Sequence[Cascade], pool: Pool) -> DoubleArray:
    """The error of each cascade, averaged with its neighbours' in single thresholds."""
    groups = [[cascade, *neighbours(cascade)] for cascade in cascades]
    everything = [cascade for group in groups for cascade in group]
    scored = score(everything, pool, TopOneError(), [cost_objective("macs", pool)])
    errors = iter([item.error for item in scored])
    return np.array([np.mean([next(errors) for _ in group]) for group in groups])


def neighbours(cascade: Cascade) -> list[Cascade]:
    found = []
    for j, threshold in enumerate(cascade.thresholds):
        for step in (-STEP, STEP):
            value = round(threshold + step, 2)
            if 0 <= value <= 1:
                changed = (*cascade.thresholds[:j], value, *cascade.thresholds[j + 1 :])
                found.append(replace(cascade, thresholds=changed))
    return found


def _least(errors: DoubleArray, front: Front, budget: float) -> int:
    return int(np.argmin(np.where(front.points[:, 1] <= budget, errors, np.inf)))


CHOICES = {"most accurate": most_accurate, "ties": fewest_members, "shrinkage": shrunk}


def judged(front: Front, pool: Pool, test: Pool) -> dict[str, float]:
    """A front on the test images, and the accuracy there of what is chosen from it."""
    held_out = evaluate_front(front, test)
    result = {"hypervolume": volume(front), "hypervolume_test": volume(held_out)}
    for name, way in CHOICES.items():
        chosen = way(front, pool)
        errors = [held_out.cascades[chosen(budget)].error for budget in BUDGETS]
        result[f"accuracy_test, {name}"] = 1 - float(np.mean(errors))
    return result


def summary(runs: Sequence[dict[str, float]]) -> dict[str, Any]:
    values = {key: [run[key] for run in runs] for key in runs[0]}
    return {key: [median(v), min(v), max(v)] for key, v in values.items()}


def main() -> None:
    given = arguments(__doc__, seeds=10, evaluations=100_000, algorithm="mo-gomea")
    pool, test = load(given.data, "val"), load(given.data, "test")
    temperatures = fit_temperatures(pool)
    stored = {
        "as stored": (pool, test),
        "calibrated": (pool.with_temperatures(temperatures), test.with_temperatures(temperatures)),
    }
    result: dict[str, Any] = {"machine": machine(), **vars(given), "data": str(given.data)}
    for name, (own, other) in stored.items():
        for confidence in ("max_probability", "margin"):
            for way, find in (("whole", searched), ("folds", folded)):
                fronts = [find(own, seed, given, confidence) for seed in range(1, given.seeds + 1)]
                key = f"{name}, {confidence}, {way}"
                result[key] = summary([judged(front, own, other) for front in fronts])
                print(key, json.dumps(result[key]), flush=True)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
