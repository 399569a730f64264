import hashlib
from dataclasses import dataclass

import numpy as np
import pytest

from encas.search.gomea import MoGomea, Scheme
from encas.search.search import AskTellSearch

TRAP = 5


def zeromax_onemax(genomes: np.ndarray) -> np.ndarray:
    return np.stack([(genomes == 0).sum(axis=1), genomes.sum(axis=1)], axis=1)


def leading_ones_trailing_zeros(genomes: np.ndarray) -> np.ndarray:
    leading = np.cumprod(genomes, axis=1).sum(axis=1)
    trailing = np.cumprod(1 - genomes[:, ::-1], axis=1).sum(axis=1)
    return np.stack([leading, trailing], axis=1)


def trap_inverse_trap(genomes: np.ndarray) -> np.ndarray:
    ones = genomes.reshape(len(genomes), -1, TRAP).sum(axis=2)
    traps = [np.where(u == TRAP, TRAP, TRAP - 1 - u).sum(axis=1) for u in (ones, TRAP - ones)]
    return np.stack(traps, axis=1)


def front_of(function, n_bits: int) -> set[tuple[int, int]]:
    """The complete front: of n_bits + 1 points, or of n_bits / 5 + 1 where blocks are traps."""
    if function is trap_inverse_trap:
        n = n_bits // TRAP
        return {(TRAP * a + 4 * (n - a), TRAP * (n - a) + 4 * a) for a in range(n + 1)}
    return {(a, n_bits - a) for a in range(n_bits + 1)}


@dataclass
class Bits:
    """A pair of functions to be maximised over bits."""

    function: object
    n_bits: int
    n_objectives: int = 2

    @property
    def n_values(self) -> np.ndarray:
        return np.full(self.n_bits, 2)

    def evaluate(self, genomes: np.ndarray) -> np.ndarray:
        return -self.function(genomes).astype(np.float64)


@dataclass
class Places:
    """Mixed alphabets: how far the genes are from all low, all high, every other high."""

    n_values: np.ndarray
    n_objectives: int = 2
    least: int = 0

    def evaluate(self, genomes: np.ndarray) -> np.ndarray:
        shares = genomes / np.maximum(self.n_values - 1, 1)
        other = np.arange(len(self.n_values)) % 2
        goals = [np.zeros_like(other), np.ones_like(other), other][: self.n_objectives]
        objectives = np.stack([np.abs(shares - goal).sum(axis=1) for goal in goals], axis=1)
        objectives[genomes.sum(axis=1) < self.least] = np.inf
        return objectives


def gomea(problem, seed: int = 0, **options) -> MoGomea:
    return MoGomea(problem, rng=np.random.default_rng(seed), **options)


def evaluations_to_complete(function, n_bits: int, *, seed: int, limit: int) -> int:
    problem = Bits(function, n_bits)
    search = AskTellSearch(problem, gomea(problem, seed))
    front = front_of(function, n_bits)
    while search.n_evaluations < limit:
        search.step(limit - search.n_evaluations)
        found = search.archive.objectives
        if len(found) == len(front) and {tuple(-row) for row in found} == front:
            return search.n_evaluations
    return limit


@pytest.mark.parametrize(
    ("function", "n_bits", "n_points"),
    [(zeromax_onemax, 10, 11), (leading_ones_trailing_zeros, 10, 11), (trap_inverse_trap, 10, 3)],
)
def test_front_of_bit_functions_equals_all_strings(function, n_bits, n_points):
    strings = (np.arange(2**n_bits)[:, None] >> np.arange(n_bits)) & 1
    values = {tuple(row) for row in function(strings).tolist()}
    best = {v for v in values if not any(w != v and w[0] >= v[0] and w[1] >= v[1] for w in values)}
    assert best == front_of(function, n_bits)
    assert len(best) == n_points


@pytest.mark.parametrize(
    "function", [zeromax_onemax, leading_ones_trailing_zeros, trap_inverse_trap]
)
def test_gomea_25_bits_finds_the_complete_front(function):
    assert evaluations_to_complete(function, 25, seed=1, limit=2_000_000) < 2_000_000


@pytest.mark.slow
@pytest.mark.parametrize(
    "function", [zeromax_onemax, leading_ones_trailing_zeros, trap_inverse_trap]
)
def test_gomea_50_bits_finds_the_complete_front(function):
    assert evaluations_to_complete(function, 50, seed=1, limit=2_000_000) < 2_000_000


def test_gomea_mixed_alphabets_stay_in_their_alphabets():
    problem = Places(n_values=np.array([519, 2, 51, 1, 3]))
    strategy = gomea(problem)
    for _ in range(200):
        genomes = strategy.ask()
        assert (genomes >= 0).all()
        assert (genomes < problem.n_values).all()
        strategy.tell(problem.evaluate(genomes))


def test_gomea_three_objectives_archive_grows():
    problem = Places(n_values=np.array([20] * 6), n_objectives=3)
    search = AskTellSearch(problem, gomea(problem))
    while search.n_evaluations < 3000:
        search.step(3000)
    assert len(search.archive) > 50


def test_gomea_infeasible_genomes_stay_out_of_the_archive():
    problem = Places(n_values=np.array([17] * 4), least=40)
    search = AskTellSearch(problem, gomea(problem))
    while search.n_evaluations < 5000:
        search.step(5000)
    assert np.isfinite(search.archive.objectives).all()
    assert (search.archive.genomes.sum(axis=1) >= 40).all()


def test_gomea_nothing_feasible_goes_on_with_an_empty_archive():
    problem = Places(n_values=np.array([5] * 3), least=1000)
    search = AskTellSearch(problem, gomea(problem))
    while search.n_evaluations < 2000:
        search.step(2000)
    assert len(search.archive) == 0


def test_gomea_one_gene_finds_all_its_values():
    problem = Places(n_values=np.array([30]))
    search = AskTellSearch(problem, gomea(problem))
    while search.n_evaluations < 500:
        search.step(500)
    assert len(search.archive) == 30


@pytest.mark.parametrize("n_values", [[1], [1, 1, 1]])
def test_gomea_single_genome_space_goes_on(n_values):
    problem = Places(n_values=np.array(n_values))
    search = AskTellSearch(problem, gomea(problem, scheme=Scheme(largest=64)))
    while search.n_evaluations < 5000:
        search.step(5000)
    assert len(search.archive) == 1


def test_gomea_populations_double_and_smaller_ones_take_more_generations():
    problem = Bits(leading_ones_trailing_zeros, 40)
    strategy = gomea(problem, scheme=Scheme(smallest=4, interleaving=3))
    sizes = []
    while len(sizes) < 5:
        genomes = strategy.ask()
        if len(strategy.state()) and f"population.{len(sizes)}.genomes" in strategy.state():
            sizes.append(len(genomes))
        strategy.tell(problem.evaluate(genomes))
    assert sizes == [4, 8, 16, 32, 64]
    turns = [int(strategy.state()[f"population.{i}.n_generations"]) for i in range(4)]
    assert turns == [81, 27, 9, 3]


def test_gomea_covered_populations_are_terminated():
    problem = Bits(zeromax_onemax, 12)
    search = AskTellSearch(problem, gomea(problem, scheme=Scheme(interleaving=2)))
    while search.n_evaluations < 20_000:
        search.step(20_000)
    state = search.state()
    assert state["strategy.population.0.is_terminated"]
    assert "strategy.population.5.genomes" in state


def test_gomea_begins_with_eight_individuals_and_a_cluster_more_than_objectives():
    problem = Bits(leading_ones_trailing_zeros, 40)
    strategy = gomea(problem)
    n_clusters = {}
    while len(n_clusters) < 2:
        strategy.tell(problem.evaluate(strategy.ask()))
        state = strategy.state()
        if "generation.sets" in state:
            n_clusters[int(state["own.turn"])] = len(state["generation.sets"])
    assert n_clusters == {0: 3, 1: 4}
    assert [len(state[f"population.{i}.genomes"]) for i in range(2)] == [8, 16]
    assert [int(state[f"population.{i}.n_generations"]) for i in range(2)] == [32, 1]


def test_gomea_evaluates_its_start_first_and_begins_then_with_the_smallest_population():
    problem = Bits(zeromax_onemax, 30)
    start = np.arange(90).reshape(3, 30) % 2
    strategy = gomea(problem, start=start, scheme=Scheme(smallest=4, interleaving=1))
    assert strategy.ask() is start
    sizes = []
    while len(sizes) < 3:
        state = strategy.state()
        n = len(sizes) + 1
        if f"population.{n}.genomes" in state:
            sizes.append(len(state[f"population.{n}.genomes"]))
        strategy.tell(problem.evaluate(strategy.ask()))
    assert sizes == [4, 8, 16]


@pytest.mark.parametrize("n_steps", [0, 1, 7, 60])
def test_gomea_goes_on_from_its_state_as_if_never_stopped(n_steps):
    problem = Bits(leading_ones_trailing_zeros, 20)
    first = gomea(problem, scheme=Scheme(smallest=4, interleaving=2))
    for _ in range(n_steps):
        first.tell(problem.evaluate(first.ask()))
    second = gomea(problem, seed=9, scheme=Scheme(smallest=4, interleaving=2))
    second.ask()
    second.restore(first.state())
    for _ in range(60):
        asked = first.ask()
        np.testing.assert_array_equal(asked, second.ask())
        for strategy in (first, second):
            strategy.tell(problem.evaluate(asked))
    for name, array in first.state().items():
        np.testing.assert_array_equal(array, second.state()[name])


@pytest.mark.parametrize(
    ("larger", "is_covered"),
    [
        ([[1, 2], [2, 1]], True),
        ([[2, 1], [0, 2]], True),
        ([[1, 2], [3, 0]], False),
        ([[1, 1], [9, 9]], True),
        ([[0, 3], [2, 2]], False),
        ([[9, 9], [1, 2]], False),
    ],
)
def test_population_is_terminated_once_a_larger_one_covers_its_front(larger, is_covered):
    strategy = gomea(Bits(zeromax_onemax, 2), scheme=Scheme(smallest=2, interleaving=1))
    strategy.ask()
    strategy.tell(np.array([[1.0, 2.0], [2.0, 1.0]]))
    state = strategy.state()
    assert (int(state["own.turn"]), bool(state["population.0.is_terminated"])) == (1, False)
    n = len(strategy.ask())
    strategy.tell(np.resize(np.array(larger, np.float64), (n, 2)))
    assert bool(strategy.state()["population.0.is_terminated"]) is is_covered


def test_gomea_takes_the_known_way_of_a_seed():
    """The bytes of a run: patience, forced improvement and the archive's target decide on them."""
    strategy = gomea(Bits(trap_inverse_trap, 15), seed=3, archive_target=3)
    search = AskTellSearch(Bits(trap_inverse_trap, 15), strategy)
    while search.n_evaluations < 6000:
        search.step(6000 - search.n_evaluations)
    digest = hashlib.sha256()
    for name, array in sorted(strategy.state().items()):
        if array.dtype.kind in "iub" and "rng" not in name:
            digest.update(name.encode() + np.ascontiguousarray(array).tobytes())
    assert digest.hexdigest()[:16] == "1b09f28a53bda930"
