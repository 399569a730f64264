"""Fronts by hand, and what tests look at in a front."""

import json

from encas.cascade import Cascade
from encas.evaluate.objectives import TopOneError, front_costs
from encas.fronts.front import Front
from encas.fronts.scored_cascade import PoolReference, ScoredCascade
from encas.fronts.scoring import pool_reference, score
from encas.pools.pool import Pool

CASCADES = (
    Cascade(members=("cheap",), thresholds=()),
    Cascade(members=("cheap", "dear"), thresholds=(0.6,)),
)


def make_front(points, objective: str = "macs") -> Front:
    cascades = [
        ScoredCascade(
            cascade=Cascade(members=(f"m{i}",), thresholds=()), error=error, cost=cost, reach=(1.0,)
        )
        for i, (error, cost) in enumerate(points)
    ]
    pool = PoolReference(name="p", sha256="0" * 64, n_samples=1000, n_classes=3)
    return Front(pool=pool, objectives=("error", objective), cascades=tuple(cascades))


def scored_front(pool: Pool) -> Front:
    """A front of two cascades of the tiny pool, scored on it."""
    return Front(
        pool=pool_reference(pool),
        objectives=("error", "macs"),
        cascades=score(CASCADES, pool, TopOneError(), front_costs(("macs",), pool)),
        search={"algorithm": "by hand", "seed": 3},
    )


def without_times(front: Front) -> str:
    content = front.to_json()
    content["search"] = {k: v for k, v in content["search"].items() if k != "wall_s"}
    volume = content["search"]["hypervolume"]
    volume["history"] = [[n, hv] for n, _, hv in volume["history"]]
    return json.dumps(content)


def legend(axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]
