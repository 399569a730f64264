"""MO-GOMEA finds complete Pareto fronts of bit functions, and what its own work costs.

Claim: the complete fronts of zeromax-onemax, trap5/inverse-trap5 and leading-ones-trailing-zeros,
of 25 and 50 bits, within 2,000,000 evaluations, every seed; and no more than 15 microseconds of
strategy and archive for an evaluation on mixed alphabets of the size of a cascade search.

    python benchmarks/gomea_functions.py --seeds 5
"""

from __future__ import annotations

import json
import time

import numpy as np
from bit_functions import PROBLEMS, BitProblem
from cifar10 import arguments, machine, median

from encas.arrays import DoubleArray, IntArray
from encas.search.gomea import MoGomea
from encas.search.search import AskTellSearch

LIMIT = 2_000_000
OVERHEAD_GOAL_US = 15.0


class Alphabets:
    """A stand-in for a cascade search of five members: as many genes and values, next to no work.

    Dear members err less, and thresholds weigh them; a front of hundreds of points.
    """

    n_objectives = 2

    def __init__(self, n_models: int) -> None:
        self.n_values = np.array([n_models + 1] * 5 + [51] * 4)

    def evaluate(self, genomes: IntArray) -> DoubleArray:
        shares = genomes / (self.n_values - 1)
        cost = (shares[:, :5] ** 2).sum(axis=1) + np.abs(shares[:, 5:] - 0.7).sum(axis=1) / 50
        error = ((1 - shares[:, :5]) ** 2).sum(axis=1) + np.abs(shares[:, 5:] - 0.3).sum(
            axis=1
        ) / 50
        return np.stack([np.round(error, 3), np.round(cost, 3)], axis=1)


def evaluations_to_complete(problem: BitProblem, seed: int) -> tuple[int, float]:
    """Evaluations and seconds to the complete front, or to the limit."""
    search = AskTellSearch(problem, MoGomea(problem, rng=np.random.default_rng(seed)))
    start = time.perf_counter()
    n_points = len(problem.front)
    while search.n_evaluations < LIMIT:
        search.step(LIMIT - search.n_evaluations)
        if len(search.archive) == n_points and problem.is_complete(search.archive.objectives):
            break
    return search.n_evaluations, time.perf_counter() - start


def completed(problem: BitProblem, n_seeds: int) -> dict:
    runs = [evaluations_to_complete(problem, seed) for seed in range(1, n_seeds + 1)]
    return {
        "function": problem.name,
        "bits": problem.n_bits,
        "points_of_the_front": len(problem.front),
        "evaluations": [n for n, _ in runs],
        "median_evaluations": median([n for n, _ in runs]),
        "seconds": [round(seconds, 2) for _, seconds in runs],
    }


def overhead(n_models: int, evaluations: int) -> dict:
    """What an evaluation costs beside evaluating, in microseconds."""
    problem = Alphabets(n_models)
    search = AskTellSearch(problem, MoGomea(problem, rng=np.random.default_rng(1)))
    n_batches, start = 0, time.perf_counter()
    while search.n_evaluations < evaluations:
        search.step(evaluations - search.n_evaluations)
        n_batches += 1
    seconds = time.perf_counter() - start
    genomes = search.archive.genomes[:1].repeat(evaluations // n_batches, axis=0)
    start = time.perf_counter()
    for _ in range(n_batches):
        problem.evaluate(genomes)
    seconds -= time.perf_counter() - start
    return {
        "models": n_models,
        "evaluations": evaluations,
        "batch": evaluations / n_batches,
        "archive": len(search.archive),
        "overhead_us": 1e6 * seconds / evaluations,
    }


def main() -> None:
    given = arguments(__doc__, seeds=5, evaluations=300_000)
    completed(PROBLEMS[0](10), 1)  # compiles
    rows = [completed(make(n_bits), given.seeds) for make in PROBLEMS for n_bits in (25, 50)]
    costs = [overhead(n_models, given.evaluations) for n_models in (16, 518)]
    result = {"machine": machine(), "limit": LIMIT, "functions": rows, "overhead": costs}
    print(json.dumps(result, indent=2))
    assert all(max(row["evaluations"]) < LIMIT for row in rows)
    assert all(cost["overhead_us"] <= OVERHEAD_GOAL_US for cost in costs)


if __name__ == "__main__":
    main()
