# numba infers the types of compiled functions.
# pyright: reportMissingParameterType=false
"""A bounded map from sequences of members to slots, with the same evictions in every run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import IntArray
from .compiled import compiled, inlined

NO_SLOT = -1
# Places in the array of positions.
_HAND, _N_USED, _BATCH = 0, 1, 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Assignment:
    """Slots for the first `n` cascades of a batch.

    Args:
        slots: int64 [n, max_members], the slot of the first j + 1 members.
        fresh: int64 [n_fresh], slots whose content is not theirs yet.
    """

    slots: IntArray
    fresh: IntArray


class PrefixCache:
    """Slots for sequences of up to `max_members` members; the least recently useful give way.

    Args:
        n_slots: how many sequences have a place, at least `max_members`.
        max_members: the longest sequence.
    """

    def __init__(self, n_slots: int, max_members: int) -> None:
        self._keys = np.full((n_slots, max_members), -1, np.int64)
        self._table = np.full(1 << (2 * n_slots - 1).bit_length(), NO_SLOT, np.int64)
        self._used = np.zeros(n_slots, np.int64)
        self._position = np.zeros(3, np.int64)

    def assign(self, members: IntArray) -> Assignment:
        """Slots for cascades of members [n, max_members], -1 past the last stage.

        As many cascades from the front get slots as have room at the same time, at least one.
        """
        slots = np.full(members.shape, NO_SLOT, np.int64)
        fresh = np.empty(len(self._keys), np.int64)
        self._position[_BATCH] += 1
        n, n_fresh = _assign(
            members, self._keys, self._table, self._used, self._position, slots, fresh
        )
        return Assignment(slots=slots[:n], fresh=fresh[:n_fresh])


@compiled
def _assign(members, keys, table, used, position, slots, fresh):
    n_fresh = 0
    for i in range(len(members)):
        is_done, n_fresh = _assign_one(
            members[i], keys, table, used, position, slots[i], fresh, n_fresh
        )
        if not is_done:
            return i, n_fresh
    return len(members), n_fresh


@inlined
def _assign_one(  # noqa: PLR0913, PLR0917 - compiled code has no objects
    members, keys, table, used, position, slots, fresh, n_fresh
):
    for j in range(_length(members)):
        slot = table[_find(keys, table, members, j + 1)]
        if slot == NO_SLOT:
            slot = _taken_slot(members, j + 1, keys, table, used, position)
            if slot == NO_SLOT:
                return False, n_fresh
            fresh[n_fresh] = slot
            n_fresh += 1
        used[slot] = position[_BATCH]
        slots[j] = slot
    return True, n_fresh


@inlined
def _taken_slot(members, n, keys, table, used, position):
    """A slot made the one of the first n of `members`; NO_SLOT if none is free."""
    slot = _free_slot(keys, table, used, position)
    if slot != NO_SLOT:
        for j in range(n):
            keys[slot, j] = members[j]
        table[_find(keys, table, members, n)] = slot
    return slot


@inlined
def _length(members):
    """How many members there are before the first -1."""
    n = 0
    while n < len(members) and members[n] >= 0:
        n += 1
    return n


@inlined
def _hash(members, n, size):
    value = np.uint64(n)
    for j in range(n):
        value = (value ^ np.uint64(members[j] + 1)) * np.uint64(0x9E3779B97F4A7C15)
        value ^= value >> np.uint64(29)
    return np.int64(value & np.uint64(size - 1))


@compiled
def _find(keys, table, members, n):
    """The place in the table where the first n of `members` are, or may be put."""
    place = _hash(members, n, len(table))
    while table[place] != NO_SLOT and not _is_key(keys[table[place]], members, n):
        place = (place + 1) & (len(table) - 1)
    return place


@inlined
def _is_key(key, members, n):
    for j in range(n):
        if key[j] != members[j]:
            return False
    return n == len(key) or key[n] < 0


@inlined
def _free_slot(keys, table, used, position):
    """An unused slot, or that of a sequence which this batch does not need; NO_SLOT if none."""
    if position[_N_USED] < len(keys):
        position[_N_USED] += 1
        return position[_N_USED] - 1
    for _ in range(2 * len(keys)):
        slot = position[_HAND]
        position[_HAND] = (slot + 1) % len(keys)
        if used[slot] == position[_BATCH]:
            continue
        if used[slot] > 0:
            # Used since the hand last came by: spared once.
            used[slot] = 0
            continue
        _forget(keys, table, slot)
        return slot
    return NO_SLOT


@inlined
def _forget(keys, table, slot):
    """Takes a sequence out of the table and closes the gap in its run of places."""
    mask = len(table) - 1
    n = _length(keys[slot])
    gap = _find(keys, table, keys[slot], n)
    place = gap
    while True:
        place = (place + 1) & mask
        if table[place] == NO_SLOT:
            break
        key = keys[table[place]]
        home = _hash(key, _length(key), len(table))
        if ((place - home) & mask) >= ((place - gap) & mask):
            table[gap] = table[place]
            gap = place
    table[gap] = NO_SLOT
    for j in range(keys.shape[1]):
        keys[slot, j] = -1
