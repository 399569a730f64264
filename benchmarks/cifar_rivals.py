"""Every algorithm on 16 real CIFAR-10 networks, with one budget.

Claim: the algorithm that `encas search` takes by default has the highest median hypervolume over
seeds of all, on the images that were searched. How the same fronts do on the test images, which
chose nothing, stands beside it. Ensembles, which never exit early, are searched exhaustively.

    python benchmarks/cifar_rivals.py --data ../shared/data --seeds 10 --evaluations 100000
    python benchmarks/cifar_rivals.py --data ../shared/data --seeds 10 --seconds 20

Runs are kept in --out and not made again.
"""

from __future__ import annotations

import json
from pathlib import Path

from cifar10 import REFERENCE, arguments, load, machine, volume

from encas.fronts.contest import contest_of, summary_of
from encas.fronts.scoring import evaluate_front
from encas.jobs.run_contest import ContestPlan, run_plan
from encas.pools.pool import Pool
from encas.search.algorithms import ALGORITHMS
from encas.search.front_finding import find_front
from encas.search.options import SearchOptions

# Exhaustive search is no rival: where it can be had, nothing is better.
NOT_RIVALS = {"exact"}
# What `auto` takes where the exact front would take too long.
DEFAULT = "sweep"


def ensembles(pool: Pool, test: Pool) -> dict:
    front = find_front(pool, algorithm="grid", mode="ensemble", max_members=5)
    assert front.search["ended"] == "finished"
    return {
        "evaluations": front.search["evaluations"],
        "hypervolume": volume(front),
        "hypervolume_test": volume(evaluate_front(front, test)),
        "best_accuracy": max(c.accuracy for c in front.cascades),
    }


def main() -> None:
    given = arguments(
        __doc__, seeds=3, evaluations=20_000, seconds=0.0, algorithms="", out="build/bench/rivals"
    )
    pool, test = load(given.data, "val"), load(given.data, "test")
    names = given.algorithms.split(",") if given.algorithms else sorted({*ALGORITHMS} - NOT_RIVALS)
    budget = {"seconds": given.seconds} if given.seconds else {"evaluations": given.evaluations}
    plan = ContestPlan(
        algorithms=tuple(names),
        seeds=tuple(range(1, given.seeds + 1)),
        options=SearchOptions(reference=REFERENCE, **budget),
    )
    folder = Path(given.out) / "-".join(f"{value:g}{name}" for name, value in budget.items())
    contest = contest_of(run_plan(pool, plan, folder=folder, test=test))
    medians = {name: summary_of(scores) for name, scores in contest.scores.items()}
    duels = [duel for duel in contest.to_json()["duels"] if duel["first"] == DEFAULT]
    result = {
        "machine": machine(),
        "budget": budget,
        "seeds": given.seeds,
        "default": DEFAULT,
        "algorithms": medians,
        "default_against_rivals": duels,
        "ensembles": ensembles(pool, test),
    }
    print(json.dumps(result, indent=2))
    ours = medians[DEFAULT]["hypervolume_median"]
    assert all(ours >= rival["hypervolume_median"] for rival in medians.values())


if __name__ == "__main__":
    main()
