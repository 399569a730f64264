# numba infers the types of compiled functions.
# pyright: reportMissingParameterType=false
# ruff: noqa: PLR0913, PLR0917 - compiled functions take their arrays one by one
"""Which class a cascade predicts for each sample: found where it left, from contenders."""

from __future__ import annotations

import numpy as np

from .compiled import compiled
from .contenders import CHUNK


@compiled
def predict_lane(lane, n_lanes, source, sample, slab, members, slots, limits, n_stages, predicted):
    """Writes the predicted classes of cascades whose stage bytes are in the slab.

    Args:
        lane: which lane this is.
        n_lanes: how many there are; every n-th chunk is a lane's.
        source: the contenders.
        sample: int64 [n_samples], the pool's row at each place.
        slab: uint8 [n_blocks, n_slots, block, 64], as `stages.count_lane` left it.
        members: int64 [n, max_members].
        slots: int64 [n, max_members], the slot of the first j + 1 members.
        limits: uint8 [n, max_members], the least byte that leaves at each stage.
        n_stages: int64 [n].
        predicted: int64 [n, n_samples].
    """
    for chunk in range(lane, len(source.flat_chunk), n_lanes):
        for i in range(len(members)):
            if n_stages[i] > 0:
                _predict_chunk(
                    source, sample, slab, members[i], slots[i], limits[i], chunk, predicted[i]
                )


@compiled
def _predict_chunk(source, sample, slab, members, slots, limits, chunk, predicted):
    block, place = chunk // source.block, chunk % source.block
    for t in range(min(CHUNK, source.n_samples - chunk * CHUNK)):
        n = 1
        while slab[block, slots[n - 1], place, t] < limits[n - 1]:
            n += 1
        winner = _winner(source, chunk, t, members, n)
        predicted[sample[chunk * CHUNK + t]] = winner


@compiled
def _winner(source, chunk, t, members, n):
    """The class with the largest mean over the first n of `members`, the lowest of equals."""
    flat = source.flat_chunk[chunk]
    if flat >= 0 and _all_flat(source.flat_row[flat], members, n, t):
        return _flat_winner(source, source.flat_row[flat], members, n, t)
    first = chunk // source.block * source.block
    start = source.start[first]
    stride = source.start[min(first + source.block, len(source.start) - 1)] - start
    base = start * source.n_models + source.start[chunk] - start
    best, winner = np.float32(-1), source.flat_values.shape[1]
    for x in range(t, source.start[chunk + 1] - source.start[chunk], CHUNK):
        label = source.classes[source.start[chunk] + x]
        if label < 0:
            break
        total = source.values[base + members[0] * stride + x]
        for j in range(1, n):
            total += source.values[base + members[j] * stride + x]
        mean = total / np.float32(n)
        if mean > best or (mean == best and label < winner):
            best, winner = mean, label
    return winner


@compiled
def _all_flat(rows, members, n, t):
    n_flat = 0
    for j in range(n):
        n_flat += rows[members[j], t] >= 0
    return n_flat == n


@compiled
def _flat_winner(source, rows, members, n, t):
    best, winner = np.float32(-1), 0
    for c in range(source.flat_values.shape[1]):
        total = source.flat_values[rows[members[0], t], c]
        for j in range(1, n):
            total += source.flat_values[rows[members[j], t], c]
        mean = total / np.float32(n)
        if mean > best:
            best, winner = mean, c
    return winner
