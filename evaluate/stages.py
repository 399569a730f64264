# numba infers the types of compiled functions.
# pyright: reportMissingParameterType=false
# ruff: noqa: PLR0913, PLR0917 - compiled functions take their arrays one by one
"""What thresholds can see of a cascade: one byte for each stage and sample, compiled.

The byte of a sample after the first j members is 2 * bin + right: `bin` counts the thresholds
(threshold_grid.py, as float32) strictly below the confidence, so the sample leaves at gene g
exactly if bin > g; `right` says whether the answer is the true class. All is computed from
contenders (contenders.py) in the order and precision of the definition in cascade.py. The
functions here call each other only, which the cache of compiled code asks for.
"""

from __future__ import annotations

import numpy as np

from .compiled import compiled, inlined
from .contender_arrays import KINDS
from .contenders import CHUNK
from .threshold_grid import N_STEPS, STEP

# Larger than any byte.
UNKNOWN = 255
_MAX_PROBABILITY, _MARGIN = KINDS["max_probability"], KINDS["margin"]


@inlined
def _add_up(source, chunk, members, n_before, n, sums):
    """Makes the sums of the first n members from those of the first n_before; nothing from 0."""
    for j in range(n_before, n):
        newest = _values(source, chunk, members[j])
        if j == 0:
            for x in range(len(newest)):
                sums[x] = newest[x]
        else:
            for x in range(len(newest)):
                sums[x] += newest[x]


@inlined
def _values(source, chunk, model):
    """The numbers of a model in a chunk, [size]."""
    first = chunk // source.block * source.block
    start, here = source.start[first], source.start[chunk]
    stride = source.start[min(first + source.block, len(source.start) - 1)] - start
    place = start * source.n_models + here - start + model * stride
    return source.values[place : place + source.start[chunk + 1] - here]


@compiled
def _finish(source, chunk, members, n, out, sums, rivals):
    """Writes a chunk's bytes [64] after the first n members; the sums stay, rivals are scratch."""
    if source.kind == _MAX_PROBABILITY:
        _fold_rivals(source, chunk, sums, rivals)
        _fill_bytes(sums, rivals, np.float32(n), out)
    else:
        for t in range(CHUNK):
            out[t] = UNKNOWN
    _settle(source, chunk, n, out, sums)
    if source.flat_chunk[chunk] >= 0:
        _fill_flat(source, chunk, members, n, out)


@inlined
def _fold_rivals(source, chunk, sums, rivals):
    """The largest sums of slots 1 .. in rivals[:64], by folding halves onto each other."""
    n_slots = (source.start[chunk + 1] - source.start[chunk]) // CHUNK
    n, half = n_slots - 1, (n_slots - 1) // 2
    if n == 0:
        for x in range(CHUNK):
            rivals[x] = -1
    low, high = sums[CHUNK : (1 + n) * CHUNK], sums[(1 + n - half) * CHUNK : (1 + n) * CHUNK]
    for x in range(half * CHUNK):
        rivals[x] = high[x] if high[x] > low[x] else low[x]
    for x in range(half * CHUNK, (n - half) * CHUNK):
        rivals[x] = low[x]
    n -= half
    while n > 1:
        half = n // 2
        high = rivals[(n - half) * CHUNK : n * CHUNK]
        for x in range(half * CHUNK):
            rivals[x] = high[x] if high[x] > rivals[x] else rivals[x]
        n -= half


@inlined
def _n_passed(confidence):
    """How many thresholds lie below: those before the nearest one, and perhaps that one."""
    nearest = np.int32(confidence * np.float32(N_STEPS) + np.float32(0.5))
    return nearest + np.int32(confidence > np.float32(np.float64(nearest) * STEP))


@inlined
def _fill_bytes(true, rival, divisor, out):
    """Bytes by max probability, UNKNOWN where classes tie."""
    for t in range(CHUNK):
        mean, other = true[t] / divisor, rival[t] / divisor
        confidence = mean if mean > other else other
        byte = np.uint8(2 * _n_passed(confidence) + np.int32(mean > other))
        out[t] = UNKNOWN if mean == other else byte


@inlined
def _settle(source, chunk, n, out, sums):
    """Finds the bytes that are UNKNOWN."""
    for t in range(CHUNK):
        if out[t] == UNKNOWN:
            out[t] = _byte(source, chunk, t, n, sums)


@inlined
def _byte(source, chunk, t, n, sums):
    """The byte of one sample from the sums of its slots."""
    classes = source.classes[source.start[chunk] : source.start[chunk + 1]]
    mean = largest = sums[t] / np.float32(n)
    # Empty slots hold less; classes that are not stored have a mean of zero where this counts.
    second, right = np.float32(0), True
    for x in range(CHUNK + t, len(classes), CHUNK):
        if classes[x] < 0:
            break
        other = sums[x] / np.float32(n)
        right = right and (other < mean or (other == mean and classes[x] > classes[t]))
        second = max(second, min(other, largest))
        largest = max(largest, other)
    return _encoded(source, largest, second, right)


@inlined
def _encoded(source, largest, second, right):
    confidence = largest
    if source.kind != _MAX_PROBABILITY and source.flat_values.shape[1] > 1:
        margin = source.kind == _MARGIN
        confidence = largest - second if margin else np.float32(1) - second / largest
    return np.uint8(2 * _n_passed(confidence) + np.int32(right))


@inlined
def _fill_flat(source, chunk, members, n, out):
    """Bytes of samples on which all members are flat, from complete rows."""
    rows = source.flat_row[source.flat_chunk[chunk]]
    n_lanes = min(CHUNK, source.n_samples - chunk * CHUNK)
    for t in range(n_lanes):
        n_flat = 0
        for j in range(n):
            n_flat += rows[members[j], t] >= 0
        if n_flat == n:
            out[t] = _flat_byte(source, rows[:, t], source.label[chunk * CHUNK + t], members, n)


@inlined
def _flat_byte(source, rows, label, members, n):
    largest, second, winner = np.float32(0), np.float32(0), 0
    for c in range(source.flat_values.shape[1]):
        total = source.flat_values[rows[members[0]], c]
        for j in range(1, n):
            total += source.flat_values[rows[members[j]], c]
        mean = total / np.float32(n)
        second = max(second, min(mean, largest))
        if mean > largest:
            largest, winner = mean, c
    return _encoded(source, largest, second, winner == label)


@compiled
def count_lane(lane, n_lanes, source, slab, fresh, members, slots, limits, n_stages, counts):
    """Counts cascades over the samples of a lane; bytes that the slab lacks are computed.

    Args:
        lane: which lane this is.
        n_lanes: how many there are; every n-th block is a lane's.
        source: the contenders.
        slab: uint8 [n_blocks, n_slots, block, 64], bytes of each known sequence of members.
        fresh: int64 [n_fresh], slots whose bytes are not known yet.
        members: int64 [n, max_members].
        slots: int64 [n, max_members], the slot of the first j + 1 members.
        limits: uint8 [n, max_members], the least byte that leaves at each stage.
        n_stages: int64 [n].
        counts: int64 [n_lanes, n, 1 + max_members], zeros, to be summed over the lanes: right
            answers and, from place 2 on, how many run a stage.
    """
    scratch = np.empty((2, _scratch_size(source.start)), np.float32)
    alive = np.empty(CHUNK, np.uint8)
    # Neighbouring blocks are equally wide: dealt out in turn, the work is even.
    for block in range(lane, len(slab), n_lanes):
        for slot in fresh:
            for place in range(slab.shape[2]):
                slab[block, slot, place, 0] = UNKNOWN
        for i in range(len(members)):
            known = (slab[block], members[i], slots[i], limits[i], n_stages[i])
            _count_block(source, block, known, counts[lane, i], alive, scratch)


@inlined
def _scratch_size(start):
    """Room for the sums of any chunk, and for at least two slots."""
    size = 2 * CHUNK
    for chunk in range(len(start) - 1):
        size = max(size, start[chunk + 1] - start[chunk])
    return size


@inlined
def _count_block(source, block, cascade, counts, alive, scratch):
    known, members, slots, limits, n = cascade
    sums, rivals = scratch[0], scratch[1]
    first = block * source.block
    for chunk in range(first, min(first + source.block, len(source.flat_chunk))):
        n_alive = min(CHUNK, source.n_samples - chunk * CHUNK)
        for t in range(CHUNK):
            alive[t] = np.uint8(t < n_alive)
        n_summed = 0
        for j in range(n):
            stage = known[slots[j], chunk - first]
            if stage[0] == UNKNOWN:
                _add_up(source, chunk, members, n_summed, j + 1, sums)
                n_summed = j + 1
                _finish(source, chunk, members, n_summed, stage, sums, rivals)
            n_right, n_left = _leave(stage, limits[j], alive)
            counts[0] += n_right
            n_alive -= n_left
            if n_alive == 0:
                break
            counts[j + 2] += n_alive


@inlined
def _leave(stage, limit, alive):
    """Lets samples leave; returns how many of them are right, and how many they are."""
    n_right, n_left = np.uint8(0), np.uint8(0)
    for t in range(CHUNK):
        leaves = np.uint8(alive[t] & np.uint8(stage[t] >= limit))
        n_right = np.uint8(n_right + (leaves & stage[t]))
        n_left = np.uint8(n_left + leaves)
        alive[t] = np.uint8(alive[t] ^ leaves)
    return n_right, n_left


@compiled
def fill_lane(lane, n_lanes, source, prefix, last, stages, lasts):
    """The bytes of every stage of prefixes, and of alternatives for one more member.

    Args:
        lane: which lane this is.
        n_lanes: how many there are, over which the blocks are dealt out.
        source: the contenders.
        prefix: int64 [n, q], members, negative in front where there are fewer.
        last: int64 [n, n_last], members, negative where there is none.
        stages: uint8 [n, q, n_chunks * 64], filled; 0 in front.
        lasts: uint8 [n, n_last, n_chunks * 64], filled where there are members; bit `right` alone.
    """
    n_chunks = len(source.flat_chunk)
    scratch = np.empty((3, _scratch_size(source.start)), np.float32)
    members = np.empty(prefix.shape[1] + 1, np.int64)
    for first in range(lane * source.block, n_chunks, n_lanes * source.block):
        for i in range(len(prefix)):
            unit = (prefix[i], last[i], stages[i], lasts[i])
            for chunk in range(first, min(first + source.block, n_chunks)):
                _fill_chunk(source, chunk, unit, members, scratch)


@inlined
def _fill_chunk(source, chunk, unit, members, scratch):
    prefix, last, stages, lasts = unit
    sums, total, rivals = scratch[0], scratch[1], scratch[2]
    part = slice(chunk * CHUNK, (chunk + 1) * CHUNK)
    n = 0
    for j in range(len(prefix)):
        if prefix[j] < 0:
            for t in range(chunk * CHUNK, (chunk + 1) * CHUNK):
                stages[j, t] = 0
            continue
        members[n] = prefix[j]
        n += 1
        _add_up(source, chunk, members, n - 1, n, sums)
        _finish(source, chunk, members, n, stages[j, part], sums, rivals)
    if n == 0:
        for x in range(len(sums)):
            sums[x] = 0
    for lane in range(len(last)):
        if last[lane] >= 0:
            members[n] = last[lane]
            newest = _values(source, chunk, last[lane])
            for x in range(len(newest)):
                total[x] = sums[x] + newest[x]
            _finish_last(source, chunk, members, n + 1, lasts[lane, part], total, rivals)


@compiled
def _finish_last(source, chunk, members, n, out, sums, rivals):
    """As `_finish`, but only the bit `right` of the bytes means anything."""
    if source.kind != _MAX_PROBABILITY or source.flat_chunk[chunk] >= 0:
        _finish(source, chunk, members, n, out, sums, rivals)
        return
    _fold_rivals(source, chunk, sums, rivals)
    for t in range(CHUNK):
        mean, other = sums[t] / np.float32(n), rivals[t] / np.float32(n)
        out[t] = UNKNOWN if mean == other else np.uint8(mean > other)
    _settle(source, chunk, n, out, sums)
