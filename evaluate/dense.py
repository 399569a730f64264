"""The dense evaluator: the definition of a cascade, applied to stored outputs as they are.

It is the oracle that every faster evaluator is held against.
"""

from __future__ import annotations

import numpy as np

from ..arrays import IntArray
from ..cascade import Cascade, Confidence, Decision, decide
from ..pools.pool import Pool
from .counts import Counts
from .threshold_grid import THRESHOLDS


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
    """

    def __init__(self, pool: Pool, *, confidence: Confidence = "max_probability") -> None:
        self._pool = pool
        self._confidence: Confidence = confidence

    @property
    def n_samples(self) -> int:
        """The number of samples of the pool."""
        return self._pool.n_samples

    def count(
        self, members: IntArray, thresholds: IntArray, *, with_predicted: bool = False
    ) -> Counts:
        """See `Evaluator.count`."""
        n, max_members = members.shape
        correct, reached = np.zeros(n, np.int64), np.zeros((n, max_members), np.int64)
        predicted = np.zeros((n, self.n_samples), np.int64) if with_predicted else None
        for i in np.flatnonzero(members[:, 0] >= 0):
            decision = self._decide(members[i], thresholds[i])
            correct[i] = np.count_nonzero(decision.label == self._pool.label)
            reached[i] = [np.count_nonzero(decision.stage > j) for j in range(max_members)]
            if predicted is not None:
                predicted[i] = decision.label
        return Counts(correct=correct, reached=reached, predicted=predicted)

    def _decide(self, members: IntArray, genes: IntArray) -> Decision:
        n_stages = int((members >= 0).sum())
        cascade = Cascade(
            members=tuple(self._pool.names[int(m)] for m in members[:n_stages]),
            thresholds=tuple(float(THRESHOLDS[g]) for g in genes[: n_stages - 1]),
            confidence=self._confidence,
        )
        return decide_on(cascade, self._pool)
