import warnings

import numpy as np
import pytest

pytest.importorskip("pymoo")

from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.algorithms.moo.nsga3 import NSGA3
from pymoo.core.problem import Problem as PymooProblem
from pymoo.operators.crossover.ux import UX

from encas.search.nsga import CROSSOVER_PROBABILITY, Nsga2, Nsga3, RandomReset, directions

N_VALUES = np.array([40, 40, 40, 51, 51])


class Valley:
    """Distances to two opposite corners; where asked for, small first genes are infeasible."""

    n_values = N_VALUES
    n_objectives = 2

    def __init__(self, *, infeasible: bool = False) -> None:
        self.infeasible = infeasible

    def evaluate(self, genomes: np.ndarray) -> np.ndarray:
        share = genomes / (N_VALUES - 1)
        near = (share**2).sum(axis=1)
        far = 1e6 * ((share - 1) ** 2).sum(axis=1)
        values = np.stack((near, far), axis=1)
        if self.infeasible:
            values[genomes[:, 0] < 20] = np.inf
        return values


class TheirValley(PymooProblem):
    def __init__(self) -> None:
        super().__init__(n_var=5, n_obj=2, xl=0, xu=N_VALUES - 1)

    def _evaluate(self, X, out, *args, **kwargs):  # noqa: N803
        out["F"] = Valley().evaluate(X)


def make_pymoo(kind, sampling):
    common = {
        "pop_size": 20,
        "sampling": sampling,
        "crossover": UX(prob=CROSSOVER_PROBABILITY),
        "mutation": RandomReset(N_VALUES),
    }
    if kind is Nsga2:
        return NSGA2(**common)
    return NSGA3(ref_dirs=directions(2, 20), **common)


@pytest.mark.parametrize("kind", [Nsga2, Nsga3])
def test_generations_equal_those_of_pymoo_itself(kind):
    ours = kind(Valley(), rng=np.random.default_rng(3), population_size=20)
    first = ours.ask().copy()
    theirs = make_pymoo(kind, first)
    theirs.setup(TheirValley(), termination=("n_gen", 100))
    theirs.random_state = np.random.default_rng(3)
    theirs.random_state.integers(N_VALUES, size=first.shape)
    with warnings.catch_warnings():
        for _ in range(15):
            asked = theirs.ask()
            np.testing.assert_array_equal(np.array(asked.get("X"), np.int64), ours.ask())
            theirs.evaluator.eval(theirs.problem, asked)
            theirs.tell(infills=asked)
            ours.tell(Valley().evaluate(ours.ask()))


@pytest.mark.parametrize("kind", [Nsga2, Nsga3])
def test_infeasible_genomes_never_enter_the_population(kind):
    problem = Valley(infeasible=True)
    strategy = kind(problem, rng=np.random.default_rng(0), population_size=12)
    for _ in range(6):
        strategy.tell(problem.evaluate(strategy.ask()))
    state = strategy.state()
    assert np.isfinite(state["objectives"]).all()
    assert (state["genomes"][:, 0] >= 20).all()


def test_all_infeasible_asks_for_random_genomes_again():
    strategy = Nsga2(Valley(), rng=np.random.default_rng(0), population_size=8)
    before = strategy.ask().copy()
    strategy.tell(np.full((8, 2), np.inf))
    after = strategy.ask()
    assert after.shape == before.shape
    assert (after != before).any()


def test_space_smaller_than_the_population_goes_on():
    class Tiny:
        n_values = np.array([2, 2])
        n_objectives = 2

    strategy = Nsga2(Tiny(), rng=np.random.default_rng(0), population_size=30)
    for _ in range(5):
        genomes = strategy.ask()
        strategy.tell(np.stack((genomes[:, 0], 1.0 - genomes[:, 0]), axis=1))
    assert len(strategy.archive) == 2


@pytest.mark.parametrize(("n_objectives", "at_most", "n"), [(2, 100, 100), (3, 100, 91), (3, 3, 3)])
def test_directions_are_as_many_as_fit(n_objectives, at_most, n):
    found = directions(n_objectives, at_most)
    assert found.shape == (n, n_objectives)
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_survival_keeps_the_warning_filters():
    filters = list(warnings.filters)
    strategy = Nsga3(Valley(), rng=np.random.default_rng(0), population_size=10)
    for _ in range(3):
        strategy.tell(Valley().evaluate(strategy.ask()))
    assert list(warnings.filters) == filters
