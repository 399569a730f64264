import itertools
from dataclasses import replace

import numpy as np
import pytest

from encas.evaluate.evaluator_choice import contenders_of, evaluator_for
from encas.evaluate.objectives import error_objective, front_costs
from encas.fronts.scoring import evaluate_front
from encas.pools.pool import Pool
from encas.search.algorithms import ALGORITHMS, Setup
from encas.search.front_finding import find_front
from encas.search.sweep import first_sequences


@pytest.fixture
def pool(rng) -> Pool:
    """Seven models of 120 samples and four classes: the dearer, the better."""
    label = rng.integers(4, size=120)
    logits = rng.normal(size=(7, 120, 4)) * 1.5
    logits[:, np.arange(120), label] += np.arange(7)[:, None] * 0.4
    outputs = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    costs = {"macs": 2.0 ** np.arange(7), "params": rng.integers(1, 9, 7).astype(float)}
    return Pool.of(outputs=outputs.astype(np.float32), label=label, costs=costs, name="seven")


def sweep_of(pool: Pool, *, max_members: int = 4, seed: int = 3, objectives=("macs",)):
    contenders = contenders_of(pool, max_members=max_members, confidence="max_probability")
    setup = Setup(
        pool=pool,
        evaluator=evaluator_for(pool, contenders, confidence="max_probability"),
        error=error_objective("top1", pool),
        costs=front_costs(objectives, pool)[: len(objectives)],
        max_members=max_members,
        seed=seed,
        contenders=contenders,
    )
    return ALGORITHMS["sweep"].make(setup)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_sweep_of_a_small_pool_ends_at_the_exact_front_or_next_to_it(pool, seed):
    exact = find_front(pool, algorithm="exact", max_members=4)
    found = find_front(pool, algorithm="sweep", max_members=4, seed=seed)
    assert found.search["ended"] == "finished"
    best, reached = exact.points, found.points
    as_good = (best[:, None] <= reached).all(axis=2)
    assert as_good.any(axis=0).all(), "nothing is better than what is proven to be best"
    missed = ~(reached[:, None] <= best).all(axis=2).any(axis=0)
    assert missed.mean() <= 0.02


def test_sweep_takes_no_sequence_twice(pool, monkeypatch):
    search = sweep_of(pool)
    swept: list[tuple[int, ...]] = []
    sweeper = type(search._directions[0].sweeper)
    original = sweeper.sweep
    monkeypatch.setattr(
        sweeper,
        "sweep",
        lambda self, rows, stair: (
            swept.extend(map(tuple, rows.tolist())) or original(self, rows, stair)
        ),
    )
    while not search.finished:
        search.step(10**6)
    assert len(set(swept)) == len(swept) == search.n_evaluations
    assert {len(set(row) - {-1}) for row in swept} == {1, 2, 3, 4}
    assert all(len(set(row) - {-1}) == sum(m >= 0 for m in row) for row in swept)


def test_sweep_of_two_costs_finds_the_ends_of_each(pool):
    alone = {
        cost: find_front(pool, algorithm="exact", max_members=3, objective=cost)
        for cost in ("macs", "params")
    }
    both = find_front(pool, algorithm="sweep", max_members=3, objective=("macs", "params"))
    assert evaluate_front(both, pool).cascades == both.cascades
    for cost, front in alone.items():
        points = np.array([(c.error, c.costs[cost]) for c in both.cascades])
        for point in front.points:
            assert (points <= point).all(axis=1).any()


def test_sweep_warm_start_goes_on_from_a_front_under_other_costs(pool):
    earlier = find_front(pool, algorithm="exact", max_members=4)
    models = tuple(
        replace(model, costs={**model.costs, "macs": model.costs["macs"] * factor})
        for model, factor in zip(pool.models, (1, 1.2, 0.9, 1, 1.1, 0.8, 1), strict=True)
    )
    changed = replace(pool, models=models, sha256="f" * 64)
    n_start = 7 + len({c.cascade.members for c in earlier.cascades if c.cascade.n_stages > 1})
    warm = find_front(changed, algorithm="sweep", evaluations=n_start, warm_start=earlier)
    cold = find_front(changed, algorithm="sweep", evaluations=n_start)
    assert (
        warm.search["hypervolume"]["history"][-1][2] > cold.search["hypervolume"]["history"][-1][2]
    )
    for point in evaluate_front(earlier, changed).points:
        assert (warm.points <= point).all(axis=1).any()


def test_first_sequences_are_the_single_models_and_each_longer_start_once():
    start = np.array([[2, 0, -1], [1, -1, -1], [2, 0, -1], [0, 1, 2]])
    found = first_sequences(3, 3, start)
    assert found.tolist() == [
        [0, -1, -1], [1, -1, -1], [2, -1, -1], [0, 1, 2], [2, 0, -1]
    ]  # fmt: skip


def test_sweep_on_one_thread_is_the_same_search(pool, monkeypatch):
    fronts = []
    for threads in (2, 1):
        monkeypatch.setattr("encas.evaluate.lanes.usable_processors", lambda n=threads: n)
        fronts.append(find_front(pool, algorithm="sweep", max_members=4, evaluations=150))
    assert fronts[0].cascades == fronts[1].cascades
    assert list(itertools.chain(fronts[0].objectives)) == ["error", "macs"]
