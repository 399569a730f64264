"""Costs of subnets, each counted once."""

from __future__ import annotations

from functools import partial

import numpy as np

from ..arrays import DoubleArray, IntArray
from .proposing import Costs
from .space import Space
from .subnet_evaluating import macs_of_genomes


class RememberedCosts:
    """Costs of genomes, those of each asked for once.

    Args:
        costs: of a genome, whatever others it is asked with.
    """

    def __init__(self, costs: Costs) -> None:
        self._costs = costs
        self._known: dict[bytes, float] = {}

    def __call__(self, genomes: IntArray) -> DoubleArray:
        """Float64 [n], of genomes [n, n_genes]."""
        keys = [row.tobytes() for row in genomes]
        unknown = {key: i for i, key in enumerate(keys) if key not in self._known}
        found = self._costs(genomes[list(unknown.values())])
        self._known |= dict(zip(unknown, found.tolist(), strict=True))
        return np.array([self._known[key] for key in keys], np.float64)


class CountedMacs(RememberedCosts):
    """Multiply-adds of genomes, each counted once.

    Args:
        space: of the genomes.
        n_classes: logits of a sample.
    """

    def __init__(self, space: Space, *, n_classes: int) -> None:
        super().__init__(partial(macs_of_genomes, space, n_classes=n_classes))
