from itertools import combinations, permutations, product

import numpy as np
import pytest
from tiny_problem import tiny_problem

from encas.search.ensemble import EnsembleProblem
from encas.search.grid import SequenceGrid, SubsetGrid, cascade_grid, ensemble_grid
from encas.search.listing import ListedSearch


def all_genomes(listing) -> np.ndarray:
    return listing.genomes(np.arange(listing.n_genomes))


def as_set(genomes) -> set[tuple[int, ...]]:
    return {tuple(genome) for genome in np.asarray(genomes).tolist()}


@pytest.mark.parametrize("order", [(0, 1), (5, 7)])
def test_sequence_grid_is_every_ordered_sequence_with_every_threshold_vector(order):
    grid = SequenceGrid(n_models=4, n_members=3, max_members=4, threshold_step=25, order=order)
    expected = {
        (*(m + 1 for m in members), 0, *thresholds, 0)
        for members in permutations(range(4), 3)
        for thresholds in product((0, 25, 50), repeat=2)
    }
    genomes = all_genomes(grid)
    assert len(genomes) == grid.n_genomes == len(expected)
    assert as_set(genomes) == expected


def test_subset_grid_is_every_set():
    genomes = all_genomes(SubsetGrid(n_models=6, n_members=3, max_members=4))
    expected = {(*(m + 1 for m in members), 0) for members in combinations(range(6), 3)}
    assert len(genomes) == len(expected)
    assert as_set(genomes) == expected


def test_cascade_grid_is_singles_then_pairs_then_triples(rng):
    grid = cascade_grid(5, 4, rng)
    assert grid.n_genomes == 5 + 20 * 51 + 60 * 11**2
    genomes = all_genomes(grid)
    n_members = (genomes[:, :4] > 0).sum(axis=1)
    assert (np.diff(n_members) >= 0).all()
    assert len(as_set(genomes)) == len(genomes)
    assert set(genomes[n_members == 3][:, 4:].ravel()) == {0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50}


def test_cascade_grid_order_is_the_seed_s():
    first, again, other = (
        all_genomes(cascade_grid(5, 2, np.random.default_rng(seed))) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert as_set(first) == as_set(other)


def test_grid_of_very_many_models_needs_no_memory_and_no_overflow(rng):
    grid = cascade_grid(5000, 3, rng)
    places = np.array([0, 5000, grid.n_genomes - 1])
    genomes = grid.genomes(places)
    assert (genomes[:, 0] > 0).all()
    assert genomes[2, :3].tolist() != [0, 0, 0]
    sets = ensemble_grid(5000, 16)
    last = sets.genomes(np.array([4999, 5000, 2**40]))
    assert last[0].tolist() == [5000] + [0] * 15
    assert last[1].tolist() == [1, 2] + [0] * 14
    assert (np.diff(last[2][last[2] > 0]) > 0).all()


def test_ensemble_search_of_all_sets_is_the_best_there_is(tiny_pool):
    cascades = tiny_problem(tiny_pool, max_members=3)
    problem = EnsembleProblem(cascades)
    running = ListedSearch(problem, ensemble_grid(3, 3))
    while not running.finished:
        running.step(2)
    assert running.n_evaluations == 7
    every = np.array(list(product(range(4), repeat=3)))[1:]
    points = problem.evaluate(every)
    assert (running.archive.objectives[:, None] <= points).all(axis=2).any(axis=0).all()
