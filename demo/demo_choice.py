"""Choosing on the selection split: as accurate as the best single model, and cheaper."""

from __future__ import annotations

from dataclasses import dataclass

from ..evaluate.objectives import TopOneError, cost_objective
from ..fronts.front import Front
from ..fronts.scoring import score
from ..latency import LatencyProfile
from ..pools.pool import Pool
from ..reports.comparison import best_single_model


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoChoice:
    """The chosen cascade.

    Args:
        index: where it stands in the front.
        is_as_accurate: whether it reaches the best single model's accuracy on the selection
            split; where no cascade that is cheaper does, the most accurate of the cheaper ones is
            chosen.
    """

    index: int
    is_as_accurate: bool

    def note(self, objective: str) -> str:
        """The choice as a sentence."""
        name = "MACs" if objective == "macs" else objective
        if self.is_as_accurate:
            return (
                f"By {name}: the cheapest cascade that is as accurate as the best single "
                "model on the selection split."
            )
        return (
            f"By {name}: no cheaper cascade is as accurate as the best single model on the "
            "selection split, so the most accurate of the cheaper ones was taken."
        )


def choose_on_selection(
    front: Front, selection: Pool, *, profile: LatencyProfile | None = None
) -> DemoChoice:
    """Chooses from a front that was evaluated on the selection split.

    Args:
        front: evaluated on `selection`.
        selection: the pool of the selection split: the best single model there sets the accuracy
            to reach and the cost to stay within.
        profile: measured times, for a latency front.

    Raises:
        FrontError: no cascade is as cheap as the best single model.
    """
    cost = cost_objective(
        front.objectives[1], selection, profile=profile, batch_size=front.batch_size
    )
    (single,) = score([best_single_model(selection)], selection, TopOneError(), [cost])
    is_as_accurate = any(
        one.accuracy >= single.accuracy and one.cost <= single.cost for one in front.cascades
    )
    wanted = single.accuracy if is_as_accurate else None
    index = front.index_of(min_accuracy=wanted, max_cost=single.cost)
    return DemoChoice(index=index, is_as_accurate=is_as_accurate)
