import numpy as np
from tiny_problem import tiny_problem

from encas.evaluate.threshold_grid import THRESHOLDS
from encas.search.ensemble import NEVER_LEAVES, EnsembleProblem, with_thresholds


def test_never_leaves_is_the_gene_of_a_threshold_of_one():
    assert (NEVER_LEAVES, THRESHOLDS[NEVER_LEAVES]) == (50, 1)


def test_thresholds_are_one_fewer_than_the_member_genes():
    assert with_thresholds(np.array([[3, 0, 1]])).tolist() == [[3, 0, 1, 50, 50]]
    assert with_thresholds(np.array([[3], [0]])).tolist() == [[3], [0]]


def test_ensemble_problem_is_the_cascade_problem_at_thresholds_of_one(tiny_pool):
    problem = tiny_problem(tiny_pool, max_members=2)
    ensembles = EnsembleProblem(problem)
    genomes = np.array([[1, 2], [0, 3], [0, 0]])
    assert ensembles.n_values.tolist() == [4, 4]
    np.testing.assert_array_equal(with_thresholds(genomes)[:, 2], 50)
    np.testing.assert_array_equal(
        ensembles.evaluate(genomes), problem.evaluate(with_thresholds(genomes))
    )
    assert ensembles.evaluate(genomes)[0].tolist() == [2 / 8, 5e6]
    assert ensembles.n_objectives == 2
