"""The contract of every strategy behind ask and tell, and of the search made of one."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from hills import Hills

from encas.errors import SearchError
from encas.fronts.indicators import non_dominated
from encas.search.gomea import MoGomea
from encas.search.nsga import Nsga2, Nsga3
from encas.search.random_draw import RandomDraw
from encas.search.strategy import Strategy

each_strategy = pytest.mark.parametrize("make", [MoGomea, Nsga2, Nsga3, RandomDraw])
each_size = pytest.mark.parametrize("n_objectives", [2, 3])


def made(make: Callable[..., Strategy], problem: Hills, seed: int = 0) -> Strategy:
    return make(problem, rng=np.random.default_rng(seed))


def told(strategy: Strategy, problem: Hills, n_batches: int) -> list[np.ndarray]:
    batches = []
    for _ in range(n_batches):
        batches.append(strategy.ask().copy())
        strategy.tell(problem.evaluate(batches[-1]))
    return batches


def through_a_file(state) -> dict[str, np.ndarray]:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **state)
    buffer.seek(0)
    with np.load(buffer, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def as_bytes(state) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in state.items()}


@each_strategy
def test_ask_same_seed_gives_the_same_genomes(make):
    problem = Hills()
    first, second, other = (told(made(make, problem, s), problem, 30) for s in (1, 1, 2))
    assert [b.tobytes() for b in first] == [b.tobytes() for b in second]
    assert [b.tobytes() for b in first] != [b.tobytes() for b in other]


@each_strategy
def test_ask_repeats_itself_until_told(make):
    problem = Hills()
    strategy = made(make, problem)
    for _ in range(40):
        first, second = strategy.ask().copy(), strategy.ask()
        np.testing.assert_array_equal(first, second)
        assert len(first) >= 1
        strategy.tell(problem.evaluate(first))


@each_strategy
@each_size
def test_ask_genes_stay_in_their_alphabets(make, n_objectives):
    problem = Hills(n_objectives)
    for batch in told(made(make, problem), problem, 60):
        assert batch.dtype == np.int64
        assert batch.shape[1] == 6
        assert (batch >= 0).all()
        assert (batch < problem.n_values).all()


@each_strategy
@each_size
def test_tell_archive_holds_the_non_dominated_of_all(make, n_objectives):
    problem = Hills(n_objectives)
    strategy = made(make, problem)
    objectives = problem.evaluate(np.concatenate(told(strategy, problem, 60)))
    feasible = objectives[np.isfinite(objectives[:, 0])]
    expected = feasible[non_dominated(feasible)]
    found = strategy.archive.objectives
    np.testing.assert_array_equal(expected[np.lexsort(expected.T)], found[np.lexsort(found.T)])
    np.testing.assert_array_equal(problem.evaluate(strategy.archive.genomes), found)


@each_strategy
@each_size
@pytest.mark.parametrize(("n_batches", "asked"), [(0, False), (0, True), (1, True), (20, False)])
def test_restore_goes_on_byte_for_byte(make, n_objectives, n_batches, asked):
    problem = Hills(n_objectives)
    whole = made(make, problem)
    told(whole, problem, n_batches)
    if asked:
        whole.ask()
    stopped = made(make, problem, seed=99)
    told(stopped, problem, 3)
    stopped.restore(through_a_file(whole.state()))
    assert as_bytes(stopped.state()) == as_bytes(whole.state())
    first, second = (told(strategy, problem, 15) for strategy in (whole, stopped))
    assert [b.tobytes() for b in first] == [b.tobytes() for b in second]
    assert as_bytes(stopped.state()) == as_bytes(whole.state())


@each_strategy
def test_restore_generator_of_another_kind_is_refused(make):
    problem = Hills()
    strategy = make(problem, rng=np.random.Generator(np.random.MT19937(0)))
    with pytest.raises(SearchError, match="of a PCG64 generator, expected MT19937"):
        strategy.restore(made(make, problem).state())
