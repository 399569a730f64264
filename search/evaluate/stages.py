"""What thresholds can see of a cascade: one byte for each stage and sample, compiled.

The byte of a sample after the first j members is 2 * bin + right: `bin` counts the threshold values
0.00, 0.02 .. 1.00 (as float32) that lie strictly below the confidence, so the sample leaves at gene
g exactly if bin > g; `right` says whether the answer is the true class. Everything is computed from
contenders (contenders.py) in the order and precision of the definition in cascade.py.

The functions here call each other only, which the cache of compiled code asks for.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...arrays import FloatArray, IntArray
from ...cascade import Confidence
from ..compiled import compiled, compiled_parallel, prange
from .contenders import CHUNK, Contenders

# No byte is larger than 2 * 51 + 1.
UNKNOWN = 255
KINDS: dict[Confidence, int] = {"max_probability": 0, "margin": 1, "logit_gap": 2}
_MAX_PROBABILITY, _MARGIN = KINDS["max_probability"], KINDS["margin"]


class Source(NamedTuple):
    """What the compiled functions read; see `Contenders`."""

    n_models: int
    n_samples: int
    values: FloatArray
    start: IntArray
    classes: IntArray
    flat_chunk: IntArray
    flat_row: IntArray
    flat_values: FloatArray
    label: IntArray
    kind: int


def source_of(contenders: Contenders, confidence: Confidence) -> Source:
    """The compiled functions' view of contenders."""
    arrays = (
        contenders.values,
        contenders.start,
        contenders.classes,
        contenders.flat_chunk,
        contenders.flat_row,
        contenders.flat_values,
        contenders.label,
    )
    plain = []
    for array in arrays:
        view = np.asarray(array).view()
        view.flags.writeable = False
        plain.append(view)
    return Source(contenders.n_models, contenders.n_samples, *plain, KINDS[confidence])


@compiled
def fill_chunk(source, chunk, members, n, out, sums):
    """Writes the bytes [64] of one chunk after the first n of `members`; `sums` is scratch."""
    first, size = source.start[chunk], source.start[chunk + 1] - source.start[chunk]
    _add_up(source.values, first * source.n_models, size, members, n, sums)
    _finish(source, chunk, members, n, out, sums[:size])


@compiled
def _add_up(values, base, size, members, n, sums):
    first = values[base + members[0] * size : base + (members[0] + 1) * size]
    for x in range(size):
        sums[x] = first[x]
    for j in range(1, n):
        newest = values[base + members[j] * size : base + (members[j] + 1) * size]
        for x in range(size):
            sums[x] += newest[x]


@compiled
def _finish(source, chunk, members, n, out, sums):
    """The bytes from the sums [n_slots * 64], which are destroyed."""
    if source.kind == _MAX_PROBABILITY and len(sums) > CHUNK:
        _rivals(sums)
        if _bytes(sums[:CHUNK], sums[CHUNK : 2 * CHUNK], np.float32(n), out):
            _settle_ties(source, chunk, members, n, out, sums)
    else:
        for t in range(CHUNK):
            out[t] = _byte(source, chunk, t, n, sums)
    if source.flat_chunk[chunk] >= 0:
        _flat_lanes(source, chunk, members, n, out)


@compiled
def _rivals(sums):
    """The largest sum of slots 1 .. is left in slot 1; halves are folded onto each other."""
    n = len(sums) // CHUNK - 1
    while n > 1:
        half = n // 2
        low = sums[CHUNK : (1 + half) * CHUNK]
        high = sums[(1 + n - half) * CHUNK : (1 + n) * CHUNK]
        for x in range(len(low)):
            low[x] = high[x] if high[x] > low[x] else low[x]
        n -= half


@compiled
def _bytes(true, rival, divisor, out):
    """Bytes by max probability, ties counted as wrong; returns whether there are ties."""
    n_ties = np.int32(0)
    for t in range(CHUNK):
        mean, other = true[t] / divisor, rival[t] / divisor
        n_ties += np.int32(mean == other)
        confidence = mean if mean > other else other
        # Rounded to the nearest threshold: those below are passed, those above are not.
        nearest = np.int32(confidence * np.float32(50) + np.float32(0.5))
        threshold = np.float32(np.float64(nearest) * 0.02)
        passed = nearest + np.int32(confidence > threshold)
        out[t] = np.uint8(2 * passed + np.int32(mean > other))
    return n_ties > 0


@compiled
def _settle_ties(source, chunk, members, n, out, sums):
    first = source.start[chunk] * source.n_models
    _add_up(source.values, first, len(sums), members, n, sums)
    for t in range(CHUNK):
        out[t] = _byte(source, chunk, t, n, sums)


@compiled
def _byte(source, chunk, t, n, sums):
    """The byte of one sample from the sums of its slots."""
    classes = source.classes[source.start[chunk] : source.start[chunk + 1]]
    divisor = np.float32(n)
    mean = largest = sums[t] / divisor
    # Empty slots hold less; classes that are not stored have a mean of zero where this counts.
    second = np.float32(0)
    right = True
    for x in range(CHUNK + t, len(sums), CHUNK):
        if classes[x] < 0:
            break
        other = sums[x] / divisor
        right = right and (other < mean or (other == mean and classes[x] > classes[t]))
        second = max(second, min(other, largest))
        largest = max(largest, other)
    return _encoded(source, largest, second, right)


@compiled
def _encoded(source, largest, second, right):
    confidence = largest
    if source.kind != _MAX_PROBABILITY and source.flat_values.shape[1] > 1:
        margin = source.kind == _MARGIN
        confidence = largest - second if margin else np.float32(1) - second / largest
    nearest = np.int32(confidence * np.float32(50) + np.float32(0.5))
    passed = nearest + np.int32(confidence > np.float32(np.float64(nearest) * 0.02))
    return np.uint8(2 * passed + np.int32(right))


@compiled
def _flat_lanes(source, chunk, members, n, out):
    """Bytes of samples on which all members are flat, from complete rows."""
    rows = source.flat_row[source.flat_chunk[chunk]]
    n_lanes = min(CHUNK, source.n_samples - chunk * CHUNK)
    for t in range(n_lanes):
        all_flat = True
        for j in range(n):
            all_flat = all_flat and rows[members[j], t] >= 0
        if all_flat:
            out[t] = _flat_byte(source, rows[:, t], source.label[chunk * CHUNK + t], members, n)


@compiled
def _flat_byte(source, rows, label, members, n):
    largest = second = np.float32(0)
    winner = 0
    for c in range(source.flat_values.shape[1]):
        total = source.flat_values[rows[members[0]], c]
        for j in range(1, n):
            total += source.flat_values[rows[members[j]], c]
        mean = total / np.float32(n)
        second = max(second, min(mean, largest))
        if mean > largest:
            largest, winner = mean, c
    return _encoded(source, largest, second, winner == label)



@compiled_parallel
def count_all(source, slab, fresh, members, slots, limits, n_stages, counts):
    """Counts cascades over all chunks; bytes that the slab lacks are computed on the way.

    Args:
        source: the contenders.
        slab: uint8 [n_chunks, n_slots, 64], the bytes of each known sequence of members.
        fresh: int64 [n_fresh], slots whose bytes are not known yet.
        members: int64 [n, max_members].
        slots: int64 [n, max_members], the slot of the first j + 1 members.
        limits: uint8 [n, max_members], the least byte that leaves at each stage.
        n_stages: int64 [n].
        counts: int64 [n_lanes, n, 1 + max_members], zeros; takes the right answers and, from
            place 2 on, how many run a stage; to be summed over the lanes.
    """
    n_lanes = len(counts)
    for lane in prange(n_lanes):
        sums = np.empty(_most_slots(source.start), np.float32)
        alive = np.empty(CHUNK, np.uint8)
        # Neighbouring chunks are equally wide: dealt out in turn, the work is even.
        for chunk in range(lane, len(slab), n_lanes):
            for slot in fresh:
                slab[chunk, slot, 0] = UNKNOWN
            for i in range(len(members)):
                _count_one(
                    source, chunk, slab[chunk], members[i], slots[i], limits[i], n_stages[i],
                    counts[lane, i], alive, sums,
                )  # fmt: skip


@compiled
def _most_slots(start):
    most = 0
    for chunk in range(len(start) - 1):
        most = max(most, start[chunk + 1] - start[chunk])
    return most


@compiled
def _count_one(source, chunk, known, members, slots, limits, n, counts, alive, sums):
    n_alive = min(CHUNK, source.n_samples - chunk * CHUNK)
    for t in range(CHUNK):
        alive[t] = np.uint8(t < n_alive)
    for j in range(n):
        stage = known[slots[j]]
        if stage[0] == UNKNOWN:
            fill_chunk(source, chunk, members, j + 1, stage, sums)
        right, n_left = _leave(stage, limits[j], alive)
        counts[0] += right
        n_alive -= n_left
        if n_alive == 0:
            break
        counts[j + 2] += n_alive


@compiled
def _leave(stage, limit, alive):
    """Lets samples leave; returns how many of them are right, and how many they are."""
    n_right, n_left = np.uint8(0), np.uint8(0)
    for t in range(CHUNK):
        leaves = np.uint8(alive[t] & np.uint8(stage[t] >= limit))
        n_right = np.uint8(n_right + (leaves & stage[t]))
        n_left = np.uint8(n_left + leaves)
        alive[t] = np.uint8(alive[t] ^ leaves)
    return n_right, n_left


@compiled_parallel
def stages_of(source, members, out):
    """The bytes of every stage of sequences without cascades' thresholds.

    Args:
        source: the contenders.
        members: int64 [n, k].
        out: uint8 [n, k, n_chunks * 64].
    """
    n, k = members.shape
    for i in prange(n):
        sums = np.empty(_most_slots(source.start), np.float32)
        for j in range(k):
            for chunk in range(len(source.start) - 1):
                stage = out[i, j, chunk * CHUNK : (chunk + 1) * CHUNK]
                fill_chunk(source, chunk, members[i], j + 1, stage, sums)
