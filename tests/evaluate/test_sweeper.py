"""Sweeps against the evaluation of every single threshold combination."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encas.evaluate.compress import compress
from encas.evaluate.contender_evaluator import ContenderEvaluator
from encas.evaluate.counts import Counts
from encas.evaluate.objectives import LinearCost
from encas.evaluate.sweep_prices import prices_of
from encas.evaluate.sweeper import Sweeper, portions, units_of
from encas.pools.pool import Pool


def random_pool(rng, *, n_models, n_samples, n_classes, sharpness=1.5):
    label = rng.integers(0, n_classes, n_samples)
    logits = rng.normal(size=(n_models, n_samples, n_classes))
    logits += 1.2 * (np.arange(n_classes) == label[:, None])
    outputs = np.exp(sharpness * logits)
    outputs /= outputs.sum(axis=2, keepdims=True)
    costs = rng.integers(1, 50, n_models).astype(float)
    return Pool.of(outputs=outputs.astype(np.float32), label=label, costs={"macs": costs})


class BentCost:
    """A cost that is no linear function of the reach, and may fall with it."""

    name = "bent"

    def __init__(self, weights: np.ndarray) -> None:
        self.weights = weights

    def stage_values(self, member, reached, *, n_samples, is_last):
        share = reached / n_samples
        bend = np.sqrt(share) + 0.2 * np.sin(9 * share) ** 2 * (share > 0)
        return self.weights[member] * bend + (0.0 if is_last else 0.1 * share)

    def values(self, members, counts, *, n_samples):
        total = np.zeros(len(members))
        for j in range(members.shape[1]):
            for i in np.flatnonzero(members[:, j] >= 0):
                is_last = j + 1 == members.shape[1] or members[i, j + 1] < 0
                total[i] += self.stage_values(
                    members[i, j], counts.reached[i, j], n_samples=n_samples, is_last=is_last
                )
        return total


def sweeper_of(pool, cost, *, max_members) -> Sweeper:
    prices = prices_of([cost], n_models=pool.n_models, n_samples=pool.n_samples)
    return Sweeper(compress(pool, max_members=max_members), prices)


def every_cascade(sequences: np.ndarray, genes: range) -> tuple[np.ndarray, np.ndarray]:
    members, thresholds = [], []
    for sequence in sequences:
        k = int((sequence >= 0).sum())
        for combination in itertools.product(genes, repeat=k - 1):
            members.append(sequence)
            thresholds.append([*combination, *[0] * (len(sequence) - k)])
    return np.array(members), np.array(thresholds, np.int64).reshape(len(members), -1)


def stair_of(correct: np.ndarray, cost: np.ndarray, stair: np.ndarray) -> np.ndarray:
    """The staircase after so many points: the least cost for c or more right answers."""
    stair = stair.copy()
    np.minimum.at(stair, correct, cost)
    return np.minimum.accumulate(stair[::-1])[::-1]


def with_prefixes(sequences: np.ndarray) -> np.ndarray:
    """The sequences and what is left of them without their last members."""
    every = []
    for sequence in sequences:
        for k in range(1, int((sequence >= 0).sum()) + 1):
            every.append(np.where(np.arange(len(sequence)) < k, sequence, -1))
    return np.array(every)


def assert_sweep_is_the_front(pool, cost, sequences, *, genes=range(51), stair=None) -> None:
    sequences = with_prefixes(sequences)
    sweeper = sweeper_of(pool, cost, max_members=sequences.shape[1])
    stair = sweeper.empty_stair() if stair is None else stair
    swept = sweeper.sweep(sequences, stair)
    evaluator = ContenderEvaluator(compress(pool, max_members=sequences.shape[1]))

    def scored(members, thresholds) -> tuple[Counts, np.ndarray]:
        counts = evaluator.count(members, thresholds)
        return counts, cost.values(members, counts, n_samples=pool.n_samples)

    counts, costs = scored(sequences[swept.sequence], swept.thresholds)
    np.testing.assert_array_equal(counts.correct, swept.correct)
    np.testing.assert_array_equal(costs, swept.cost)
    counts, costs = scored(*every_cascade(sequences, genes))
    expected = stair_of(counts.correct, costs, stair)
    found = stair_of(swept.correct, swept.cost, stair)
    if len(genes) == 51:
        np.testing.assert_array_equal(found, expected)
    assert (found <= expected).all()


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_models=st.integers(1, 6),
    n_samples=st.integers(1, 150),
    n_classes=st.integers(1, 6),
    is_bent=st.booleans(),
)
def test_sweep_of_up_to_three_members_finds_the_front_of_all_thresholds(
    seed, n_models, n_samples, n_classes, is_bent
):
    rng = np.random.default_rng(seed)
    pool = random_pool(rng, n_models=n_models, n_samples=n_samples, n_classes=n_classes)
    cost = LinearCost(name="macs", costs=pool.costs("macs"))
    sequences = random_sequences(rng, n=3, n_models=n_models, max_members=3)
    assert_sweep_is_the_front(pool, BentCost(cost.costs) if is_bent else cost, sequences)


def random_sequences(rng, *, n, n_models, max_members) -> np.ndarray:
    sequences = np.full((n, max_members), -1)
    for sequence in sequences:
        k = rng.integers(1, min(n_models, max_members) + 1)
        sequence[:k] = rng.permutation(n_models)[:k]
    return sequences


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("is_bent", [False, True])
def test_sweep_of_four_members_finds_the_front_of_all_thresholds(seed, is_bent):
    rng = np.random.default_rng(seed)
    pool = random_pool(rng, n_models=4, n_samples=60, n_classes=3)
    cost = LinearCost(name="macs", costs=pool.costs("macs"))
    sequences = np.array([[2, 0, 3, 1]])
    assert_sweep_is_the_front(pool, BentCost(cost.costs) if is_bent else cost, sequences)


@pytest.mark.parametrize("is_bent", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_sweep_of_five_members_is_beaten_by_no_cascade_of_a_grid(seed, is_bent):
    rng = np.random.default_rng(seed)
    pool = random_pool(rng, n_models=7, n_samples=200, n_classes=4)
    cost = LinearCost(name="macs", costs=pool.costs("macs"))
    sequences = np.array([[2, 0, 3, 1, 4], [2, 0, 3, 1, 5]])
    bent = BentCost(cost.costs)
    assert_sweep_is_the_front(pool, bent if is_bent else cost, sequences, genes=range(10, 50, 4))


def test_sweep_against_a_known_front_reports_improvements_alone(rng):
    pool = random_pool(rng, n_models=5, n_samples=120, n_classes=4)
    cost = LinearCost(name="macs", costs=pool.costs("macs"))
    sweeper = sweeper_of(pool, cost, max_members=3)
    pairs = np.array([[a, b, -1] for a in range(5) for b in range(5) if a != b])
    swept = sweeper.sweep(pairs, sweeper.empty_stair())
    stair = stair_of(swept.correct, swept.cost, sweeper.empty_stair())
    assert len(sweeper.sweep(pairs, stair).cost) == 0
    triple = np.array([[0, 1, 2]])
    assert_sweep_is_the_front(pool, cost, triple, stair=stair)
    improved = sweeper.sweep(triple, stair)
    assert (improved.cost < stair[improved.correct]).all()


def test_sweep_of_real_outputs_of_three_members_is_what_enumeration_found(cifar_pool):
    cost = LinearCost(name="macs", costs=cifar_pool.costs("macs"))
    sweeper = sweeper_of(cifar_pool, cost, max_members=3)
    sequences = [[a, -1, -1] for a in range(16)]
    sequences += [[a, b, -1] for a, b in itertools.permutations(range(16), 2)]
    sequences += [list(triple) for triple in itertools.permutations(range(16), 3)]
    swept = sweeper.sweep(np.array(sequences), sweeper.empty_stair())
    stair = stair_of(swept.correct, swept.cost, sweeper.empty_stair())[: cifar_pool.n_samples + 1]
    below = stair[1501:]
    area = np.maximum(200e6 - below, 0).sum() / cifar_pool.n_samples / 1e8
    assert area == pytest.approx(0.705751467305793, rel=1e-12)


def test_sweep_on_another_number_of_threads_is_the_same(rng, monkeypatch):
    pool = random_pool(rng, n_models=6, n_samples=150, n_classes=4)
    cost = LinearCost(name="macs", costs=pool.costs("macs"))
    sequences = random_sequences(rng, n=20, n_models=6, max_members=4)
    found = []
    for threads in (1, 3):
        monkeypatch.setattr("encas.evaluate.lanes.usable_processors", lambda n=threads: n)
        sweeper = sweeper_of(pool, cost, max_members=4)
        found.append(sweeper.sweep(sequences, sweeper.empty_stair()))
    first, second = found
    for name in ("sequence", "thresholds", "correct", "cost"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


def test_units_of_sequences_group_neighbours_that_differ_in_the_last_member():
    sequences = np.array([[3, -1, -1], [4, -1, -1], [1, 2, -1], [1, 0, -1], [1, 2, 0], [5, 2, 0]])
    units = units_of(sequences)
    assert units.prefix.tolist() == [
        [-1, -1, -1, -1],
        [-1, -1, -1, 1],
        [-1, -1, 1, 2],
        [-1, -1, 5, 2],
    ]
    assert [row[row >= 0].tolist() for row in units.last] == [[3, 4], [2, 0], [0], [0]]
    assert [row[row >= 0].tolist() for row in units.row] == [[0, 1], [2, 3], [4], [5]]


def test_units_of_more_sequences_than_lanes_are_several():
    sequences = np.array([[0, last] for last in range(1, 40)])
    units = units_of(sequences)
    assert [(row >= 0).sum() for row in units.row] == [16, 16, 7]


def test_portions_of_nothing_are_one_empty_slice():
    assert portions(0, 5) == [slice(0, 0)]
    assert portions(7, 3) == [slice(0, 3), slice(3, 6), slice(6, 7)]
