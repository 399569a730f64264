"""One search of a comparison: `ContestRun`."""

from __future__ import annotations

from dataclasses import dataclass

from .front import Front


@dataclass(frozen=True, slots=True, kw_only=True)
class ContestRun:
    """One search of a comparison.

    Args:
        front: what it found; says its algorithm, seed and history.
        tested: the same cascades on the test split, None where there is none.
    """

    front: Front
    tested: Front | None = None

    @property
    def algorithm(self) -> str:
        """The algorithm's name."""
        return self.front.search["algorithm"]

    @property
    def seed(self) -> int:
        """The seed."""
        return self.front.search["seed"]
