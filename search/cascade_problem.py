"""The problem that a strategy sees: genomes in, objectives out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..arrays import DoubleArray, IntArray
from ..evaluate.compiled import compiled
from ..evaluate.counts import Evaluator
from ..evaluate.genome import gene_sizes
from ..evaluate.objectives import Error, Objective


def decode(genomes: IntArray) -> tuple[IntArray, IntArray]:
    """Decodes genomes [n, 2K - 1] into members [n, K] and thresholds [n, K - 1].

    Members are model indices from 0, -1 past the last stage; threshold genes past the last
    stage are 0.
    """
    n, n_genes = genomes.shape
    max_members = (n_genes + 1) // 2
    members = np.full((n, max_members), -1, np.int64)
    thresholds = np.zeros((n, max_members - 1), np.int64)
    _decode(genomes, members, thresholds)
    return members, thresholds


@compiled
def _decode(genomes: IntArray, members: IntArray, thresholds: IntArray) -> None:
    max_members = members.shape[1]
    for i in range(len(genomes)):
        n_stages = 0
        for slot in range(max_members):
            member = genomes[i, slot] - 1
            if member < 0 or (members[i, :n_stages] == member).any():
                continue
            members[i, n_stages] = member
            if n_stages > 0:
                thresholds[i, n_stages - 1] = genomes[i, max_members + slot - 1]
            n_stages += 1


class CascadeProblem:
    """Genomes in, objectives out; the error is the first objective.

    Args:
        evaluator: counts correct answers and reaches.
        error: the first objective.
        costs: the other objectives.
        n_models: models in the pool.
        max_members: K, members of a cascade at most.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        error: Error,
        costs: Sequence[Objective],
        *,
        n_models: int,
        max_members: int,
    ) -> None:
        self.evaluator = evaluator
        self.error = error
        self.objectives: tuple[Objective, ...] = (error, *costs)
        self.n_values = gene_sizes(n_models, max_members)
        self.n_objectives = len(self.objectives)

    def evaluate(self, genomes: IntArray) -> DoubleArray:
        """Objectives [n, n_objectives] of genomes [n, n_genes]; +inf where all is no-op."""
        members, thresholds = decode(genomes)
        counts = self.evaluator.count(
            members, thresholds, with_predicted=self.error.needs_predicted
        )
        values = np.empty((len(genomes), self.n_objectives))
        for k, objective in enumerate(self.objectives):
            values[:, k] = objective.values(members, counts, n_samples=self.evaluator.n_samples)
        values[members[:, 0] < 0] = np.inf
        return values
