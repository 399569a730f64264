import json
from dataclasses import replace

import numpy as np
import pytest

from encas.cascade import Cascade
from encas.errors import FrontError
from encas.evaluate.dense import decide_on
from encas.evaluate.pool_compression import compress_pool
from encas.fronts.front import Front
from encas.fronts.front_answers import CascadeAnswer, Difference, FrontAnswers, answering_places
from encas.fronts.scored_cascade import PoolReference, ScoredCascade
from encas.fronts.scoring import evaluate_front
from encas.pools.pool import Pool
from encas.search.front_finding import find_front

POOL = PoolReference(name="val", sha256="0" * 64, n_samples=1000, n_classes=3)


def scored(error, cost, *members) -> ScoredCascade:
    cascade = Cascade(members=members or ("a",), thresholds=(0.5,) * (len(members) - 1))
    return ScoredCascade(cascade=cascade, error=error, cost=cost, reach=(1.0,) * cascade.n_stages)


SINGLE = scored(0.2, 1e8, "dear")
CHEAP = CascadeAnswer(
    index=3,
    scored=scored(0.2, 3.36e7, "a", "b"),
    difference=Difference(n_lost=20, n_gained=20, n_samples=1000),
)
BEST = CascadeAnswer(
    index=7,
    scored=scored(0.168, 1.664e8, "b", "c"),
    difference=Difference(n_lost=10, n_gained=42, n_samples=1000),
)


def answers(**values) -> FrontAnswers:
    known = {"pool": POOL, "objective": "macs", "single": SINGLE, "as_accurate": CHEAP}
    return FrontAnswers(**known | {"best": BEST} | values)


def test_answers_are_three_lines_that_say_what_costs_more_and_what_less():
    assert answers().lines() == [
        "best single model: dear, accuracy 0.8000 (0.7741 .. 0.8236, n = 1000 of val) at 100 MMACs",
        "cheapest as accurate: cascade 3, a (0.5) > b, accuracy 0.8000 at 33.6 MMACs, costs 66.4 "
        "MMACs less (0.34 times the cost); just as accurate (paired 95 % interval -1.29 .. +1.29 "
        "points)",
        "most accurate: cascade 7, b (0.5) > c, accuracy 0.8320 at 166.4 MMACs, costs 66.4 MMACs "
        "more (1.66 times the cost); 3.2 points more accurate (paired 95 % interval +1.86 .. +4.73 "
        "points)",
    ]


def test_answer_that_is_the_single_model_says_so():
    same = CascadeAnswer(index=2, scored=SINGLE)
    _, cheapest, best = answers(as_accurate=same, best=same).lines()
    assert cheapest == "cheapest as accurate: that model itself (cascade 2)"
    assert best == "most accurate: that model itself (cascade 2)"


def test_answers_without_a_cascade_as_accurate_say_so():
    line = answers(as_accurate=None).lines()[1]
    assert line == (
        "cheapest as accurate: none of the front's cascades is as accurate on these samples"
    )


def test_answers_of_another_metric_have_no_intervals():
    first, _, best = answers(best=replace(BEST, difference=None)).lines()
    assert first == ("best single model: dear, accuracy 0.8000 (n = 1000 of val) at 100 MMACs")
    assert best.endswith("(1.66 times the cost)")


def test_answer_of_the_same_cost_or_of_a_free_model_has_no_ratio():
    same = replace(BEST, scored=scored(0.1, 1e8, "b", "c"), difference=None)
    assert answers(best=same).lines()[2].endswith("at 100 MMACs, at the same cost")
    free = answers(single=scored(0.2, 0.0, "dear"), best=replace(BEST, difference=None))
    assert free.lines()[2].endswith("costs 166.4 MMACs more")


def test_difference_that_is_a_loss_is_called_less_accurate():
    text = str(Difference(n_lost=5, n_gained=1, n_samples=200))
    assert text.startswith("2 points less accurate (paired 95 % interval -5")


@pytest.mark.parametrize(
    ("points", "places"),
    [
        ([(0.4, 1.0), (0.2, 2.0), (0.1, 3.0)], (1, 2)),
        ([(0.4, 1.0), (0.3, 2.0)], (None, 1)),
        ([(0.15, 5.0), (0.2, 2.0), (0.1, 9.0), (0.1, 8.0)], (1, 3)),
        ([(0.2, 2.0), (0.1, 2.0)], (1, 1)),
    ],
)
def test_places_are_the_cheapest_as_accurate_and_the_most_accurate(points, places):
    assert answering_places([scored(*point) for point in points], SINGLE) == places


def by_hand(pool, front) -> tuple[int, int]:
    """Lost and gained samples of the most accurate cascade against the best single model."""
    right = [
        decide_on(cascade, pool).label == pool.label
        for cascade in (
            Cascade(members=(front.search["best_single_model"],), thresholds=()),
            front.answers.best.scored.cascade,
        )
    ]
    return int((right[0] & ~right[1]).sum()), int((~right[0] & right[1]).sum())


@pytest.fixture
def pool(rng) -> Pool:
    label = rng.integers(3, size=400)
    logits = rng.normal(size=(4, 400, 3))
    logits[:, np.arange(400), label] += np.array([0.5, 1.0, 1.5, 2.0])[:, None]
    return Pool.of(
        outputs=(np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)).astype(np.float32),
        label=label,
        names=["m1", "m2", "m3", "m4"],
        costs={"macs": [1e6, 4e6, 9e6, 2e7]},
        name="all",
    )


def test_search_answers_with_the_models_of_its_pool(pool):
    front = find_front(pool, evaluations=500)
    found = front.answers
    assert found.single.cascade.members == (front.search["best_single_model"],)
    assert found.best.scored.error == min(scored.error for scored in front)
    assert found.as_accurate.scored.error <= found.single.error
    assert found.as_accurate.scored.cost <= found.single.cost
    assert found.as_accurate.scored == front[found.as_accurate.index]
    difference = found.best.difference
    assert (difference.n_lost, difference.n_gained) == by_hand(pool, front)
    low, high = difference.interval
    assert low < found.single.error - found.best.scored.error < high


def test_front_that_is_evaluated_elsewhere_answers_for_the_samples_there(pool):
    front = find_front(pool.take(np.arange(200), name="search"), evaluations=500)
    elsewhere = evaluate_front(front, pool.take(np.arange(200, 400), name="test"))
    found = elsewhere.answers
    assert found.pool.name == "test"
    assert found.single.cascade == front.answers.single.cascade
    difference = found.best.difference
    rest = pool.take(np.arange(200, 400), name="test")
    assert (difference.n_lost, difference.n_gained) == by_hand(rest, elsewhere)


def test_compressed_pool_answers_the_same(pool, tmp_path):
    compress_pool(pool.save(tmp_path / "pool"), out=tmp_path / "small")
    small_pool = Pool.load(tmp_path / "small")
    assert small_pool.is_compressed
    whole, small = (find_front(p, evaluations=300, seed=3) for p in (pool, small_pool))
    assert small.answers.to_json() == whole.answers.to_json()


def test_other_metric_answers_without_pairs(pool):
    found = find_front(pool, evaluations=200, metric="balanced").answers
    assert found.best.difference is None


@pytest.mark.parametrize("search", [{}, {"best_single_model": "gone"}])
def test_front_that_does_not_know_the_best_single_model_has_no_answers(pool, search):
    front = replace(find_front(pool, evaluations=100), search=search)
    assert evaluate_front(front, pool).answers is None


def test_other_cascades_have_no_answers(pool):
    front = find_front(pool, evaluations=100)
    assert front.with_cascades(front.cascades[:1]).answers is None


def test_answers_come_back_from_the_file(pool, tmp_path):
    front = find_front(pool, evaluations=300)
    front.save(tmp_path / "front.json")
    assert Front.load(tmp_path / "front.json").answers == front.answers
    nowhere = replace(front, answers=replace(front.answers, as_accurate=None))
    nowhere.save(tmp_path / "front.json")
    assert Front.load(tmp_path / "front.json").answers == nowhere.answers


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"index": 10_000}, "the answers name cascade 10000 of"),
        ({"difference": {"n_lost": 300, "n_gained": 101}}, "differ on 401 of 400 samples"),
        ({"difference": {"n_lost": -1, "n_gained": 0}}, "n_lost must be at least 0"),
        ({"index": "a"}, "index must be integer"),
    ],
)
def test_answers_that_make_no_sense_are_refused(pool, tmp_path, change, fault):
    file = tmp_path / "front.json"
    find_front(pool, evaluations=300).save(file)
    content = json.loads(file.read_text())
    content["answers"]["most_accurate"] |= change
    file.write_text(json.dumps(content))
    with pytest.raises(FrontError, match=fault):
        Front.load(file)
