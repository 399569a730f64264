import numpy as np
import pytest
from small_fronts import without_times
from tiny_problem import tiny_problem

from encas.errors import FrontError, PoolError, SearchError
from encas.fronts.indicators import non_dominated
from encas.fronts.scoring import evaluate_front
from encas.search.front_finding import find_front


def test_find_front_is_sorted_non_dominated_and_exact(tiny_pool):
    front = find_front(tiny_pool, evaluations=300, seed=1, algorithm="mo-gomea")
    assert (np.diff(front.points[:, 1]) > 0).all()
    assert non_dominated(front.points).all()
    assert evaluate_front(front, tiny_pool).cascades == front.cascades
    assert front.search["evaluations"] == 300
    assert front.pool.sha256 == tiny_pool.sha256


def test_find_front_same_seed_gives_the_same_front(tiny_pool):
    settings = {"evaluations": 200, "algorithm": "mo-gomea"}
    fronts = [find_front(tiny_pool, seed=s, **settings) for s in (3, 3, 4)]
    assert without_times(fronts[0]) == without_times(fronts[1])
    assert fronts[2].search["seed"] == 4


def test_find_front_tiny_pool_equals_every_cascade_there_is(tiny_pool):
    found = find_front(tiny_pool, evaluations=4000, max_members=2, algorithm="mo-gomea")
    grid = np.stack(np.meshgrid(range(4), range(4), range(51), indexing="ij"), -1).reshape(-1, 3)
    problem = tiny_problem(tiny_pool, max_members=2)
    points = problem.evaluate(grid)
    best = points[non_dominated(points)]
    best = best[np.isfinite(best[:, 0])]
    np.testing.assert_array_equal(found.points, best[np.argsort(best[:, 1])])


def test_find_front_more_members_than_models_is_cut(tiny_pool):
    front = find_front(tiny_pool, evaluations=100, max_members=9)
    assert max(c.cascade.n_stages for c in front.cascades) <= 3


@pytest.mark.parametrize("metric", ["balanced", "macro-f1"])
def test_find_front_other_metric_is_re_evaluated_exactly(tiny_pool, metric):
    front = find_front(tiny_pool, evaluations=200, metric=metric)
    assert front.metric == metric
    assert evaluate_front(front, tiny_pool).cascades == front.cascades


@pytest.mark.parametrize("confidence", ["margin", "entropy", "logit_gap"])
def test_find_front_other_confidence_is_in_the_cascades(tiny_pool, confidence):
    front = find_front(tiny_pool, evaluations=200, confidence=confidence)
    assert {c.cascade.confidence for c in front.cascades} == {confidence}
    assert evaluate_front(front, tiny_pool).cascades == front.cascades


def test_find_front_two_costs_are_both_objectives(tiny_pool):
    front = find_front(tiny_pool, evaluations=300, objective=("macs", "params"))
    assert front.objectives == ("error", "macs", "params")
    assert all({"macs", "params"} <= set(c.costs) for c in front.cascades)


def test_find_front_has_no_stage_that_nobody_reaches(tiny_pool):
    front = find_front(tiny_pool, evaluations=1000, seed=2)
    assert all(min(item.reach) > 0 for item in front.cascades)


@pytest.mark.torch
def test_find_front_on_a_torch_device_is_the_same_front(tiny_pool, monkeypatch):
    on_cpu = find_front(tiny_pool, evaluations=300, seed=1, algorithm="mo-gomea")
    monkeypatch.setattr("encas.evaluate.torch_batch.checked_device", lambda _: "cpu")
    there = find_front(tiny_pool, evaluations=300, seed=1, device="cuda:0")
    assert there.search["algorithm"] == "mo-gomea"
    assert there.cascades == on_cpu.cascades


def test_find_front_missing_device_is_refused(tiny_pool):
    with pytest.raises(SearchError, match="no such device here"):
        find_front(tiny_pool, evaluations=10, device="cuda:9")


def test_find_front_takes_paths_for_values(tiny_pool, tmp_path):
    tiny_pool.save(tmp_path / "pool")
    front = find_front(tiny_pool, evaluations=60, algorithm="mo-gomea")
    front.save(tmp_path / "front.json")
    settings = {"evaluations": 60, "algorithm": "mo-gomea", "seed": 2}
    by_value = find_front(tiny_pool, warm_start=front, **settings)
    by_path = find_front(str(tmp_path / "pool"), warm_start=tmp_path / "front.json", **settings)
    assert by_path.cascades == by_value.cascades


def test_find_front_of_what_is_no_pool_or_front_is_refused(tiny_pool):
    with pytest.raises(PoolError, match="expected a Pool or the path of one, got dict"):
        find_front({}, evaluations=10)
    with pytest.raises(FrontError, match="expected a Front or the path of one, got list"):
        find_front(tiny_pool, evaluations=10, warm_start=[])


def test_find_front_reference_is_that_of_the_history(tiny_pool):
    front = find_front(tiny_pool, evaluations=20, algorithm="random", reference=[0.9, 4e7])
    assert front.search["hypervolume"]["reference"] == [0.9, 4e7]
