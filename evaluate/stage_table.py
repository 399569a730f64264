"""What every stage of a cascade would answer: all that its thresholds can see of a split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..arrays import BoolArray, FloatArray, IntArray
from ..cascade import Cascade, combined, confidence_of
from ..pools.pool import Pool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StageTable:
    """Confidence and correctness after each stage, as if every sample ran every member.

    Args:
        confidence: float32 [n_samples, n_stages].
        correct: bool [n_samples, n_stages].
    """

    confidence: FloatArray
    correct: BoolArray

    @classmethod
    def of(cls, cascade: Cascade, pool: Pool) -> StageTable:
        """The table of a cascade's members on a pool; its thresholds do not matter.

        Raises:
            PoolError: the pool has no model of a member's name.
        """
        confidence = np.empty((pool.n_samples, cascade.n_stages), np.float32)
        correct = np.empty((pool.n_samples, cascade.n_stages), np.bool_)
        total = np.zeros((pool.n_samples, pool.n_classes), np.float32)
        for j, member in enumerate(cascade.members):
            newest = pool.probabilities(pool.index(member))
            total += newest
            answers = combined(total, newest, n_members=j + 1, combine=cascade.combine)
            confidence[:, j] = confidence_of(answers, cascade.confidence)
            correct[:, j] = answers.argmax(axis=1) == pool.label
        return cls(confidence=confidence, correct=correct)

    def take(self, rows: IntArray) -> StageTable:
        """The table of the samples `rows` alone."""
        return StageTable(confidence=self.confidence[rows], correct=self.correct[rows])

    def stage(self, thresholds: Sequence[float]) -> IntArray:
        """The stage, from 0, where each sample leaves under these thresholds, int64 [n_samples]."""
        leaves = self.confidence[:, :-1] > np.array(thresholds, np.float32)
        last = np.ones((len(leaves), 1), np.bool_)
        return np.concatenate((leaves, last), axis=1).argmax(axis=1)

    def right(self, thresholds: Sequence[float]) -> BoolArray:
        """Which samples are answered rightly under these thresholds, bool [n_samples]."""
        return self.correct[np.arange(len(self.correct)), self.stage(thresholds)]
