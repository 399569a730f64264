"""Random search: genes drawn uniformly, the yardstick that every strategy must beat."""

from __future__ import annotations

import numpy as np

from ..arrays import DoubleArray, IntArray
from ..state import State, joined, part_of, restore_rng, rng_state
from .archive import ElitistArchive
from .problem import Problem

BATCH = 256


class RandomDraw:
    """Draws every gene uniformly from its alphabet, behind the ask/tell protocol.

    Args:
        problem: gives the alphabets and the number of objectives; it is not evaluated here.
        rng: all randomness.
    """

    def __init__(self, problem: Problem, *, rng: np.random.Generator) -> None:
        self._n_values = np.asarray(problem.n_values, np.int64)
        self._rng = rng
        self._archive = ElitistArchive(len(self._n_values), problem.n_objectives)
        self._asked = self._draw()

    @property
    def archive(self) -> ElitistArchive:
        """Every non-dominated solution found so far."""
        return self._archive

    def ask(self) -> IntArray:
        """The genomes to evaluate next, [256, n_genes]."""
        return self._asked

    def tell(self, objectives: DoubleArray) -> None:
        """Takes the objectives of the genomes last asked for."""
        self._archive.add(self._asked, objectives)
        self._asked = self._draw()

    def state(self) -> State:
        """Archive, the genomes asked for, and the generator."""
        own = {"asked": self._asked.copy(), "rng": rng_state(self._rng)}
        return joined({"own": own, "archive": self._archive.state()})

    def restore(self, state: State) -> None:
        """Continues from a state."""
        own = part_of(state, "own")
        self._archive.restore(part_of(state, "archive"))
        self._asked = own["asked"].copy()
        restore_rng(self._rng, own["rng"])

    def _draw(self) -> IntArray:
        return self._rng.integers(self._n_values, size=(BATCH, len(self._n_values)))
