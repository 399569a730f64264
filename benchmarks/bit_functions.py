"""Bi-objective bit strings whose complete Pareto fronts are known (Luong et al., 2014, section 4).

All are minimised; `front` holds every non-dominated point.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from encas.arrays import DoubleArray, IntArray

TRAP = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class BitProblem:
    """A problem over `n_bits` bits with two objectives.

    Args:
        name: of the pair of functions.
        n_bits: length of a genome.
        score: both values to be maximised, [n, 2], of genomes [n, n_bits].
        front: the values of the complete front, ascending in the first.
    """

    name: str
    n_bits: int
    score: Callable[[IntArray], IntArray]
    front: IntArray
    n_objectives: int = 2

    @property
    def n_values(self) -> IntArray:
        return np.full(self.n_bits, 2, np.int64)

    def evaluate(self, genomes: IntArray) -> DoubleArray:
        return -self.score(genomes).astype(np.float64)

    def is_complete(self, objectives: DoubleArray) -> bool:
        """Whether objectives [n, 2] hold every point of the front."""
        found = {tuple(row) for row in (-objectives).astype(np.int64).tolist()}
        return {tuple(row) for row in self.front.tolist()} <= found


def zeromax_onemax(n_bits: int) -> BitProblem:
    """As many zeros, as many ones: every string is on the front, which has n_bits + 1 points."""
    ones = np.arange(n_bits + 1)
    front = np.stack([n_bits - ones[::-1], ones[::-1]], axis=1)
    return BitProblem(
        name="zeromax-onemax",
        n_bits=n_bits,
        score=lambda g: np.stack([(g == 0).sum(axis=1), g.sum(axis=1)], axis=1),
        front=front,
    )


def leading_ones_trailing_zeros(n_bits: int) -> BitProblem:
    """Leading ones, trailing zeros: the strings 1..10..0 make a front of n_bits + 1 points."""

    def score(genomes: IntArray) -> IntArray:
        leading = np.cumprod(genomes, axis=1).sum(axis=1)
        trailing = np.cumprod(1 - genomes[:, ::-1], axis=1).sum(axis=1)
        return np.stack([leading, trailing], axis=1)

    ones = np.arange(n_bits + 1)
    front = np.stack([ones, n_bits - ones], axis=1)
    return BitProblem(name="leading-ones-trailing-zeros", n_bits=n_bits, score=score, front=front)


def trap_inverse_trap(n_bits: int) -> BitProblem:
    """Deceptive traps of five bits against their inverse: n_bits / 5 + 1 points.

    A block of u ones scores 5 for u = 5 and 4 - u otherwise; the inverse counts zeros. A block is
    best for one objective when all ones, for the other when all zeros, and no other block is on
    the front, as (5, 4) and (4, 5) dominate whatever lies between.
    """

    def trap(ones: IntArray) -> IntArray:
        return np.where(ones == TRAP, TRAP, TRAP - 1 - ones)

    def score(genomes: IntArray) -> IntArray:
        ones = genomes.reshape(len(genomes), -1, TRAP).sum(axis=2)
        return np.stack([trap(ones).sum(axis=1), trap(TRAP - ones).sum(axis=1)], axis=1)

    n_blocks = n_bits // TRAP
    full = np.arange(n_blocks + 1)
    front = np.stack(
        [
            TRAP * full + (TRAP - 1) * (n_blocks - full),
            TRAP * (n_blocks - full) + (TRAP - 1) * full,
        ],
        axis=1,
    )
    return BitProblem(name="trap5-inverse-trap5", n_bits=n_bits, score=score, front=front)


PROBLEMS = (zeromax_onemax, trap_inverse_trap, leading_ones_trailing_zeros)
