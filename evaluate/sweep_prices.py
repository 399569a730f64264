"""Cost objectives as the prices of a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from ..arrays import DoubleArray
from .objectives import LatencyCost, LinearCost
from .sweep_space import Prices


def prices_of(
    costs: Sequence[LinearCost | LatencyCost],
    weights: Sequence[float] = (1.0,),
    *,
    n_models: int,
    n_samples: int,
) -> Prices:
    """A weighted sum of costs; of a single cost with weight 1, equal to it bit by bit."""
    linear = [cost for cost in costs if isinstance(cost, LinearCost)]
    if len(linear) == len(costs):
        factor = sum((w * cost.costs for w, cost in zip(weights, linear, strict=True)), np.zeros(1))
        share = np.arange(n_samples + 1) / n_samples
        return Prices(share[None], np.zeros((2, n_models), np.int64), factor, True)
    models, reached = np.arange(n_models)[:, None], np.arange(n_samples + 1)
    table = np.zeros((2, n_models, n_samples + 1))
    for weight, cost in zip(weights, costs, strict=True):
        for is_last in (False, True):
            table[int(is_last)] += weight * cost.stage_values(
                models, reached, n_samples=n_samples, is_last=is_last
            )
    is_monotone = bool((np.diff(table) >= 0).all())
    rows = np.arange(2 * n_models).reshape(2, n_models)
    return Prices(table.reshape(-1, n_samples + 1), rows, np.ones(n_models), is_monotone)


def weightings(singles: DoubleArray) -> list[tuple[float, ...]]:
    """Weights of costs: each alone, each pair in balance, all in balance.

    Args:
        singles: float64 [n_models, n_costs], the costs of the models alone; costs are in balance
            when their largest values weigh the same.
    """
    n_costs = singles.shape[1]
    scale = np.where(singles.max(axis=0) > 0, singles.max(axis=0), 1.0)
    if n_costs == 1:
        return [(1.0,)]
    sizes = {1, 2, n_costs}
    groups = [g for size in sorted(sizes) for g in combinations(range(n_costs), size)]
    return [tuple((np.isin(np.arange(n_costs), group) / scale).tolist()) for group in groups]
