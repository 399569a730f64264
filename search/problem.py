"""What a search is about: the `Problem`."""

from __future__ import annotations

from typing import Protocol

from ..arrays import DoubleArray, IntArray


class Problem(Protocol):
    """A space of genomes with mixed alphabets, and the objectives to minimise."""

    @property
    def n_values(self) -> IntArray:
        """How many values each gene takes, int64 [n_genes]; gene g is in 0..n_values[g] - 1."""
        ...

    @property
    def n_objectives(self) -> int:
        """How many objectives there are, at least two."""
        ...

    def evaluate(self, genomes: IntArray, /) -> DoubleArray:
        """The objectives of `genomes` [n, n_genes], float64 [n, n_objectives], all minimised.

        A pure function: a row depends on its genome alone. An infeasible genome's row is +inf.
        """
        ...
