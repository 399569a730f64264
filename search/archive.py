"""The elitist archive: every non-dominated solution found so far, thinned where they crowd.

Source: H. N. Luong, P. A. N. Bosman, "Elitist Archiving for Multi-Objective Evolutionary Algorithms:
To Adapt or Not to Adapt", PPSN 2012, doi 10.1007/978-3-642-32964-7_8: when the archive outgrows its
target by a quarter, a grid is laid over the objectives, as fine as three quarters of the target
allow, and each box keeps one solution; when it falls below three quarters, the grid is lifted.
"""

from __future__ import annotations

import numpy as np

from ..arrays import ByteArray, DoubleArray, IntArray
from .compiled import compiled
from .state import State

# What the archive says of a solution offered to it.
DOMINATED, KNOWN, ADDED = 0, 1, 2

TARGET = 10_000
GRID_REFINEMENTS = 25
# Places in the array of counts.
_SIZE, _N_FREE, _HAS_GRID = 0, 1, 2


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
        self._objectives = np.empty((0, n_objectives))
        self._slots = np.empty(0, np.int64)
        self._genomes = np.empty((0, n_genes), np.int64)
        self._free = np.empty(0, np.int64)
        self._counts = np.zeros(3, np.int64)
        self._grid = np.zeros((2, n_objectives))

    def __len__(self) -> int:
        return int(self._counts[_SIZE])

    @property
    def objectives(self) -> DoubleArray:
        """The members' objectives, float64 [n, n_objectives], a copy."""
        return self._objectives[: len(self)].copy()

    @property
    def genomes(self) -> IntArray:
        """The members' genomes, int64 [n, n_genes], a copy."""
        return self._genomes[self._slots[: len(self)]]

    def genomes_at(self, indices: IntArray) -> IntArray:
        """The genomes of the members at `indices`."""
        return self._genomes[self._slots[indices]]

    def objectives_at(self, indices: IntArray) -> DoubleArray:
        """The objectives of the members at `indices`."""
        return self._objectives[indices]

    def best(self) -> IntArray:
        """The index of the first best member in each objective, int64 [n_objectives]."""
        return np.argmin(self._objectives[: len(self)], axis=0)

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
            _offer_all(
                genomes[part],
                objectives[part],
                self._objectives,
                self._slots,
                self._genomes,
                self._free,
                self._counts,
                self._grid,
                verdicts[part],
            )
            self._adapt()
        return verdicts

    def copy(self) -> ElitistArchive:
        """An archive of the same members, independent of this one."""
        copy = ElitistArchive(
            self._genomes.shape[1], self._objectives.shape[1], target=self._target
        )
        copy.restore(self.state())
        return copy

    def state(self) -> State:
        """Members and grid as plain arrays."""
        return {
            "genomes": self.genomes,
            "objectives": self.objectives,
            "grid": self._grid.copy(),
            "has_grid": np.array(self._counts[_HAS_GRID]),
        }

    def restore(self, state: State) -> None:
        """Takes the members and the grid of a state."""
        self._set_members(np.array(state["genomes"]), np.array(state["objectives"]))
        self._grid = np.array(state["grid"])
        self._counts[_HAS_GRID] = int(state["has_grid"])

    def _set_members(self, genomes: IntArray, objectives: DoubleArray) -> None:
        n = len(genomes)
        self._genomes, self._objectives = genomes, objectives
        self._slots = np.arange(n)
        self._free = np.empty(n, np.int64)
        self._counts = np.array((n, 0, self._counts[_HAS_GRID]))

    def _reserve(self, extra: int) -> None:
        needed = len(self) + extra
        capacity = len(self._slots)
        if needed <= capacity:
            return
        growth = max(needed, 2 * capacity) - capacity
        self._free = np.append(self._free, np.zeros(growth, np.int64))
        self._genomes = np.pad(self._genomes, ((0, growth), (0, 0)))
        self._objectives = np.pad(self._objectives, ((0, growth), (0, 0)))
        self._slots = np.append(self._slots, np.zeros(growth, np.int64))

    def _adapt(self) -> None:
        if len(self) < 0.75 * self._target:
            self._counts[_HAS_GRID] = 0
        elif len(self) > 1.25 * self._target:
            self._lay_grid()

    def _lay_grid(self) -> None:
        objectives = self.objectives
        origin = objectives.min(axis=0)
        extent = objectives.max(axis=0) - origin
        extent[extent == 0] = 1.0
        coarse, fine = 1, 2**GRID_REFINEMENTS
        kept = np.arange(len(objectives))
        for _ in range(GRID_REFINEMENTS):
            n_boxes = (coarse + fine) // 2
            kept = _first_in_box(objectives, origin, extent / n_boxes)
            if len(kept) <= 0.75 * self._target:
                coarse = n_boxes
            else:
                fine = n_boxes
        self._grid = np.stack((origin, extent / fine))
        kept = _first_in_box(objectives, *self._grid)
        self._set_members(self.genomes_at(kept), objectives[kept])
        self._counts[_HAS_GRID] = 1


def _first_in_box(objectives: DoubleArray, origin: DoubleArray, width: DoubleArray) -> IntArray:
    boxes = np.floor((objectives - origin) / width)
    order = np.lexsort(boxes.T)
    is_first = np.ones(len(boxes), np.bool_)
    is_first[1:] = (boxes[order[1:]] != boxes[order[:-1]]).any(axis=1)
    return np.sort(order[is_first])


@compiled
def _offer_all(
    offered_genomes, offered, objectives, slots, genomes, free, counts, grid, verdicts
):
    for i in range(len(offered)):
        x = offered[i]
        low, high = _equal_firsts(objectives, counts[_SIZE], x[0])
        verdicts[i] = _verdict(objectives, counts, grid, x, low, high)
        if verdicts[i] == ADDED:
            _remove_dominated(objectives, slots, free, counts, x, low)
            slot = _insert(objectives, slots, free, counts, x, low)
            genomes[slot] = offered_genomes[i]


@compiled
def _equal_firsts(objectives, size, value):
    """The range of members whose first objective equals `value`."""
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        if objectives[middle, 0] < value:
            low = middle + 1
        else:
            high = middle
    high = low
    while high < size and objectives[high, 0] == value:
        high += 1
    return low, high


@compiled
def _verdict(objectives, counts, grid, x, low, high):
    for k in range(len(x)):
        if x[k] == np.inf:
            return DOMINATED
    # Only members up to `high` can dominate x; with two objectives, the last of them does if any.
    last = max(high - 2, -1) if len(x) == 2 else -1
    for i in range(high - 1, last, -1):
        if _dominates_weakly(objectives[i], x):
            return KNOWN if _is_equal(objectives[i], x) else DOMINATED
    if counts[_HAS_GRID] == 1 and _box_is_taken(objectives, counts[_SIZE], grid, x, low):
        return KNOWN
    return ADDED


@compiled
def _box_is_taken(objectives, size, grid, x, low):
    """Whether a member that x does not dominate shares its box; boxes are columns of neighbours."""
    for step in (-1, 1):
        i = low if step == 1 else low - 1
        while 0 <= i < size and _is_same_cell(objectives[i], x, grid, 0):
            same = not _dominates_weakly(x, objectives[i])
            for k in range(1, len(x)):
                same = same and _is_same_cell(objectives[i], x, grid, k)
            if same:
                return True
            i += step
    return False


@compiled
def _is_same_cell(a, b, grid, k):
    origin, width = grid[0, k], grid[1, k]
    return np.floor((a[k] - origin) / width) == np.floor((b[k] - origin) / width)


@compiled
def _dominates_weakly(a, b):
    for k in range(len(a)):
        if a[k] > b[k]:
            return False
    return True


@compiled
def _is_equal(a, b):
    for k in range(len(a)):
        if a[k] != b[k]:
            return False
    return True


@compiled
def _remove_dominated(objectives, slots, free, counts, x, low):
    kept = low
    for i in range(low, counts[_SIZE]):
        if _dominates_weakly(x, objectives[i]):
            free[counts[_N_FREE]] = slots[i]
            counts[_N_FREE] += 1
            continue
        if kept < i:
            objectives[kept] = objectives[i]
            slots[kept] = slots[i]
        kept += 1
    counts[_SIZE] = kept


@compiled
def _insert(objectives, slots, free, counts, x, place):
    size = counts[_SIZE]
    if counts[_N_FREE] > 0:
        counts[_N_FREE] -= 1
        slot = free[counts[_N_FREE]]
    else:
        slot = size
    for i in range(size, place, -1):
        objectives[i] = objectives[i - 1]
        slots[i] = slots[i - 1]
    objectives[place] = x
    slots[place] = slot
    counts[_SIZE] = size + 1
    return slot
