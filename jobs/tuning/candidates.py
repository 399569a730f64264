"""Which models are worth measuring, and which cascades: pure functions of pools and fronts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from ...fronts.front import Front
from ...fronts.indicators import non_dominated
from ...fronts.scored_cascade import ScoredCascade
from ...pools.pool import Pool

# MACs tell time to a factor of a few: a model that another one beats by more than this in MACs,
# and in accuracy as well, is not going to be the faster one.
MACS_SLACK = 4.0


def members_that_matter(pool: Pool, front: Front, *, slack: float = MACS_SLACK) -> tuple[str, ...]:
    """The models worth measuring, in the pool's order.

    All members of the front; and every model, unless some model is at least as accurate with a
    `slack`-th of its MACs.
    """
    macs = pool.costs("macs")
    accuracy = np.array(
        [float((np.argmax(output, axis=1) == pool.label).mean()) for output in pool.outputs]
    )
    is_needed = {member for scored in front.cascades for member in scored.cascade.members}
    return tuple(
        name
        for i, name in enumerate(pool.names)
        if name in is_needed or not ((accuracy >= accuracy[i]) & (macs * slack < macs[i])).any()
    )


def spread(n_cascades: int, n_wanted: int) -> list[int]:
    """At most `n_wanted` indices of a front of `n_cascades`, evenly, both ends among them."""
    places = np.linspace(0, n_cascades - 1, min(n_wanted, n_cascades))
    return sorted({round(place) for place in places.tolist()})


def rival_of(front: Front, error: float) -> ScoredCascade:
    """The cheapest cascade of a front whose error is at most `error`; there must be one."""
    fitting = [scored for scored in front.cascades if scored.error <= error]
    return min(fitting, key=lambda scored: scored.cost)


def merged(front: Front, further: Iterable[ScoredCascade]) -> Front:
    """A front with further cascades, scored by the same costs, where they are not dominated."""
    known = {scored.cascade: scored for scored in (*further, *front.cascades)}
    return best_of(front, list(known.values()))


def best_of(front: Front, scored: Sequence[ScoredCascade]) -> Front:
    """What of `scored` is not dominated in error and cost, as a front like another."""
    ordered = sorted(scored, key=lambda one: (one.cost, one.error))
    points = np.array([(one.error, one.cost) for one in ordered])
    kept = [one for one, keep in zip(ordered, non_dominated(points), strict=True) if keep]
    return replace(front.with_cascades(kept), objectives=("error", "latency"))
