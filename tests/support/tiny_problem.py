"""The problem of a pool by the definition: error and MACs."""

from encas.evaluate.dense import DenseEvaluator
from encas.evaluate.objectives import TopOneError, cost_objective
from encas.pools.pool import Pool
from encas.search.cascade_problem import CascadeProblem


def tiny_problem(pool: Pool, *, max_members: int) -> CascadeProblem:
    """Cascades of up to so many members."""
    costs = [cost_objective("macs", pool)]
    return CascadeProblem(
        DenseEvaluator(pool), TopOneError(), costs, n_models=pool.n_models, max_members=max_members
    )
