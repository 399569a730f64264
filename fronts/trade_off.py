"""What the next cascade of a front would cost, and what it would bring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .front import Front
from .selection import cost_text, difference_text


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeOff:
    """The step from one cascade of a front to another.

    Args:
        index: the other cascade.
        points: percentage points of accuracy that it has more.
        cost: what it costs more.
        objective: the front's second objective, for the unit.
    """

    index: int
    points: float
    cost: float
    objective: str

    @property
    def cost_per_point(self) -> float:
        """The rate of exchange: cost for one percentage point of accuracy."""
        return self.cost / self.points

    def to_json(self) -> dict[str, Any]:
        """The step as a JSON object."""
        return {
            "index": self.index,
            "points": self.points,
            "cost": self.cost,
            "cost_per_point": self.cost_per_point,
        }

    def __str__(self) -> str:
        way = "more" if self.points > 0 else "less"
        rate = cost_text(abs(self.cost_per_point), self.objective)
        return (
            f"cascade {self.index}: {abs(self.points):.2g} points {way} accurate, "
            f"{difference_text(self.cost, self.objective)} ({rate} per point)"
        )


def neighbours(front: Front, index: int) -> tuple[TradeOff | None, TradeOff | None]:
    """The steps from a cascade to the next cheaper and the next more accurate one.

    The next cheaper is the most accurate of those that cost less, the next more accurate the
    cheapest of those with a smaller error; None at an end of the front.
    """
    error, cost = front.points.T
    is_cheaper = (cost < cost[index]) & (error > error[index])
    is_better = (error < error[index]) & (cost > cost[index])
    cheaper = _first(np.lexsort((cost, error)), is_cheaper)
    better = _first(np.lexsort((error, cost)), is_better)
    return _step(front, index, cheaper), _step(front, index, better)


def _first(order: np.ndarray, is_wanted: np.ndarray) -> int | None:
    wanted = order[is_wanted[order]]
    return int(wanted[0]) if len(wanted) else None


def _step(front: Front, index: int, other: int | None) -> TradeOff | None:
    if other is None:
        return None
    here, there = front.cascades[index], front.cascades[other]
    return TradeOff(
        index=other,
        points=100 * (here.error - there.error),
        cost=there.cost - here.cost,
        objective=front.objectives[1],
    )
