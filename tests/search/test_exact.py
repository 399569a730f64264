from itertools import permutations, product

import numpy as np
import pytest

from encas.errors import SearchError
from encas.evaluate.dense import DenseEvaluator
from encas.evaluate.objectives import TopOneError, cost_objective
from encas.fronts.indicators import non_dominated
from encas.fronts.scoring import evaluate_front
from encas.pools.pool import Pool
from encas.search.cascade_problem import CascadeProblem
from encas.search.exact import check_work, n_exact
from encas.search.front_finding import find_front


def random_pool(rng, *, n_models: int, n_samples: int, n_classes: int = 3) -> Pool:
    label = rng.integers(n_classes, size=n_samples)
    logits = rng.normal(size=(n_models, n_samples, n_classes)) * 2
    logits[:, np.arange(n_samples), label] += 1.5
    outputs = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    costs = {"macs": rng.integers(1, 20, n_models).astype(float)}
    return Pool.of(outputs=outputs.astype(np.float32), label=label, costs=costs, name="random")


def every_point(pool: Pool, max_members: int) -> np.ndarray:
    """Error and cost of every cascade that there is, by the dense evaluator."""
    sequences = [
        [*members, *([-1] * (max_members - n))]
        for n in range(1, max_members + 1)
        for members in permutations(range(pool.n_models), n)
    ]
    thresholds = np.array(list(product(range(51), repeat=max_members - 1)), np.int64)
    problem = CascadeProblem(
        DenseEvaluator(pool),
        TopOneError(),
        [cost_objective("macs", pool)],
        n_models=pool.n_models,
        max_members=max_members,
    )
    points = []
    for sequence in sequences:
        members = np.broadcast_to(np.array(sequence) + 1, (len(thresholds), max_members))
        points.append(problem.evaluate(np.concatenate((members, thresholds), axis=1)))
    found = np.concatenate(points)
    return found[non_dominated(found)]


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("n_models", "max_members"), [(4, 2), (3, 3)])
def test_exact_front_is_the_best_of_every_cascade_there_is(seed, n_models, max_members):
    pool = random_pool(np.random.default_rng(seed), n_models=n_models, n_samples=40)
    front = find_front(pool, algorithm="exact", max_members=max_members)
    expected = every_point(pool, max_members)
    np.testing.assert_array_equal(front.points, expected[np.argsort(expected[:, 1])])
    assert front.search["ended"] == "finished"
    assert front.search["evaluations"] == n_exact(n_models, max_members)


@pytest.mark.parametrize("confidence", ["margin", "logit_gap"])
def test_exact_other_confidence_is_no_worse_than_any_cascade_tried(rng, confidence):
    pool = random_pool(rng, n_models=4, n_samples=50)
    exact = find_front(pool, algorithm="exact", max_members=3, confidence=confidence)
    tried = find_front(
        pool, algorithm="random", max_members=3, confidence=confidence, evaluations=3000
    )
    assert evaluate_front(exact, pool).cascades == exact.cascades
    for point in tried.points:
        assert (exact.points <= point).all(axis=1).any()


def test_exact_of_one_model_is_that_model(rng):
    pool = random_pool(rng, n_models=1, n_samples=20)
    front = find_front(pool, algorithm="exact")
    assert [c.cascade.members for c in front.cascades] == [("model_0",)]


def test_exact_of_real_outputs_is_what_enumeration_found(cifar_pool):
    reference = (0.5, 200e6)
    front = find_front(cifar_pool, algorithm="exact", max_members=3, reference=reference)
    _, _, hypervolume = front.search["hypervolume"]["history"][-1]
    assert hypervolume == pytest.approx(0.70575, abs=5e-6)


def test_exact_that_takes_hours_is_refused_with_the_cost_and_what_fits():
    with pytest.raises(
        SearchError, match=r"518 models.*20683.*3.67e\+13 seq.*--max-members 2"
    ) as e:
        check_work(518, 5, n_samples=20_683)
    assert "hours on two cores" in str(e.value)
    check_work(518, 2, n_samples=20_683)
    check_work(16, 5, n_samples=3000)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"metric": "balanced"}, "exact: .*the metric must be top1; use --algorithm mo-gomea"),
        ({"confidence": "entropy"}, "exact: .*cannot use the confidence entropy"),
        ({"max_members": 6}, "exact: .*at most 5 members, got 6"),
        ({"objective": ("macs", "params")}, "exact fronts have one cost"),
    ],
)
def test_exact_of_what_cannot_be_swept_is_refused(rng, options, match):
    outputs = rng.dirichlet(np.ones(3), size=(6, 30)).astype(np.float32)
    costs = {"macs": np.arange(1.0, 7), "params": np.arange(1.0, 7)}
    pool = Pool.of(outputs=outputs, label=rng.integers(3, size=30), costs=costs)
    with pytest.raises(SearchError, match=match):
        find_front(pool, algorithm="exact", **options)
