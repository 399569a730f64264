"""The problem that a strategy sees: genomes in, objectives out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..arrays import DoubleArray, IntArray
from ..evaluate.counts import Evaluator
from ..evaluate.genome import decode, gene_sizes
from ..evaluate.objectives import Error, Objective


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
