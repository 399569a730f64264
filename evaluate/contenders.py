# numba infers the types of compiled functions.
# pyright: reportMissingParameterType=false
"""Contenders: the few classes of each sample that can win at all; an exact compression of a pool.

Let a cascade average at most K members, and let `top_m` be the largest probability that member m
gives a sample. If class c wins the mean of any subset S, then mean(c) >= max(top_m, m in S) / |S|:
the favourite of the most confident member has that already. So some m in S has p_m(c) >= top_m / K,
and the classes {c : p_m(c) >= top_m / K for some model m} suffice: the winner and the maximum stay
what they were, bit for bit. For a confidence that needs the two largest means, put the
second-largest probability for `top_m`.

Flat outputs would make every class a contender. So each sample has a level: a model whose `top_m`
lies below it is *flat* there and names no contenders, and the others name {c : p_m(c) >=
max(top_m, level) / K}. A subset with a model that is not flat needs no more, by the same argument.
A subset of flat models alone is computed from their complete rows, which are kept beside. The level
is the one that stores the fewest numbers; without flat outputs it is 0.

Layout: samples are sorted by their number of contenders and stored in chunks of 64; within a chunk
all have equally many slots. Slot 0 is the true class, the others are in ascending order of class.
Some chunks make a block; a model's numbers of a block are contiguous, chunk after chunk, each
[n_slots, 64], so that the processor reads ahead while a block of few models stays in its cache.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import DoubleArray, FloatArray, IntArray
from ..cascade import Confidence
from ..errors import SearchError
from .compiled import compiled, inlined

CHUNK = 64
# A block of more chunks than this outgrows the cache; of so few blocks each thread wants several.
LARGEST_BLOCK, FEWEST_BLOCKS = 8, 16
# Sums of up to 16 float32 and their quotient are off by less than this factor.
ROUNDING = 1 + 2.0**-16
# Below so many contenders the level stays at 0: there is little to save.
FEW = 32


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contenders:
    """The compressed outputs of a pool; n_slots and so on are summed over the chunks.

    Args:
        n_models: models in the pool.
        n_classes: classes in the pool.
        max_members: K, the most members of a cascade that may be evaluated.
        rank: 1 where the largest mean is kept exact, 2 where the second-largest is, too.
        sample: int64 [n_samples], the pool's row that stands at each place.
        label: int64 [n_samples], the true class of the sample at each place.
        block: chunks in a block; the last one may have fewer.
        values: float32 [n_models * n_slots * 64]; with a block's chunks in first .. last - 1, the
            numbers of model m in chunk c start at start[first] * n_models
            + (start[last] - start[first]) * m + start[c] - start[first].
        start: int64 [n_chunks + 1], where a chunk starts in `classes`: 64 for each slot before.
        classes: int64 [n_slots * 64], the class of each slot and sample, -1 in empty slots.
        flat_chunk: int64 [n_chunks], the chunk's place in `flat_row`, -1 without flat outputs.
        flat_row: int64 [n_flat_chunks, n_models, 64], the row in `flat_values`, -1 where the
            model is not flat.
        flat_values: float32 [n_flat, n_classes], complete rows.
    """

    n_models: int
    n_classes: int
    max_members: int
    rank: int
    block: int
    sample: IntArray
    label: IntArray
    values: FloatArray
    start: IntArray
    classes: IntArray
    flat_chunk: IntArray
    flat_row: IntArray
    flat_values: FloatArray

    @property
    def n_samples(self) -> int:
        """The number of samples."""
        return len(self.sample)

    @property
    def n_chunks(self) -> int:
        """The number of chunks."""
        return len(self.flat_chunk)

    @property
    def widest(self) -> int:
        """The most slots of any chunk."""
        return int(np.diff(self.start).max()) // CHUNK


def rank_of(confidence: Confidence) -> int:
    """Which rank of contenders a confidence needs.

    Raises:
        SearchError: the entropy depends on all classes.
    """
    if confidence == "entropy":
        raise SearchError("the entropy depends on all classes, not on contenders alone")
    return 1 if confidence == "max_probability" else 2


def block_of(n_chunks: int) -> int:
    """How many chunks make a block."""
    return min(LARGEST_BLOCK, max(1, n_chunks // FEWEST_BLOCKS))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ContenderChoice:
    """What is kept of a block of samples.

    Args:
        classes: int64 [n, n_classes], the true class, then the other contenders ascending.
        n_contenders: int64 [n], how many of these are valid.
        level: float64 [n], models whose `top` lies below are flat.
        top: float32 [n_models, n], the largest (rank 2: second-largest) probability.
    """

    classes: IntArray
    n_contenders: IntArray
    level: DoubleArray
    top: FloatArray


def choose(outputs: FloatArray, label: IntArray, *, max_members: int, rank: int) -> ContenderChoice:
    """Chooses the contenders of outputs [n_models, n, n_classes] with label [n]."""
    n_models, n, n_classes = outputs.shape
    top = np.empty((n_models, n), np.float32)
    if rank == 1 or n_classes == 1:
        np.max(outputs, axis=2, out=top)
    else:
        _second_largest(outputs, top)
    highest = np.full((n, n_classes), -1.0)
    _raise(highest, outputs, top, max_members * ROUNDING)
    level = np.zeros(n)
    many = np.flatnonzero((highest >= 0).sum(axis=1) > FEW)
    if len(many):
        tops = np.sort(np.ascontiguousarray(top[:, many].T), axis=1)
        level[many] = _cheapest_levels(tops, np.sort(highest[many], axis=1))
    classes, n_contenders = np.empty((n, n_classes), np.int64), np.empty(n, np.int64)
    _list(highest, level, np.ascontiguousarray(label), classes, n_contenders)
    return ContenderChoice(classes=classes, n_contenders=n_contenders, level=level, top=top)


@compiled
def _second_largest(outputs, top):
    for m in range(len(outputs)):
        for i in range(outputs.shape[1]):
            largest = second = np.float32(-1)
            for p in outputs[m, i]:
                second = max(second, min(largest, p))
                largest = max(largest, p)
            top[m, i] = second


@compiled
def _raise(highest, outputs, top, scale):
    """The highest level [n, n_classes] at which a class is a contender still, -1 if at none."""
    for i in range(outputs.shape[1]):
        for m in range(len(outputs)):
            _raise_row(highest[i], outputs[m, i], top[m, i] / scale, scale)


@inlined
def _raise_row(highest, row, least, scale):
    for c in range(len(row)):
        if row[c] >= least and row[c] > 0:
            highest[c] = max(highest[c], row[c] * scale)


@compiled
def _cheapest_levels(tops, highest):
    """The levels [n] with the fewest stored numbers; the rows of `tops` and `highest` ascend."""
    n, n_models = tops.shape
    n_classes = highest.shape[1]
    levels = np.empty(n)
    for i in range(n):
        best, levels[i], n_below = n_models * n_classes + 1, 0.0, 0
        for n_flat in range(n_models):
            candidate = np.float64(tops[i, n_flat]) if n_flat > 0 else 0.0
            if n_flat > 0 and tops[i, n_flat] == tops[i, n_flat - 1]:
                continue
            while n_below < n_classes and highest[i, n_below] < candidate:
                n_below += 1
            stored = n_models * (n_classes - n_below) + n_flat * n_classes
            if stored < best:
                best, levels[i] = stored, candidate
    return levels


@compiled
def _list(highest, level, label, classes, n_contenders):
    """The true class, then the other classes that are contenders at the sample's level."""
    for i in range(len(highest)):
        classes[i, 0] = label[i]
        count = 1
        for c in range(highest.shape[1]):
            if highest[i, c] >= level[i] and c != label[i]:
                classes[i, count] = c
                count += 1
        n_contenders[i] = count
