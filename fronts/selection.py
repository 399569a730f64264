"""Choosing one cascade of a front: constraints, or the knee."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..arrays import BoolArray, DoubleArray
from ..errors import FrontError
from .scored_cascade import ScoredCascade, points_of

# Less than one sample of any split: 1 - error is not exactly the decimal that a user types.
ROUNDING = 1e-12

COST_UNITS = {"macs": "MACs", "latency": "ms", "params": "parameters"}


def choose(
    cascades: Sequence[ScoredCascade],
    *,
    objective: str,
    min_accuracy: float | None = None,
    max_cost: float | None = None,
    max_latency_ms: float | None = None,
    knee: bool = False,
) -> int:
    """The index of the cascade that fits best.

    Among the cascades that keep every limit: with a lower limit of accuracy the cheapest one,
    with upper limits of cost alone the most accurate one, with `knee` the knee: the cascade
    furthest from the line between the ends of what fits, error and cost each scaled to [0, 1].

    Raises:
        FrontError: nothing fits; the nearest miss is named. Or nothing was asked for.
    """
    if not cascades:
        raise FrontError("the front has no cascades")
    if min_accuracy is None and max_cost is None and max_latency_ms is None and not knee:
        raise FrontError(
            "say which cascade: give min_accuracy=, max_cost= or max_latency_ms=, or knee=True for "
            "the best compromise"
        )
    fits = np.ones(len(cascades), np.bool_)
    missed: list[str] = []
    points = points_of(cascades)
    accuracy = 1 - points[:, 0]
    if min_accuracy is not None:
        fits &= accuracy >= min_accuracy - ROUNDING
        missed.append(f"accuracy >= {min_accuracy:g} (the best has {accuracy.max():.4f})")
    if max_cost is not None:
        fits &= points[:, 1] <= max_cost
        missed.append(f"cost <= {max_cost:g} (the cheapest has {points[:, 1].min():.6g})")
    if max_latency_ms is not None:
        latency = latencies(cascades, objective=objective)
        fits &= latency <= max_latency_ms
        missed.append(f"latency <= {max_latency_ms:g} ms (the fastest has {latency.min():.6g} ms)")
    if not fits.any():
        raise FrontError(
            f"none of {len(cascades)} cascades has {' and '.join(missed)}; nearest miss: "
            + _nearest_miss(cascades, objective, min_accuracy, max_cost, max_latency_ms)
        )
    return _best(points, fits, by_accuracy=min_accuracy is None, knee=knee)


def latencies(cascades: Sequence[ScoredCascade], *, objective: str) -> DoubleArray:
    """The predicted latency in ms per batch of every cascade, float64 [n_cascades].

    Raises:
        FrontError: the front knows no latency.
    """
    if objective == "latency":
        return points_of(cascades)[:, 1]
    if any("latency" not in scored.costs for scored in cascades):
        raise FrontError(
            "the front knows no latency; search with --objective latency --profile PROFILE.json"
        )
    return np.array([scored.costs["latency"] for scored in cascades], np.float64)


def cost_text(cost: float, objective: str) -> str:
    """A cost for people, with its unit."""
    unit = COST_UNITS.get(objective, objective.removeprefix("cost_"))
    for limit, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if objective != "latency" and cost >= limit:
            return f"{cost / limit:.4g} {prefix}{unit}"
    return f"{cost:.4g} {unit}"


def difference_text(cost: float, objective: str) -> str:
    """What something costs more or less than something else, for people."""
    if cost == 0:
        return "at the same cost"
    return f"costs {cost_text(abs(cost), objective)} {'more' if cost > 0 else 'less'}"


def _best(points: DoubleArray, fits: BoolArray, *, by_accuracy: bool, knee: bool) -> int:
    chosen = np.flatnonzero(fits)
    error, cost = points[chosen].T
    if knee:
        ends = (error.max() - error.min()) or 1.0, (cost.max() - cost.min()) or 1.0
        sums = (error - error.min()) / ends[0] + (cost - cost.min()) / ends[1]
        return int(chosen[np.argmin(sums)])
    order = np.lexsort((cost, error) if by_accuracy else (error, cost))
    return int(chosen[order[0]])


def _nearest_miss(
    cascades: Sequence[ScoredCascade],
    objective: str,
    min_accuracy: float | None,
    max_cost: float | None,
    max_latency_ms: float | None,
) -> str:
    points = points_of(cascades)
    gap = np.zeros(len(points))
    if min_accuracy is not None:
        gap = np.maximum(gap, (min_accuracy - (1 - points[:, 0])) / max(min_accuracy, 1e-12))
    if max_cost is not None:
        gap = np.maximum(gap, (points[:, 1] - max_cost) / max(max_cost, 1e-12))
    if max_latency_ms is not None:
        gap = np.maximum(
            gap,
            (latencies(cascades, objective=objective) - max_latency_ms)
            / max(max_latency_ms, 1e-12),
        )
    index = int(np.argmin(gap))
    scored = cascades[index]
    cost = cost_text(scored.cost, objective)
    return f"cascade {index} with accuracy {scored.accuracy:.4f} at {cost}"
