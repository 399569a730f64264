"""A search that evaluates a list of genomes from its beginning to its end."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ..arrays import IntArray
from ..state import State, joined, part_of
from .archive import ElitistArchive
from .problem import Problem

BATCH = 256


class Listing(Protocol):
    """A sequence of genomes, too long to be held."""

    @property
    def n_genomes(self) -> int:
        """How many there are."""
        ...

    def genomes(self, places: IntArray) -> IntArray:
        """The genomes at `places` [n], each in 0..n_genomes - 1; int64 [n, n_genes]."""
        ...


class ListedSearch:
    """Evaluates the genomes of a listing in order; it is finished when all have been.

    Args:
        problem: evaluates them.
        listing: genomes of that problem.
    """

    def __init__(self, problem: Problem, listing: Listing) -> None:
        self._problem = problem
        self._listing = listing
        self._archive = ElitistArchive(len(problem.n_values), problem.n_objectives)
        self._n_evaluations = 0

    @property
    def archive(self) -> ElitistArchive:
        """What was found so far."""
        return self._archive

    @property
    def n_evaluations(self) -> int:
        """Genomes evaluated so far."""
        return self._n_evaluations

    @property
    def finished(self) -> bool:
        """Whether the list is at its end."""
        return self._n_evaluations >= self._listing.n_genomes

    @property
    def resumable(self) -> bool:
        """True: a state may be taken between any two steps."""
        return True

    def step(self, limit: int, /) -> None:
        """Evaluates the next genomes of the list."""
        start = self._n_evaluations
        stop = min(self._listing.n_genomes, start + min(limit, BATCH))
        genomes = self._listing.genomes(np.arange(start, stop))
        self._archive.add(genomes, self._problem.evaluate(genomes))
        self._n_evaluations = stop

    def state(self) -> State:
        """The place in the list and the archive."""
        place = {"n_evaluations": np.array(self._n_evaluations)}
        return place | joined({"archive": self._archive.state()})

    def restore(self, state: State) -> None:
        """Continues from a state."""
        self._n_evaluations = int(state["n_evaluations"])
        self._archive.restore(part_of(state, "archive"))
