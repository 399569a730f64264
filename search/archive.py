"""The elitist archive: every non-dominated solution found so far, thinned where they crowd.

Source: H. N. Luong, P. A. N. Bosman, "Elitist Archiving for Multi-Objective Evolutionary
Algorithms: To Adapt or Not to Adapt", PPSN 2012, doi 10.1007/978-3-642-32964-7_8: when the archive
outgrows its target by a quarter, a grid is laid over the objectives, the coarsest that keeps more
than three quarters of the target with one solution in a box; when fewer are left, it is lifted.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..arrays import ByteArray, DoubleArray, IntArray
from ..evaluate.compiled import compiled, inlined
from ..state import State

# What the archive says of a solution offered to it.
DOMINATED, KNOWN, ADDED = 0, 1, 2

TARGET = 10_000
GRID_REFINEMENTS = 25


class _Store(NamedTuple):
    """Members in order, their genomes in slots that they keep; all but the grid has room to grow.

    objectives float64 [room, n_objectives]; slots int64 [room], where each member's genome is;
    genomes int64 [room, n_genes]; free int64 [room], a stack of slots that were left; counts
    int64 [3]: members, free slots, whether the grid holds; grid float64 [2, n_objectives]: where
    the boxes begin, and how wide they are.
    """

    objectives: DoubleArray
    slots: IntArray
    genomes: IntArray
    free: IntArray
    counts: IntArray
    grid: DoubleArray


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
        self._store = _store(np.empty((0, n_genes), np.int64), np.empty((0, n_objectives)))

    def __len__(self) -> int:
        return int(self._store.counts[_SIZE])

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
            _offer_all(genomes[part], objectives[part], self._store, verdicts[part])
            self._adapt()
        return verdicts

    def copy(self) -> ElitistArchive:
        """An archive of the same members, independent of this one."""
        n_genes, n_objectives = self._store.genomes.shape[1], self._store.objectives.shape[1]
        copy = ElitistArchive(n_genes, n_objectives, target=self._target)
        copy.restore(self.state())
        return copy

    def state(self) -> State:
        """Members and grid as plain arrays."""
        return {
            "genomes": self.genomes,
            "objectives": self.objectives,
            "grid": self._store.grid.copy(),
            "has_grid": np.array(self._store.counts[_HAS_GRID]),
        }

    def restore(self, state: State) -> None:
        """Takes the members and the grid of a state."""
        self._store = _store(state["genomes"].copy(), state["objectives"].copy())
        self._store.grid[:] = state["grid"]
        self._store.counts[_HAS_GRID] = state["has_grid"]

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
            self._store.counts[_HAS_GRID] = 0
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
        self._store = _store(self.genomes_at(kept), objectives[kept])
        self._store.grid[:] = origin, extent / fine
        self._store.counts[_HAS_GRID] = 1


def _store(genomes: IntArray, objectives: DoubleArray) -> _Store:
    n = len(genomes)
    return _Store(
        objectives=objectives,
        slots=np.arange(n),
        genomes=genomes,
        free=np.zeros(n, np.int64),
        counts=np.array((n, 0, 0)),
        grid=np.zeros((2, objectives.shape[1])),
    )


def _first_in_box(objectives: DoubleArray, origin: DoubleArray, width: DoubleArray) -> IntArray:
    boxes = np.floor((objectives - origin) / width)
    order = np.lexsort(boxes.T)
    is_first = np.ones(len(boxes), np.bool_)
    is_first[1:] = (boxes[order[1:]] != boxes[order[:-1]]).any(axis=1)
    return np.sort(order[is_first])


@compiled
def _offer_all(
    genomes: IntArray, objectives: DoubleArray, store: _Store, verdicts: ByteArray
) -> None:
    for i in range(len(objectives)):
        x = objectives[i]
        low, high = _equal_firsts(store, x[0])
        verdicts[i] = _verdict(store, x, low, high)
        if verdicts[i] == ADDED:
            _remove_dominated(store, x, low)
            _insert(store, genomes[i], x, low)


@inlined
def _equal_firsts(store: _Store, value: float) -> tuple[int, int]:
    """The range of members whose first objective equals `value`."""
    size = store.counts[_SIZE]
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        if store.objectives[middle, 0] < value:
            low = middle + 1
        else:
            high = middle
    while high < size and store.objectives[high, 0] == value:
        high += 1
    return low, high


@inlined
def _verdict(store: _Store, x: DoubleArray, low: int, high: int) -> int:
    for k in range(len(x)):
        if abs(x[k]) == np.inf:
            return DOMINATED
    # Only members below `high` can dominate x; with two objectives, the last of them does if any.
    end = max(high - 2, -1) if len(x) == 2 else -1
    for i in range(high - 1, end, -1):
        if _is_no_worse(store.objectives[i], x):
            return DOMINATED if _is_better(store.objectives[i], x) else KNOWN
    if store.counts[_HAS_GRID] == 1 and _box_is_taken(store, x, low):
        return KNOWN
    return ADDED


@inlined
def _box_is_taken(store: _Store, x: DoubleArray, low: int) -> bool:
    """Whether a member that x does not dominate, near by in the first objective, is in x's box."""
    for first, step in ((low - 1, -1), (low, 1)):
        i = first
        while 0 <= i < store.counts[_SIZE] and _is_same_cell(store, i, x, 0):
            same = not _is_no_worse(x, store.objectives[i])
            for k in range(1, len(x)):
                same = same and _is_same_cell(store, i, x, k)
            if same:
                return True
            i += step
    return False


@inlined
def _is_same_cell(store: _Store, i: int, x: DoubleArray, k: int) -> bool:
    origin, width = store.grid[0, k], store.grid[1, k]
    cell = np.floor((store.objectives[i, k] - origin) / width)
    return cell == np.floor((x[k] - origin) / width)


@inlined
def _is_no_worse(a: DoubleArray, b: DoubleArray) -> bool:
    for k in range(len(a)):  # noqa: SIM110 - all() is slow when compiled
        if a[k] > b[k]:
            return False
    return True


@inlined
def _is_better(a: DoubleArray, b: DoubleArray) -> bool:
    for k in range(len(a)):  # noqa: SIM110 - all() is slow when compiled
        if a[k] < b[k]:
            return True
    return False


@inlined
def _remove_dominated(store: _Store, x: DoubleArray, low: int) -> None:
    kept = low
    for i in range(low, store.counts[_SIZE]):
        if _is_no_worse(x, store.objectives[i]):
            store.free[store.counts[_N_FREE]] = store.slots[i]
            store.counts[_N_FREE] += 1
            continue
        if kept < i:
            _move(store, i, kept)
        kept += 1
    store.counts[_SIZE] = kept


@inlined
def _move(store: _Store, i: int, to: int) -> None:
    for k in range(store.objectives.shape[1]):
        store.objectives[to, k] = store.objectives[i, k]
    store.slots[to] = store.slots[i]


@inlined
def _insert(store: _Store, genome: IntArray, x: DoubleArray, place: int) -> None:
    slot = store.counts[_SIZE]
    if store.counts[_N_FREE] > 0:
        store.counts[_N_FREE] -= 1
        slot = store.free[store.counts[_N_FREE]]
    for i in range(store.counts[_SIZE], place, -1):
        _move(store, i - 1, i)
    for k in range(len(x)):
        store.objectives[place, k] = x[k]
    store.slots[place] = slot
    for g in range(len(genome)):
        store.genomes[slot, g] = genome[g]
    store.counts[_SIZE] += 1
