import numpy as np
import pytest

from encas.cascade import Cascade
from encas.errors import SearchError
from encas.evaluate.dense import decide_on
from encas.evaluate.objectives import cost_objective
from encas.pools.pool import Pool
from encas.search.finder import search_pool
from encas.search.greedy import STREETER, GreedyBuilder, Rule, cascades_of_bits
from encas.search.options import SearchOptions

MEAN = Rule(confidence="max_probability", combine="mean")


@pytest.fixture(scope="module")
def pool() -> Pool:
    rng = np.random.default_rng(11)
    label = rng.integers(3, size=400)
    logits = rng.normal(size=(4, 400, 3))
    logits[:, np.arange(400), label] += np.array([0.8, 1.2, 1.6, 2.2])[:, None]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    costs = {"macs": [1.0, 4.0, 10.0, 40.0]}
    return Pool.of(outputs=probabilities.astype(np.float32), label=label, costs=costs)


def builder(pool: Pool, rule: Rule = STREETER, max_members: int = 4) -> GreedyBuilder:
    cost = cost_objective("macs", pool)
    return GreedyBuilder(pool, cost=cost, max_members=max_members, rule=rule)


def cascade_of(pool: Pool, stages, rule: Rule) -> Cascade:
    return Cascade(
        members=tuple(pool.names[stage.member] for stage in stages),
        thresholds=tuple(stage.threshold for stage in stages[:-1]),
        confidence=rule.confidence,
        combine=rule.combine,
    )


@pytest.mark.parametrize("share", [1.0, 0.97, 0.9])
@pytest.mark.parametrize("reference", [1, 3])
def test_build_keeps_the_constraint_and_saves_cost(pool, reference, share):
    stages = builder(pool).build(reference, share)
    alone = Cascade(members=(pool.names[reference],), thresholds=())
    right = decide_on(cascade_of(pool, stages, STREETER), pool).label == pool.label
    required = (decide_on(alone, pool).label == pool.label).sum() * share
    assert right.sum() >= required - 1e-6
    reached = [stage.n_reached for stage in stages]
    macs = pool.costs("macs")
    cost = sum(n * macs[stage.member] for n, stage in zip(reached, stages, strict=True))
    assert cost <= 400 * macs[reference]


@pytest.mark.parametrize("rule", [STREETER, MEAN])
def test_build_counts_are_those_of_the_definition(pool, rule):
    stages = builder(pool, rule).build(3, 0.95)
    assert len(stages) > 1
    decision = decide_on(cascade_of(pool, stages, rule), pool)
    for j, stage in enumerate(stages):
        leaves = decision.stage == j + 1
        assert stage.n_reached == (decision.stage > j).sum()
        assert stage.n_answered == leaves.sum()
        assert stage.n_correct == (leaves & (decision.label == pool.label)).sum()


def test_build_first_stage_is_the_best_of_all_thresholds_by_hand(tiny_pool):
    # The reference is right everywhere, so that a stage may make no mistake at all.
    stage = builder(tiny_pool).build(2, 1.0)[0]
    ratios = {}
    for member in range(3):
        outputs = np.sort(tiny_pool.probabilities(member), axis=1)
        gap = 1 - outputs[:, -2] / outputs[:, -1]
        right = tiny_pool.probabilities(member).argmax(axis=1) == tiny_pool.label
        answered = [
            (gap >= level).sum()
            for level in gap
            if right[gap >= level].sum() >= (gap >= level).sum()
        ]
        if answered:
            ratios[member] = max(answered) / tiny_pool.costs("macs")[member]
    assert stage.member == max(ratios, key=ratios.get)
    cost = tiny_pool.costs("macs")[stage.member]
    assert stage.n_answered / cost == pytest.approx(ratios[stage.member])


def test_build_last_slot_answers_all_that_remains(pool):
    stages = builder(pool, max_members=2).build(3, 0.98)
    assert len(stages) <= 2
    assert stages[-1].threshold is None
    assert not len(stages[-1].rest)


def test_cascades_of_bits_reads_thresholds_exactly():
    threshold = np.float32(0.1) / np.float32(3)
    genome = np.array([[3, 1, 0, int(threshold.view(np.int32)), 0]])
    (cascade,) = cascades_of_bits(genome, ["a", "b", "c"], STREETER)
    assert cascade.members == ("c", "a")
    assert np.float32(cascade.thresholds[0]) == threshold
    assert (cascade.confidence, cascade.combine) == ("logit_gap", "replace")


def test_greedy_search_covers_a_range_of_targets(pool):
    front = search_pool(pool, SearchOptions(algorithm="greedy")).front
    assert front.search["ended"] == "finished"
    assert len(front.cascades) > 5
    assert {scored.cascade.combine for scored in front.cascades} == {"replace"}


def test_greedy_mean_takes_the_confidence_asked_for(pool):
    options = SearchOptions(algorithm="greedy-mean", confidence="margin", evaluations=10)
    front = search_pool(pool, options).front
    assert {scored.cascade.confidence for scored in front.cascades} == {"margin"}


@pytest.mark.parametrize(
    ("more", "match"),
    [
        ({"metric": "balanced"}, "the metric must be top1"),
        ({"confidence": "margin"}, "greedy compares logit gaps, got --confidence margin"),
    ],
)
def test_greedy_what_it_cannot_do_is_refused(pool, more, match):
    with pytest.raises(SearchError, match=match):
        search_pool(pool, SearchOptions(algorithm="greedy", **more))
