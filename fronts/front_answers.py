"""What most people want to know of a front, as three answers.

The best single model; the cheapest cascade that is as accurate; the most accurate cascade. Both
cascades are compared with the single model on the same samples, so that the interval of the
difference is a paired one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import FrontError
from ..intervals import paired_interval, wilson_interval
from .scored_cascade import (
    PoolReference,
    ScoredCascade,
    cascade_json,
    cascades_of_json,
    points_of,
)
from .selection import ROUNDING, cost_text, difference_text

SAME = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How a cascade's answers differ from the best single model's on the same samples.

    Args:
        n_lost: samples that only the single model answers rightly.
        n_gained: samples that only the cascade answers rightly.
        n_samples: all samples.
    """

    n_lost: int
    n_gained: int
    n_samples: int

    @property
    def interval(self) -> tuple[float, float]:
        """The paired 95 % interval of the accuracy that the cascade has more."""
        return paired_interval(self.n_lost, self.n_gained, self.n_samples)

    def to_json(self) -> dict[str, Any]:
        """The difference as a JSON object."""
        return {
            "n_lost": self.n_lost,
            "n_gained": self.n_gained,
            "accuracy": (self.n_gained - self.n_lost) / self.n_samples,
            "interval": list(self.interval),
        }

    def __str__(self) -> str:
        low, high = (100 * bound for bound in self.interval)
        points = 100 * (self.n_gained - self.n_lost) / self.n_samples
        text = f"{abs(points):.3g} points {'more' if points > 0 else 'less'} accurate"
        if self.n_gained == self.n_lost:
            text = "just as accurate"
        return f"{text} (paired 95 % interval {low:+.2f} .. {high:+.2f} points)"


@dataclass(frozen=True, slots=True, kw_only=True)
class CascadeAnswer:
    """A cascade of a front beside the best single model.

    Args:
        index: where it stands in the front.
        scored: the cascade.
        difference: of the answers; None where the error is not the share of wrong ones.
    """

    index: int
    scored: ScoredCascade
    difference: Difference | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontAnswers:
    """The three answers.

    Args:
        pool: where the scores come from.
        objective: the front's second objective, for the unit of the cost.
        single: the model that was best where it was searched, alone.
        as_accurate: the cheapest cascade that is as accurate on this pool; None where none is.
        best: the most accurate cascade.
    """

    pool: PoolReference
    objective: str
    single: ScoredCascade
    as_accurate: CascadeAnswer | None
    best: CascadeAnswer

    def to_json(self) -> dict[str, Any]:
        """The answers as a JSON object, whose cascades are places in the front."""
        return {
            "best_single": cascade_json(self.single),
            "cheapest_as_accurate": _answer_json(self.as_accurate, self.single),
            "most_accurate": _answer_json(self.best, self.single),
        }

    @classmethod
    def of_json(
        cls,
        content: Mapping[str, Any],
        *,
        pool: PoolReference,
        objective: str,
        cascades: Sequence[ScoredCascade],
        where: str,
    ) -> FrontAnswers:
        """The answers of a front's file, which fits its schema.

        Raises:
            FrontError: they make no sense beside the front's cascades.
        """
        (single,) = cascades_of_json([content["best_single"]], where=where)
        cheapest, best = content["cheapest_as_accurate"], content["most_accurate"]
        try:
            return cls(
                pool=pool,
                objective=objective,
                single=single,
                as_accurate=cheapest and _answer_of(cheapest, cascades, pool),
                best=_answer_of(best, cascades, pool),
            )
        except FrontError as cause:
            raise FrontError(*cause.faults, where=where) from None

    def lines(self) -> list[str]:
        """The answers for people, a line each."""
        n_samples, single = self.pool.n_samples, self.single
        interval = ""
        if self.best.difference is not None:
            low, high = wilson_interval(round(single.accuracy * n_samples), n_samples)
            interval = f"{low:.4f} .. {high:.4f}, "
        return [
            f"best single model: {single.cascade}, accuracy {single.accuracy:.4f} "
            f"({interval}n = {n_samples} of {self.pool.name}) at "
            f"{cost_text(single.cost, self.objective)}",
            f"cheapest as accurate: {self._cheapest()}",
            f"most accurate: {self._beside(self.best)}",
        ]

    def _cheapest(self) -> str:
        if self.as_accurate is None:
            return "none of the front's cascades is as accurate on these samples"
        if _is_same(self.as_accurate.scored, self.single):
            return f"that model itself (cascade {self.as_accurate.index})"
        return self._beside(self.as_accurate)

    def _beside(self, answer: CascadeAnswer) -> str:
        scored = answer.scored
        if _is_same(scored, self.single):
            return f"that model itself (cascade {answer.index})"
        text = (
            f"cascade {answer.index}, {scored.cascade}, accuracy {scored.accuracy:.4f} at "
            f"{cost_text(scored.cost, self.objective)}, "
            f"{difference_text(scored.cost - self.single.cost, self.objective)}"
        )
        if self.single.cost > 0 and abs(scored.cost / self.single.cost - 1) >= SAME:
            text += f" ({scored.cost / self.single.cost:.2f} times the cost)"
        return f"{text}; {answer.difference}" if answer.difference is not None else text


def answering_places(
    cascades: Sequence[ScoredCascade], single: ScoredCascade
) -> tuple[int | None, int]:
    """Where the cheapest cascade stands that is as accurate as a model, and the most accurate one.

    Of equals the first is the cheaper, or the more accurate one.

    Args:
        cascades: of the front, at least one.
        single: the model alone.
    """
    error, cost = points_of(cascades).T
    order = np.lexsort((error, cost))
    as_accurate = order[error[order] <= single.error + ROUNDING]
    cheapest = int(as_accurate[0]) if len(as_accurate) else None
    return cheapest, int(np.lexsort((cost, error))[0])


def _is_same(scored: ScoredCascade, single: ScoredCascade) -> bool:
    return scored.cascade.members == single.cascade.members


def _answer_json(answer: CascadeAnswer | None, single: ScoredCascade) -> dict[str, Any] | None:
    if answer is None:
        return None
    return {
        "index": answer.index,
        "cost_difference": answer.scored.cost - single.cost,
        "difference": answer.difference.to_json() if answer.difference else None,
    }


def _answer_of(
    place: Mapping[str, Any], cascades: Sequence[ScoredCascade], pool: PoolReference
) -> CascadeAnswer:
    index, counted, difference = place["index"], place["difference"], None
    if index >= len(cascades):
        raise FrontError(f"the answers name cascade {index} of {len(cascades)}")
    if counted is not None:
        n_lost, n_gained = counted["n_lost"], counted["n_gained"]
        if n_lost + n_gained > pool.n_samples:
            n_differing = n_lost + n_gained
            raise FrontError(f"the answers differ on {n_differing} of {pool.n_samples} samples")
        difference = Difference(n_lost=n_lost, n_gained=n_gained, n_samples=pool.n_samples)
    return CascadeAnswer(index=index, scored=cascades[index], difference=difference)
