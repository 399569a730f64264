"""Choosing on the selection split."""

import pytest

from encas.cascade import Cascade
from encas.demo.demo_choice import choose_on_selection
from encas.errors import FrontError
from encas.evaluate.objectives import TopOneError, front_costs
from encas.fronts.front import Front
from encas.fronts.scoring import pool_reference, score
from encas.latency import LatencyProfile, Setting, Timing
from encas.pools.pool import Pool

SETTING = Setting(device="cpu", device_name="", provider="p", n_threads=1, versions={})


def _front(pool: Pool, *cascades: Cascade, profile: LatencyProfile | None = None) -> Front:
    objective = "latency" if profile else "macs"
    costs = front_costs(("error", objective), pool, profile=profile)
    return Front(
        pool=pool_reference(pool),
        objectives=("error", objective),
        cascades=score(cascades, pool, TopOneError(), costs),
    )


def _cascade(*members: str, threshold: float = 0.6) -> Cascade:
    return Cascade(members=members, thresholds=(threshold,) * (len(members) - 1))


CHEAP, DEAR = _cascade("cheap"), _cascade("dear")


def test_choice_is_the_cheapest_that_is_as_accurate_as_the_best_model(tiny_pool):
    # Above 0.6 the cheap model is right, and below it the mean with the dear one is.
    front = _front(tiny_pool, CHEAP, _cascade("cheap", "dear"), DEAR)
    assert front.cascades[1].accuracy == 1.0
    choice = choose_on_selection(front, tiny_pool)
    assert (choice.index, choice.is_as_accurate) == (1, True)
    assert "the cheapest cascade that is as accurate" in choice.note("macs")


def test_choice_without_one_as_accurate_is_the_most_accurate_of_the_cheaper(tiny_pool):
    front = _front(tiny_pool, CHEAP, _cascade("middle", "cheap"), _cascade("middle"))
    accuracies = [scored.accuracy for scored in front.cascades]
    choice = choose_on_selection(front, tiny_pool)
    assert accuracies[choice.index] == max(accuracies) < 1
    assert not choice.is_as_accurate
    assert "no cheaper cascade is as accurate" in choice.note("macs")


def test_choice_never_costs_more_than_the_best_model(tiny_pool):
    # The ensemble of all is as accurate as the dear model alone, and dearer.
    front = _front(tiny_pool, CHEAP, _cascade("middle", "dear", threshold=1.0))
    assert front.cascades[1].accuracy == 1.0
    choice = choose_on_selection(front, tiny_pool)
    assert (choice.index, choice.is_as_accurate) == (0, False)


def test_choice_where_everything_costs_more_is_refused(tiny_pool):
    front = _front(tiny_pool, _cascade("middle", "dear", threshold=1.0))
    with pytest.raises(FrontError, match=r"none of 1 cascades has cost <= 2e\+07"):
        choose_on_selection(front, tiny_pool)


def test_choice_from_a_latency_front_compares_latencies(tiny_pool):
    times = {"cheap": 1.0, "middle": 1.0, "dear": 0.5}
    timings = tuple(Timing.of(name, 1, [ms]) for name, ms in times.items())
    profile = LatencyProfile(setting=SETTING, timings=timings)
    front = _front(tiny_pool, CHEAP, _cascade("cheap", "dear"), DEAR, profile=profile)
    choice = choose_on_selection(front, tiny_pool, profile=profile)
    assert (choice.index, choice.is_as_accurate) == (2, True)
