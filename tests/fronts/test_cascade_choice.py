import numpy as np
import pytest
from small_fronts import make_front

from encas.cascade import Cascade
from encas.errors import FrontError
from encas.fronts.cascade_choice import Demand, make_choice
from encas.fronts.scored_cascade import ScoredCascade
from encas.fronts.scoring import evaluate_front
from encas.pools.pool import Pool
from encas.search.front_finding import find_front


@pytest.fixture
def held_out(rng) -> Pool:
    """The tiny pool's three models on other samples, the dearer the better."""
    label = rng.integers(3, size=600)
    logits = rng.normal(size=(3, 600, 3))
    logits[:, np.arange(600), label] += np.array([1.0, 2.0, 4.0])[:, None]
    return Pool.of(
        outputs=(np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)).astype(np.float32),
        label=label,
        names=["cheap", "middle", "dear"],
        costs={"macs": [1e6, 4e6, 2e7], "params": [1e3, 5e3, 3e4]},
        name="held out",
    )


def test_make_choice_says_everything(tiny_pool):
    front = find_front(tiny_pool, evaluations=300)
    choice = make_choice(front, min_accuracy=0.8)
    content = choice.to_json()
    assert content["accuracy"] >= 0.8
    assert content["n_samples"] == 8
    assert content["interval"][0] < content["accuracy"] < content["interval"][1]
    assert content["trade_offs"]["cheaper"]["cost"] < 0
    assert "certificate" not in content
    assert choice.front.cascades == (front.cascades[choice.index],)
    assert any("points less accurate, costs" in line for line in choice.lines())


def test_make_choice_other_metric_has_no_interval(tiny_pool):
    choice = make_choice(find_front(tiny_pool, evaluations=200, metric="balanced"), knee=True)
    assert choice.to_json()["interval"] is None
    with pytest.raises(FrontError, match="of top-1 accuracy; the front's error is balanced"):
        make_choice(choice.front, demand=Demand(pool=tiny_pool), knee=True)


def test_make_choice_certified_accuracy_keeps_the_cascade(tiny_pool, held_out):
    front = find_front(tiny_pool, evaluations=300)
    choice = make_choice(front, demand=Demand(pool=held_out, risk=0.01), max_cost=1e9)
    assert choice.scored == front.cascades[choice.index]
    certificate = choice.to_json()["certificate"]
    assert certificate["kind"] == "accuracy"
    assert 0 < certificate["accuracy_at_least"] < certificate["n_correct"] / 600
    assert choice.front.search["certificate"] == certificate


def test_make_choice_certified_drop_is_scored_on_the_held_out_split(tiny_pool, held_out):
    front = find_front(tiny_pool, evaluations=300)
    demand = Demand(pool=held_out, max_drop=0.3)
    choice = make_choice(front, demand=demand, min_accuracy=0.99)
    assert choice.front.pool.name == "held out"
    assert evaluate_front(choice.front, held_out).cascades == choice.front.cascades
    certificate = choice.to_json()["certificate"]
    assert certificate["reference_model"] == front.search["best_single_model"] == "dear"
    assert certificate["drop"] < 0.3
    assert any("at risk 0.05" in line for line in choice.lines())


def test_make_choice_split_that_was_searched_is_refused(tiny_pool, held_out):
    front = find_front(tiny_pool, evaluations=100)
    with pytest.raises(FrontError, match="no part in the search, .* give another split"):
        make_choice(front, demand=Demand(pool=tiny_pool), knee=True)
    elsewhere = evaluate_front(front, held_out)
    with pytest.raises(FrontError, match="this very pool, tiny"):
        make_choice(elsewhere, demand=Demand(pool=tiny_pool), knee=True)
    with pytest.raises(FrontError, match="this very pool, held out"):
        make_choice(elsewhere, demand=Demand(pool=held_out), knee=True)


def test_make_choice_without_a_known_best_model_asks_for_one(tiny_pool, held_out):
    front = make_front([(0.1, 1.0)])
    front = front.with_cascades(
        [
            ScoredCascade(
                cascade=Cascade(members=("dear",), thresholds=()), error=0.1, cost=1.0, reach=(1.0,)
            )
        ]
    )
    with pytest.raises(FrontError, match="name a reference with --reference-model"):
        make_choice(front, demand=Demand(pool=held_out, max_drop=0.1), knee=True)
