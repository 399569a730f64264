"""Changes of member sequences: where a sweep looks for better ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..arrays import DoubleArray, IntArray

# How a new model is drawn: like the one in its place by one of the objectives, from a sequence of
# the front, or any. The shares were tuned on a simulated pool of 518 models.
LIKE, FROM_FRONT = 0.6, 0.25
# The usual distance in rank of models that are alike, as a share of the pool.
NEAR = 0.04


class Moves:
    """Random changes of sequences of models.

    Args:
        singles: float64 [n_models, n_objectives], the objectives of the models alone.
        max_members: the longest sequence.
        rng: all randomness.
    """

    def __init__(self, singles: DoubleArray, *, max_members: int, rng: np.random.Generator) -> None:
        self._n_models = len(singles)
        self._max_members = max_members
        self._rng = rng
        self._order = np.argsort(singles, axis=0, kind="stable").T
        self._rank = np.argsort(self._order, axis=1)

    def changed(self, sequence: Sequence[int], front: IntArray) -> list[int] | None:
        """A sequence with one model replaced, inserted or deleted, or two exchanged.

        Args:
            sequence: model indices.
            front: int64 [n, max_members], the sequences of the front, -1 past the end.

        Returns:
            None where the change drawn is impossible.
        """
        result, n = list(sequence), len(sequence)
        kind, place = self._rng.integers(4), int(self._rng.integers(n))
        if kind == 0:
            result[place] = self.drawn(result[place], front)
        elif kind == 1 and n < self._max_members:
            result.insert(int(self._rng.integers(n + 1)), self.drawn(result[place], front))
        elif kind == 2 and n > 1:
            del result[place]
        elif kind == 3 and n > 1:
            other = int(self._rng.integers(n))
            result[place], result[other] = result[other], result[place]
        is_new = result != list(sequence) and len(set(result)) == len(result)
        return result if is_new else None

    def drawn(self, model: int, front: IntArray) -> int:
        """A model to stand where `model` stands."""
        chance = self._rng.random()
        if chance < LIKE:
            k = int(self._rng.integers(len(self._rank)))
            distance = round(self._rng.laplace(0, max(1.0, NEAR * self._n_models)))
            rank = min(max(int(self._rank[k, model]) + distance, 0), self._n_models - 1)
            return int(self._order[k, rank])
        if chance < LIKE + FROM_FRONT:
            sequence = front[self._rng.integers(len(front))]
            return int(sequence[self._rng.integers((sequence >= 0).sum())])
        return int(self._rng.integers(self._n_models))


def parents_of(objectives: DoubleArray, n: int, rng: np.random.Generator) -> IntArray:
    """Which members of a front are to be changed: rows of objectives [n_front, n_objectives].

    A third is drawn evenly from the members, and a third each from those nearest to an even choice
    of error and of a cost's logarithm, so that no stretch of the front is left out for being
    sparse; some of all are taken from the most accurate end, which has neighbours on one side only.
    """
    n_front = len(objectives)
    costs = np.log(np.maximum(objectives[:, 1:], np.finfo(np.float64).tiny))
    scales = np.concatenate((objectives[:, :1], costs), axis=1)
    chosen = rng.integers(n_front, size=n)
    way = rng.integers(3, size=n)
    scale = np.where(way == 0, 0, rng.integers(1, scales.shape[1], size=n))
    low, high = scales.min(axis=0)[scale], scales.max(axis=0)[scale]
    wanted = low + rng.random(n) * (high - low)
    nearest = np.abs(scales[:, scale] - wanted).argmin(axis=0)
    chosen = np.where(way < 2, nearest, chosen)
    accurate = np.argsort(objectives[:, 0], kind="stable")[: max(1, n_front // 50)]
    place = (len(accurate) * rng.random(n) ** 3).astype(np.int64)
    return np.where(rng.random(n) < 0.15, accurate[place], chosen)
