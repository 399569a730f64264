"""The dense evaluator: the definition of a cascade, applied to stored outputs as they are.

It is the oracle that every faster evaluator is held against.
"""

from __future__ import annotations

import numpy as np

from ...arrays import IntArray
from ...cascade import Cascade, Decision, decide
from ..genome import THRESHOLDS
from ..pool import Pool
from .counts import Counts, empty_counts


def decide_on(cascade: Cascade, pool: Pool) -> Decision:
    """What the cascade answers on every sample of the pool.

    Raises:
        PoolError: the pool has no model of a member's name.
    """
    indices = [pool.index(member) for member in cascade.members]
    return decide(
        cascade,
        lambda stage, rows: pool.probabilities(indices[stage], rows),
        n_samples=pool.n_samples,
    )


class DenseEvaluator:
    """Counts by running `decide` for each cascade.

    Args:
        pool: the outputs.
        confidence: of the cascades, see `Cascade`.
        combine: of the cascades, see `Cascade`.
    """

    def __init__(
        self, pool: Pool, *, confidence: str = "max_probability", combine: str = "mean"
    ) -> None:
        self.pool = pool
        self.confidence = confidence
        self.combine = combine

    @property
    def n_samples(self) -> int:
        """The number of samples of the pool."""
        return self.pool.n_samples

    def count(self, members: IntArray, thresholds: IntArray) -> Counts:
        """See `Evaluator.count`."""
        counts = empty_counts(*members.shape)
        for i, (indices, genes) in enumerate(zip(members, thresholds, strict=True)):
            n_stages = int((indices >= 0).sum())
            if n_stages:
                self._count_one(counts, i, indices[:n_stages], genes[: n_stages - 1])
        return counts

    def _count_one(self, counts: Counts, i: int, indices: IntArray, genes: IntArray) -> None:
        cascade = Cascade(
            members=tuple(self.pool.names[m] for m in indices),
            thresholds=tuple(float(THRESHOLDS[g]) for g in genes),
            confidence=self.confidence,  # type: ignore[arg-type]  # Cascade checks it
            combine=self.combine,  # type: ignore[arg-type]
        )
        decision = decide_on(cascade, self.pool)
        counts.correct[i] = np.count_nonzero(decision.label == self.pool.label)
        for j in range(len(indices)):
            counts.reached[i, j] = np.count_nonzero(decision.stage > j)
