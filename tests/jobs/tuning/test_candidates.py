from dataclasses import replace

import numpy as np
import pytest

from encas.cascade import Cascade
from encas.fronts.front import Front
from encas.fronts.front_answers import CascadeAnswer, FrontAnswers
from encas.fronts.scored_cascade import PoolReference, ScoredCascade
from encas.jobs.tuning.candidates import best_of, members_that_matter, merged, rival_of, spread
from encas.pools.pool import Pool


def scored(*members: str, error: float, cost: float) -> ScoredCascade:
    cascade = Cascade(members=members, thresholds=(0.5,) * (len(members) - 1))
    return ScoredCascade(cascade=cascade, error=error, cost=cost, reach=(1.0,) * len(members))


def front(*cascades: ScoredCascade) -> Front:
    reference = PoolReference(name="p", sha256="0" * 64, n_samples=8, n_classes=3)
    return Front(pool=reference, objectives=("error", "macs"), cascades=cascades)


def pool(accuracies: dict[str, float], macs: dict[str, float]) -> Pool:
    label = np.zeros(10, int)
    outputs = np.zeros((len(accuracies), 10, 2), np.float32)
    for i, accuracy in enumerate(accuracies.values()):
        outputs[i, :, 1] = 1
        outputs[i, : round(10 * accuracy)] = (1, 0)
    names = list(accuracies)
    return Pool.of(
        outputs=outputs, label=label, names=names, costs={"macs": [macs[n] for n in names]}
    )


def test_members_that_matter_leaves_out_what_is_worse_and_much_dearer():
    made = pool(
        {"small": 0.8, "same": 0.8, "dear": 0.8, "good": 0.9},
        {"small": 1.0, "same": 4.0, "dear": 4.1, "good": 100.0},
    )
    assert members_that_matter(made, front()) == ("small", "same", "good")
    assert members_that_matter(made, front(), slack=2.0) == ("small", "good")


def test_members_that_matter_keeps_every_member_of_the_front():
    made = pool({"small": 0.8, "dear": 0.5}, {"small": 1.0, "dear": 90.0})
    assert members_that_matter(made, front(scored("dear", error=0.5, cost=1))) == ("small", "dear")


@pytest.mark.parametrize(
    ("n_cascades", "n_wanted", "expected"),
    [(1, 3, [0]), (2, 3, [0, 1]), (5, 3, [0, 2, 4]), (100, 2, [0, 99]), (7, 1, [0])],
)
def test_spread_has_both_ends(n_cascades, n_wanted, expected):
    assert spread(n_cascades, n_wanted) == expected


def test_rival_is_the_cheapest_that_is_as_accurate():
    by_latency = front(
        scored("a", error=0.5, cost=1), scored("b", error=0.3, cost=2),
        scored("c", error=0.2, cost=5),
    )  # fmt: skip
    assert rival_of(by_latency, 0.3).cascade.members == ("b",)
    assert rival_of(by_latency, 0.25).cascade.members == ("c",)


def test_merged_front_is_not_dominated_and_sorted():
    found = front(scored("a", error=0.5, cost=1), scored("b", error=0.3, cost=4))
    further = [scored("c", error=0.4, cost=2), scored("d", error=0.3, cost=5)]
    kept = [one.cascade.members for one in merged(found, further).cascades]
    assert kept == [("a",), ("c",), ("b",)]


def test_best_of_counts_equal_points_once():
    made = best_of(front(), [scored("a", error=0.5, cost=1), scored("b", error=0.5, cost=1)])
    assert [one.cascade.members for one in made.cascades] == [("a",)]
    assert made.objectives == ("error", "latency")


def test_best_of_other_cascades_has_no_answers_of_those_before():
    first = scored("a", error=0.2, cost=1.0)
    given = front(first)
    answers = FrontAnswers(
        pool=given.pool,
        objective="macs",
        single=first,
        as_accurate=None,
        best=CascadeAnswer(index=0, scored=first),
    )
    assert best_of(replace(given, answers=answers), [first]).answers is None
