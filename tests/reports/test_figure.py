"""Which figures there are, and what is in them."""

from dataclasses import replace

import pytest

from encas.errors import FrontError
from encas.fronts.scoring import evaluate_front
from encas.reports.comparison import Contender
from encas.reports.figure import cascade_text, figures_of


def figures(fronts, pools=(), profile=None, *, baseline=None, chosen=()):
    return figures_of(fronts, pools, profile, baseline=baseline, chosen=chosen)


def looks(figure) -> list[str]:
    return [series.look for series in figure.chart.series]


@pytest.mark.parametrize(
    ("members", "thresholds", "text"),
    [
        (("a",), (), "a"),
        (("a", "b"), (0.5,), "a (0.5) → b"),
        (("a", "b", "c"), (0.98, 1.0), "a (0.98) → b (1) → c"),
    ],
)
def test_cascade_text_has_the_threshold_of_each_member_but_the_last(members, thresholds, text):
    assert cascade_text(members, thresholds) == text


def test_figure_of_a_front_says_what_it_shows(front):
    (figure,) = figures([front])
    assert figure.heading == "Accuracy against expected MACs per sample" == figure.chart.title
    assert figure.caption == "Each step is a cascade; up is more accurate, left is cheaper."
    assert (figure.chart.quality_label, figure.chart.least_error) == ("accuracy", 0.5 / 8)
    (series,) = figure.chart.series
    assert [(p.cost, p.error) for p in series.points] == [(1e6, 3 / 8), (11e6, 1 / 8)]
    assert series.points[1].text == (
        "cheap (0.5) → dear\naccuracy 87.5 %, 11 M expected MACs per sample\nrun by 100 %, 50 %"
    )


def test_figures_are_one_for_each_objective_batch_size_and_metric(front, latency_front):
    others = [
        replace(front, metric="balanced"),
        latency_front,
        replace(latency_front, batch_size=1),
        replace(front, search={"algorithm": "random", "seed": 2}),
    ]
    found = figures([front, *others])
    assert [looks(figure) for figure in found] == [["first", "second"], *[["first"]] * 3]
    assert [figure.chart.cost_label for figure in found[2:]] == [
        "predicted ms per batch of 4",
        "predicted ms per batch of 1",
    ]
    assert found[1].heading == "1 - balanced error against expected MACs per sample"


@pytest.mark.parametrize("n", [4, 5])
def test_figure_holds_four_fronts(front, n):
    if n == 4:
        assert looks(figures([front] * n)[0]) == ["first", "second", "third", "fourth"]
        return
    with pytest.raises(FrontError, match="at most 4 fronts of one objective, got 5"):
        figures([front] * n)


def test_figure_with_a_pool_has_its_models_and_marks(front, tiny_pool):
    single, chosen = (
        Contender(name=name, cascade=front.cascades[i].cascade, splits=())
        for i, name in enumerate(("single", "best"))
    )
    (figure,) = figures([front], [tiny_pool], baseline=single, chosen=[chosen, chosen])
    assert looks(figure) == ["members", "first", "baseline", "chosen", "chosen"]
    members, _, baseline, mark, _ = figure.chart.series
    assert [(p.cost, p.error) for p in members.points] == [(1e6, 3 / 8), (4e6, 2 / 8), (2e7, 0.0)]
    assert (baseline.name, mark.name) == ("single", "best")
    assert [(p.cost, p.error) for p in mark.points] == [(11e6, 1 / 8)]
    assert figure.caption.endswith(
        " Circles are the single models on tiny, marks are measured there, too."
    )


def test_figure_is_on_the_pool_of_the_last_front_or_on_the_last_pool(front, tiny_pool):
    other = tiny_pool.take([0, 1, 2], name="other")
    for pools, name in (([tiny_pool, other], "tiny"), ([other], "other")):
        (figure,) = figures([front], pools)
        assert f"single models on {name}," in figure.caption


def test_figure_of_fronts_on_two_pools_is_on_that_of_the_last(front, tiny_pool):
    other = tiny_pool.take([0, 1, 2], name="other")
    fronts = [front, evaluate_front(front, other)]
    for order, name in ((fronts, "other"), (fronts[::-1], "tiny")):
        (figure,) = figures(order, [other, tiny_pool])
        assert f"single models on {name}," in figure.caption


def test_figure_of_a_latency_has_models_where_they_were_measured(latency_front, tiny_pool, profile):
    assert looks(figures([latency_front], [tiny_pool])[0]) == ["first"]
    (figure,) = figures([latency_front], [tiny_pool], profile)
    assert looks(figure) == ["members", "first"]


def test_figure_of_several_fronts_is_as_fine_as_the_largest_pool(front):
    larger = replace(front, pool=replace(front.pool, name="larger", n_samples=50))
    (figure,) = figures([front, larger])
    assert figure.chart.least_error == 0.5 / 50
