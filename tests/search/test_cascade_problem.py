import numpy as np

from encas.evaluate.dense import DenseEvaluator
from encas.evaluate.genome import gene_sizes
from encas.evaluate.objectives import LinearCost, TopOneError
from encas.search.cascade_problem import CascadeProblem


def test_evaluate_empty_cascade_is_infinitely_bad(tiny_pool):
    problem = CascadeProblem(
        DenseEvaluator(tiny_pool),
        TopOneError(),
        [LinearCost(name="macs", costs=tiny_pool.costs("macs"))],
        n_models=3,
        max_members=2,
    )
    values = problem.evaluate(np.array([[0, 0, 7], [1, 0, 7], [1, 3, 50]]))
    assert np.isinf(values[0]).all()
    assert values[1].tolist() == [3 / 8, 1e6]
    assert values[2].tolist() == [0.0, 21e6]
    assert problem.n_values.tolist() == gene_sizes(3, 2).tolist() == [4, 4, 51]
