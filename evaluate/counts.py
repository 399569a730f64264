"""What every evaluator returns: integer counts, from which all objectives are computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ..arrays import IntArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Counts:
    """Counts of n cascades over the samples of a pool.

    Args:
        correct: int64 [n], samples answered correctly.
        reached: int64 [n, max_members], samples that run stage j; 0 past the last stage.
        predicted: int64 [n, n_samples], the predicted labels, where they were asked for.
    """

    correct: IntArray
    reached: IntArray
    predicted: IntArray | None = None


class Evaluator(Protocol):
    """Counts correct answers and reaches of cascades given by indices and threshold genes."""

    @property
    def n_samples(self) -> int:
        """The number of samples that the counts are over."""
        ...

    def count(
        self, members: IntArray, thresholds: IntArray, *, with_predicted: bool = False
    ) -> Counts:
        """Counts for cascades of decoded genes (see `problem.decode`).

        Args:
            members: int64 [n, max_members], model indices, -1 past the last stage.
            thresholds: int64 [n, max_members - 1], genes 0..50; ignored past the last stage.
            with_predicted: whether to return the predicted labels, too.
        """
        ...
