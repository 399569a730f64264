"""The elitist archive: every non-dominated solution found so far, thinned where they crowd.

Source: H. N. Luong, P. A. N. Bosman, "Elitist Archiving for Multi-Objective Evolutionary
Algorithms: To Adapt or Not to Adapt", PPSN 2012, doi 10.1007/978-3-642-32964-7_8: when the archive
outgrows its target by a quarter, a grid is laid over the objectives, the coarsest that keeps more
than three quarters of the target with one solution in a box; when fewer are left, it is lifted.
"""

from __future__ import annotations

import numpy as np

from ..arrays import ByteArray, DoubleArray, IntArray
from ..state import State
from .archive_store import HAS_GRID, SIZE, new_store, offer_all

TARGET = 10_000
GRID_REFINEMENTS = 25


class ElitistArchive:
    """Mutually non-dominated genomes, in ascending order of the first objective.

    An offered solution that a member dominates is DOMINATED, and so is an infeasible one (with a
    +inf). One that has a member's objectives, or shares its box of the grid, is KNOWN and does not
    replace it. Any other is ADDED, and the members it dominates leave.

    Departures from the source: boxes are counted from the archive's smallest objectives, not from
    zero; the member that a box keeps when the grid is laid is the one with the smallest first
    objective; the size is looked at after every quarter of a target of offers.

    Args:
        n_genes: genes of a genome.
        n_objectives: objectives, at least two, all minimised.
        target: the size aimed at.
    """

    def __init__(self, n_genes: int, n_objectives: int, *, target: int = TARGET) -> None:
        self._target = target
        self._store = new_store(np.empty((0, n_genes), np.int64), np.empty((0, n_objectives)))

    def __len__(self) -> int:
        return int(self._store.counts[SIZE])

    @property
    def objectives(self) -> DoubleArray:
        """The members' objectives, float64 [n, n_objectives], a copy."""
        return self._store.objectives[: len(self)].copy()

    @property
    def genomes(self) -> IntArray:
        """The members' genomes, int64 [n, n_genes], a copy."""
        return self.genomes_at(np.arange(len(self)))

    def genomes_at(self, indices: IntArray) -> IntArray:
        """The genomes of the members at `indices`, a copy."""
        return self._store.genomes[self._store.slots[indices]]

    def objectives_at(self, indices: IntArray) -> DoubleArray:
        """The objectives of the members at `indices`, a copy."""
        return self._store.objectives[indices]

    def best(self) -> IntArray:
        """The index of the first best member in each objective, int64 [n_objectives]."""
        return np.argmin(self._store.objectives[: len(self)], axis=0)

    def add(self, genomes: IntArray, objectives: DoubleArray) -> ByteArray:
        """Offers genomes [n, n_genes] with objectives [n, n_objectives], one after the other.

        Returns:
            DOMINATED, KNOWN or ADDED for each, uint8 [n].
        """
        genomes = np.ascontiguousarray(genomes, np.int64)
        objectives = np.ascontiguousarray(objectives, np.float64)
        verdicts = np.empty(len(genomes), np.uint8)
        portion = max(1, self._target // 4)
        for start in range(0, len(genomes), portion):
            part = slice(start, start + portion)
            self._reserve(len(verdicts[part]))
            offer_all(genomes[part], objectives[part], self._store, verdicts[part])
            self._adapt()
        return verdicts

    def copy(self) -> ElitistArchive:
        """An archive of the same members, independent of this one."""
        sizes = self._store.genomes.shape[1], self._store.objectives.shape[1]
        copy = ElitistArchive(*sizes, target=self._target)
        copy.restore(self.state())
        return copy

    def state(self) -> State:
        """Members and grid as plain arrays."""
        return {
            "genomes": self.genomes,
            "objectives": self.objectives,
            "grid": self._store.grid.copy(),
            "has_grid": np.array(self._store.counts[HAS_GRID]),
        }

    def restore(self, state: State) -> None:
        """Takes the members and the grid of a state."""
        self._store = new_store(state["genomes"].copy(), state["objectives"].copy())
        self._store.grid[:] = state["grid"]
        self._store.counts[HAS_GRID] = state["has_grid"]

    def _reserve(self, extra: int) -> None:
        store, room = self._store, len(self._store.slots)
        needed = len(self) + extra
        if needed > room:
            growth = max(needed, 2 * room) - room
            self._store = store._replace(
                objectives=np.pad(store.objectives, ((0, growth), (0, 0))),
                slots=np.pad(store.slots, (0, growth)),
                genomes=np.pad(store.genomes, ((0, growth), (0, 0))),
                free=np.pad(store.free, (0, growth)),
            )

    def _adapt(self) -> None:
        if len(self) < 0.75 * self._target:
            self._store.counts[HAS_GRID] = 0
        elif len(self) > 1.25 * self._target:
            self._lay_grid()

    def _lay_grid(self) -> None:
        objectives = self.objectives
        origin = objectives.min(axis=0)
        extent = objectives.max(axis=0) - origin
        extent[extent == 0] = 1.0
        coarse, fine = 1, 2**GRID_REFINEMENTS
        while fine - coarse > 1:
            n_boxes = (coarse + fine) // 2
            if len(_first_in_box(objectives, origin, extent / n_boxes)) > 0.75 * self._target:
                fine = n_boxes
            else:
                coarse = n_boxes
        kept = _first_in_box(objectives, origin, extent / fine)
        self._store = new_store(self.genomes_at(kept), objectives[kept])
        self._store.grid[:] = origin, extent / fine
        self._store.counts[HAS_GRID] = 1


def _first_in_box(objectives: DoubleArray, origin: DoubleArray, width: DoubleArray) -> IntArray:
    boxes = np.floor((objectives - origin) / width)
    order = np.lexsort(boxes.T)
    is_first = np.ones(len(boxes), np.bool_)
    is_first[1:] = (boxes[order[1:]] != boxes[order[:-1]]).any(axis=1)
    return np.sort(order[is_first])
