"""Sweeps over random stage bytes against every combination of thresholds."""

import itertools

import numpy as np
import pytest

from encas.evaluate.sweep_space import MARGIN, Prices, new_blocks, new_planes
from encas.evaluate.sweep_tables import KNOWN, sweep_lane
from encas.evaluate.sweep_units import N_LANES, N_PREFIX, NOBODY, sorted_units

N_MODELS = 6
# Thresholds matter only where a bin lies: these genes stand for all.
BINS = (0, 7, 50, 51)
GENES = (0, 7, 50)


def random_prices(rng: np.random.Generator, n_samples: int, *, is_monotone: bool) -> Prices:
    """Costs that tell last stages from others; whole numbers, so that sums are exact."""
    steps = rng.integers(0 if is_monotone else -3, 9, (2 * N_MODELS, n_samples + 1))
    steps[:, 0] = 0
    table = np.maximum(np.cumsum(steps, axis=1), 0).astype(np.float64)
    rows = np.arange(2 * N_MODELS).reshape(2, N_MODELS)
    return Prices(table, rows, np.ones(N_MODELS), is_monotone)


class Case:
    """Some units with stage bytes drawn at random."""

    def __init__(self, seed: int, n_members: int, *, is_monotone: bool = True) -> None:
        rng = np.random.default_rng(seed)
        self.n_samples = 40
        self.n_prefix = n_members - 1
        n = 3
        self.prefix = np.full((n, N_PREFIX), NOBODY)
        self.last = np.full((n, N_LANES), NOBODY)
        for u in range(n):
            models = rng.permutation(N_MODELS)
            self.prefix[u, N_PREFIX - self.n_prefix :] = models[: self.n_prefix]
            others = models[self.n_prefix :]
            self.last[u, : len(others)] = others
        self.stages = (2 * rng.choice(BINS, (n, N_PREFIX, self.n_samples))).astype(np.uint8)
        self.stages += (rng.random(self.stages.shape) < 0.6).astype(np.uint8)
        self.stages[:, : N_PREFIX - self.n_prefix] = 0
        self.lasts = (rng.random((n, N_LANES, self.n_samples)) < 0.7).astype(np.uint8)
        self.prices = random_prices(rng, self.n_samples, is_monotone=is_monotone)

    def price(self, model: int, reached: int, *, is_last: bool) -> float:
        return float(self.prices.table[self.prices.row[int(is_last), model], reached])

    def counted(self, u: int, lane: int, genes: tuple[int, ...]) -> tuple[int, float, int]:
        """Right answers, cost, and who runs the last stage, sample by sample."""
        correct, reached = 0, [0] * (self.n_prefix + 1)
        for i in range(self.n_samples):
            for j, gene in enumerate(genes):
                reached[j] += 1
                byte = int(self.stages[u, N_PREFIX - self.n_prefix + j, i])
                if byte // 2 > gene:
                    correct += byte % 2
                    break
            else:
                reached[-1] += 1
                correct += int(self.lasts[u, lane, i])
        members = [*self.prefix[u, N_PREFIX - self.n_prefix :], self.last[u, lane]]
        cost = sum(
            self.price(m, r, is_last=j == self.n_prefix)
            for j, (m, r) in enumerate(zip(members, reached, strict=True))
        )
        return correct, cost, reached[-1]

    def every_point(self, u: int) -> tuple[list[tuple[int, float]], list[tuple[int, float]]]:
        """Right answers and costs of all combinations: those that run the last member, others."""
        points: tuple[list[tuple[int, float]], list[tuple[int, float]]] = ([], [])
        for lane in np.flatnonzero(self.last[u] != NOBODY):
            for genes in itertools.product(GENES, repeat=self.n_prefix):
                correct, cost, n_last = self.counted(u, lane, genes)
                points[int(n_last == 0)].append((correct, cost))
        return points

    def swept(self, stair: np.ndarray, n_threads: int = 1) -> tuple[np.ndarray, np.ndarray]:
        shape = len(self.prefix), len(stair)
        codes, costs = np.empty(shape, np.int64), np.empty(shape)
        units = sorted_units(self.stages, self.lasts, self.last, self.n_samples)
        rooms = new_planes(n_threads), new_blocks(n_threads, self.n_samples)
        given = (units, self.prefix, self.last, self.prices, stair, *rooms, codes, costs)
        for lane in range(n_threads):
            sweep_lane(lane, n_threads, *given)
        return codes, costs

    def empty_stair(self) -> np.ndarray:
        return np.full(self.n_samples + 1 + MARGIN, np.inf)


def lowered(stair: np.ndarray, points: list[tuple[int, float]]) -> np.ndarray:
    stair = stair.copy()
    for correct, cost in points:
        stair[: correct + 1] = np.minimum(stair[: correct + 1], cost)
    return stair


def check(case: Case, stair: np.ndarray) -> None:
    """What is found is real, improves the staircase, and is all that does.

    Only what a cascade without the last member makes useless may be left out, where a cost does
    not fall with the reach.
    """
    codes, costs = case.swept(stair)
    for u in range(len(codes)):
        points = []
        for correct in np.flatnonzero(codes[u] != KNOWN):
            lane, genes = codes[u, correct] % N_LANES, codes[u, correct] // N_LANES
            every = tuple(int(genes // 64**j % 64) for j in range(N_PREFIX))
            counted = case.counted(u, lane, every[N_PREFIX - case.n_prefix :])
            assert counted[:2] == (correct, costs[u, correct])
            assert counted[1] < stair[correct]
            points.append(counted[:2])
        np.testing.assert_array_equal(costs[u], lowered(stair, points))
        own, shorter = case.every_point(u)
        if not case.prices.is_monotone:
            shorter = []
        expected = lowered(stair, own + shorter)
        np.testing.assert_array_equal(lowered(costs[u], shorter), expected)


@pytest.mark.parametrize("is_monotone", [True, False])
@pytest.mark.parametrize("n_members", [1, 2, 3, 4, 5])
def test_sweep_of_any_bytes_finds_what_every_combination_gives(n_members, is_monotone):
    case = Case(n_members, n_members, is_monotone=is_monotone)
    check(case, case.empty_stair())


@pytest.mark.parametrize("n_members", [2, 3, 4])
def test_sweep_against_a_known_staircase_finds_improvements_alone(n_members):
    case = Case(10 + n_members, n_members)
    points, _ = case.every_point(0)
    check(case, lowered(case.empty_stair(), points[:: len(points) // 2]))


def test_sweep_against_its_own_staircase_finds_nothing():
    case = Case(3, 3)
    _, costs = case.swept(case.empty_stair())
    for u in range(len(costs)):
        assert (case.swept(costs[u])[0][u] == KNOWN).all()


def test_sweep_on_two_threads_finds_the_same():
    case = Case(5, 4)
    alone, shared = (case.swept(case.empty_stair(), n) for n in (1, 2))
    np.testing.assert_array_equal(shared[0], alone[0])
    np.testing.assert_array_equal(shared[1], alone[1])
