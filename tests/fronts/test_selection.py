import pytest

from encas.cascade import Cascade
from encas.errors import FrontError
from encas.fronts.front import Front
from encas.fronts.scored_cascade import PoolReference, ScoredCascade
from encas.fronts.selection import choose, cost_text, latencies


def scored(error: float, cost: float, **more) -> ScoredCascade:
    cascade = Cascade(members=(f"m{cost:g}",), thresholds=())
    return ScoredCascade(cascade=cascade, error=error, cost=cost, reach=(1.0,), **more)


CASCADES = (scored(0.5, 1), scored(0.2, 2), scored(0.15, 8), scored(0.1, 20))


@pytest.fixture
def front() -> Front:
    pool = PoolReference(name="p", sha256="0" * 64, n_samples=100, n_classes=3)
    return Front(pool=pool, objectives=("error", "macs"), cascades=CASCADES)


@pytest.mark.parametrize(
    ("limits", "index"),
    [
        ({"min_accuracy": 0.8}, 1),
        ({"min_accuracy": 0.9}, 3),
        ({"max_cost": 10}, 2),
        ({"min_accuracy": 0.8, "max_cost": 10}, 1),
        ({"knee": True}, 1),
        ({"knee": True, "min_accuracy": 0.84}, 2),
    ],
)
def test_choose_limits_give_the_expected_cascade(front, limits, index):
    assert front.index_of(**limits) == index


@pytest.mark.parametrize("ask", ["select", "index_of"])
def test_choose_without_a_constraint_is_refused_and_names_all(front, ask):
    match = r"min_accuracy=, max_cost= or max_latency_ms=, or knee=True"
    for one in (front, front.with_cascades(front.cascades[:1])):
        with pytest.raises(FrontError, match=match):
            getattr(one, ask)()


def test_choose_nothing_fits_names_the_nearest_miss(front):
    with pytest.raises(FrontError, match=r"nearest miss: cascade 3 with accuracy 0.9000"):
        front.index_of(min_accuracy=0.95)
    with pytest.raises(FrontError, match=r"cost <= 0.5 .*nearest miss: cascade 0"):
        front.index_of(max_cost=0.5)


def test_choose_latency_without_latencies_is_refused(front):
    with pytest.raises(FrontError, match="knows no latency; search with --objective latency"):
        front.index_of(max_latency_ms=3)


def test_choose_latency_beside_macs_is_used(front):
    cascades = [scored(0.5, 1, costs={"latency": 4.0}), scored(0.2, 2, costs={"latency": 1.0})]
    assert front.with_cascades(cascades).index_of(max_latency_ms=3) == 1


def test_choose_empty_front_is_refused(front):
    with pytest.raises(FrontError, match="no cascades"):
        front.with_cascades([]).index_of()


@pytest.mark.parametrize(
    ("cost", "objective", "text"),
    [
        (12.4e6, "macs", "12.4 MMACs"),
        (3.2, "latency", "3.2 ms"),
        (1500, "cost_joules", "1.5 kjoules"),
        (3e9, "macs", "3 GMACs"),
        (1e9, "macs", "1 GMACs"),
        (999, "params", "999 parameters"),
        (1000, "params", "1 kparameters"),
        (1500, "latency", "1500 ms"),
    ],
)
def test_cost_text_has_a_unit(cost, objective, text):
    assert cost_text(cost, objective) == text


@pytest.mark.parametrize(
    ("limits", "index"),
    [
        ({"max_cost": 8}, 2),
        ({"max_cost": 7.999}, 1),
        ({"min_accuracy": 0.9}, 3),
        ({"min_accuracy": 0.85}, 2),
        ({"min_accuracy": 0.8500001}, 3),
        ({"min_accuracy": 0.5, "knee": True}, 1),
    ],
)
def test_choose_takes_the_limit_itself(limits, index):
    assert choose(CASCADES, objective="macs", **limits) == index


def test_choose_forgives_the_rounding_of_an_accuracy():
    # 1 - 0.81 is a little less than the 0.19 that a user types.
    assert 1 - 0.81 < 0.19
    assert choose([scored(0.81, 1), scored(0.1, 2)], objective="macs", min_accuracy=0.19) == 0


@pytest.mark.parametrize(("max_latency_ms", "index"), [(4.0, 1), (3.999, 0), (0.5, 0)])
def test_choose_latency_limit_is_that_of_the_cost_itself(max_latency_ms, index):
    cascades = [scored(0.5, 0.5), scored(0.2, 4.0)]
    assert choose(cascades, objective="latency", max_latency_ms=max_latency_ms) == index


def test_choose_of_equals_takes_the_cheaper_and_the_more_accurate():
    cascades = [scored(0.2, 5), scored(0.2, 3), scored(0.1, 3), scored(0.1, 9)]
    assert choose(cascades, objective="macs", max_cost=4) == 2
    assert choose(cascades, objective="macs", max_cost=100) == 2
    assert choose(cascades, objective="macs", min_accuracy=0.7) == 2
    assert choose(cascades[:2], objective="macs", max_cost=100) == 1


def test_choose_knee_of_one_cascade_or_of_equals_is_the_first():
    assert choose(CASCADES[:1], objective="macs", knee=True) == 0
    assert choose([scored(0.2, 5)] * 2, objective="macs", knee=True) == 0


def test_choose_nothing_fits_names_every_limit():
    with pytest.raises(FrontError) as caught:
        choose(CASCADES, objective="macs", min_accuracy=0.85, max_cost=4)
    assert str(caught.value) == (
        "none of 4 cascades has accuracy >= 0.85 (the best has 0.9000) and cost <= 4 (the cheapest "
        "has 1); nearest miss: cascade 1 with accuracy 0.8000 at 2 MACs"
    )
    cascades = [scored(0.5, 2.0), scored(0.2, 4.0)]
    with pytest.raises(FrontError, match=r"latency <= 1 ms \(the fastest has 2 ms\); .*cascade 0"):
        choose(cascades, objective="latency", max_latency_ms=1)


def test_choose_nearest_miss_weighs_shares_of_the_limits():
    cascades = [scored(0.5, 100), scored(0.2, 110)]
    with pytest.raises(FrontError, match="nearest miss: cascade 1 with accuracy 0.8000"):
        choose(cascades, objective="macs", min_accuracy=0.9, max_cost=100)
    with pytest.raises(FrontError, match="nearest miss: cascade 0 with accuracy 0.5000"):
        choose(cascades, objective="macs", min_accuracy=0.9, max_cost=50)


def test_latencies_are_the_costs_or_stand_beside_them():
    beside = [scored(0.5, 1, costs={"latency": 4.0}), scored(0.2, 2, costs={"latency": 1.5})]
    assert latencies(beside, objective="macs").tolist() == [4.0, 1.5]
    assert latencies(beside, objective="latency").tolist() == [1.0, 2.0]
    with pytest.raises(FrontError, match="knows no latency"):
        latencies([beside[0], scored(0.2, 2)], objective="macs")
