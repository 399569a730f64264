"""The store behind the elitist archive, and the compiled functions that keep it in order."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..arrays import ByteArray, DoubleArray, IntArray
from ..evaluate.compiled import compiled, inlined

# What the archive says of a solution offered to it.
DOMINATED, KNOWN, ADDED = 0, 1, 2
# Places in the counts of a store.
SIZE, N_FREE, HAS_GRID = 0, 1, 2


class ArchiveStore(NamedTuple):
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


def new_store(genomes: IntArray, objectives: DoubleArray) -> ArchiveStore:
    """A store of mutually non-dominated genomes, ordered by the first objective, without a grid."""
    n = len(genomes)
    return ArchiveStore(
        objectives=objectives,
        slots=np.arange(n),
        genomes=genomes,
        free=np.zeros(n, np.int64),
        counts=np.array((n, 0, 0)),
        grid=np.zeros((2, objectives.shape[1])),
    )


@compiled
def offer_all(
    genomes: IntArray, objectives: DoubleArray, store: ArchiveStore, verdicts: ByteArray
) -> None:
    """Offers genomes one after the other to a store with room for all; fills in the verdicts."""
    for i in range(len(objectives)):
        x = objectives[i]
        low, high = _equal_firsts(store, x[0])
        verdicts[i] = _verdict(store, x, low, high)
        if verdicts[i] == ADDED:
            _remove_dominated(store, x, low)
            _insert(store, genomes[i], x, low)


@inlined
def _equal_firsts(store: ArchiveStore, value: float) -> tuple[int, int]:
    """The range of members whose first objective equals `value`."""
    low, high = 0, store.counts[SIZE]
    while low < high:
        middle = (low + high) // 2
        if store.objectives[middle, 0] < value:
            low = middle + 1
        else:
            high = middle
    while high < store.counts[SIZE] and store.objectives[high, 0] == value:
        high += 1
    return low, high


@inlined
def _verdict(store: ArchiveStore, x: DoubleArray, low: int, high: int) -> int:
    for k in range(len(x)):
        if abs(x[k]) == np.inf:
            return DOMINATED
    # Only members below `high` can dominate x; with two objectives, the last of them does if any.
    end = max(high - 2, -1) if len(x) == 2 else -1
    for i in range(high - 1, end, -1):
        if _is_no_worse(store.objectives[i], x):
            return DOMINATED if _is_better(store.objectives[i], x) else KNOWN
    if store.counts[HAS_GRID] == 0:
        return ADDED
    is_taken = _box_is_taken(store, x, low - 1, -1) or _box_is_taken(store, x, low, 1)
    return KNOWN if is_taken else ADDED


@compiled
def _box_is_taken(store: ArchiveStore, x: DoubleArray, i: int, step: int) -> bool:
    """Whether a member that x does not dominate is in x's box, from member i on by steps."""
    while 0 <= i < store.counts[SIZE]:
        is_same, is_near, dominates = True, True, True
        for k in range(len(x)):
            origin, width = store.grid[0, k], store.grid[1, k]
            cell = np.floor((store.objectives[i, k] - origin) / width)
            is_same &= cell == np.floor((x[k] - origin) / width)
            is_near &= is_same or k > 0
            dominates &= x[k] <= store.objectives[i, k]
        if not is_near:
            return False
        if is_same and not dominates:
            return True
        i += step
    return False


@inlined
def _is_no_worse(a: DoubleArray, b: DoubleArray) -> bool:
    holds = True
    for k in range(len(a)):
        holds &= a[k] <= b[k]
    return holds


@inlined
def _is_better(a: DoubleArray, b: DoubleArray) -> bool:
    holds = False
    for k in range(len(a)):
        holds = holds or a[k] < b[k]
    return holds


@inlined
def _remove_dominated(store: ArchiveStore, x: DoubleArray, low: int) -> None:
    kept = low
    for i in range(low, store.counts[SIZE]):
        if _is_no_worse(x, store.objectives[i]):
            store.free[store.counts[N_FREE]] = store.slots[i]
            store.counts[N_FREE] += 1
            continue
        if kept < i:
            _move(store, i, kept)
        kept += 1
    store.counts[SIZE] = kept


@inlined
def _move(store: ArchiveStore, i: int, to: int) -> None:
    for k in range(store.objectives.shape[1]):
        store.objectives[to, k] = store.objectives[i, k]
    store.slots[to] = store.slots[i]


@inlined
def _insert(store: ArchiveStore, genome: IntArray, x: DoubleArray, place: int) -> None:
    slot = store.counts[SIZE]
    if store.counts[N_FREE] > 0:
        store.counts[N_FREE] -= 1
        slot = store.free[store.counts[N_FREE]]
    for i in range(store.counts[SIZE], place, -1):
        _move(store, i - 1, i)
    for k in range(len(x)):
        store.objectives[place, k] = x[k]
    store.slots[place] = slot
    for g in range(len(genome)):
        store.genomes[slot, g] = genome[g]
    store.counts[SIZE] += 1
