"""Ensembles as a search space: every threshold is 1, so that a genome is its member genes alone.

As in the paper (A. Chebykin, T. Alderliesten, P. A. N. Bosman, GECCO 2022,
doi 10.1145/3512290.3528749, section 4), where ensembles are what cascades are compared with.
"""

from __future__ import annotations

import numpy as np

from ..arrays import DoubleArray, IntArray
from ..evaluate.threshold_grid import N_THRESHOLDS
from .problem import Problem

NEVER_LEAVES = N_THRESHOLDS - 1


class EnsembleProblem:
    """A cascade problem with all thresholds fixed at 1.

    Args:
        problem: genomes of K member genes and K - 1 threshold genes.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem

    @property
    def n_values(self) -> IntArray:
        """How many values each of the K member genes takes."""
        return self._problem.n_values[: (len(self._problem.n_values) + 1) // 2]

    @property
    def n_objectives(self) -> int:
        """As many as the cascade problem has."""
        return self._problem.n_objectives

    def evaluate(self, genomes: IntArray, /) -> DoubleArray:
        """The objectives of member genes [n, K], float64 [n, n_objectives]."""
        return self._problem.evaluate(with_thresholds(genomes))


def with_thresholds(genomes: IntArray) -> IntArray:
    """The cascade genomes [n, 2K - 1] of ensembles given by their member genes [n, K]."""
    n, max_members = genomes.shape
    return np.concatenate((genomes, np.full((n, max_members - 1), NEVER_LEAVES)), axis=1)
