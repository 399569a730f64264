"""What a report holds, from fronts, pools, bundles and a profile."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from encas.cascade import Cascade
from encas.entries import Expected
from encas.errors import ManifestError, PoolError
from encas.fronts.scoring import evaluate_front
from encas.reports.content import report_of


def test_report_of_a_front_alone_is_one_figure(front):
    report = report_of([front])
    assert (report.baseline, report.chosen, report.setting) == (None, (), None)
    (figure,) = report.figures
    assert [series.look for series in figure.chart.series] == ["first"]
    assert figure.chart.least_error == 0.5 / 8


def test_report_with_everything_marks_models_baseline_and_chosen(
    front, latency_front, tiny_pool, manifest, profile
):
    report = report_of(
        [front, latency_front], pools=[tiny_pool], bundles=[manifest], profile=profile
    )
    looks = [[series.look for series in figure.chart.series] for figure in report.figures]
    assert looks == [["members", "first", "baseline", "chosen"]] * 2
    assert report.baseline is not None
    assert report.baseline.cascade.members == ("dear",)
    assert report.figures[1].chart.cost_label == "predicted ms per batch of 4"
    (marked,) = report.figures[0].chart.series[-1].points
    assert (marked.cost, marked.error) == (11e6, 1 / 8)
    assert "cheap (0.5) → dear" in marked.text


def test_report_chooses_the_baseline_on_the_first_pool_and_marks_on_the_last(
    front, tiny_pool, manifest
):
    selection = replace(tiny_pool, name="selection", outputs=tiny_pool.outputs[::-1], sha256="s")
    evaluated = evaluate_front(front, tiny_pool)
    report = report_of([front, evaluated], pools=[selection, tiny_pool], bundles=[manifest])
    assert report.baseline is not None
    assert report.baseline.cascade.members == ("cheap",)
    names = [split.name for split in report.baseline.splits]
    assert names == ["selection", "tiny"]
    (members,) = [s for s in report.figures[0].chart.series if s.look == "members"]
    assert [point.error for point in members.points] == [3 / 8, 2 / 8, 0.0]


def test_report_without_a_profile_has_no_models_beside_a_latency_front(latency_front, tiny_pool):
    report = report_of([latency_front], pools=[tiny_pool])
    assert [series.look for series in report.figures[0].chart.series] == ["first"]


def test_report_tells_fronts_of_one_pool_apart(front):
    other = replace(front, search={"algorithm": "random", "seed": 2})
    chart = report_of([front, other]).figures[0].chart
    assert [series.name for series in chart.series] == [
        "front on tiny, mo-gomea, seed 1",
        "front on tiny, random, seed 2",
    ]


def test_report_of_pools_with_other_models_is_refused(front, tiny_pool):
    other = replace(tiny_pool, models=tiny_pool.models[::-1], name="other")
    with pytest.raises(PoolError, match="other: expected the models of tiny, got others"):
        report_of([front], pools=[tiny_pool, other])


def test_report_names_cascades_by_what_they_were_chosen_by(front, tiny_pool, manifest):
    expected = Expected(
        split="search", n_samples=8, accuracy=1.0, interval=(0.7, 1.0), cost=1.0,
        objective="latency", reach=(1.0, 0.5),
    )  # fmt: skip
    by_latency = replace(manifest, expected=(expected,))
    names = [one.name for one in report_of([front], bundles=[manifest, by_latency]).chosen]
    assert names == ["cascade c7", "cascade by latency"]
    twins = report_of([front], bundles=[by_latency, by_latency]).chosen
    assert [one.name for one in twins] == ["cascade c7"] * 2


def test_report_takes_the_times_of_the_best_single_model_from_its_bundle(
    front, tiny_pool, manifest, profile
):
    alone = Cascade(members=("dear",), thresholds=())
    single = SimpleNamespace(name="single", cascade=alone, latencies=manifest.latencies)
    given = {"pools": [tiny_pool], "bundles": [manifest], "profile": profile}
    report = report_of([front], single=single, **given)
    assert report.baseline is not None
    assert [one.mean_ms for one in report.baseline.latencies] == [0.8, 0.2]
    other = Cascade(members=("cheap",), thresholds=())
    with pytest.raises(ManifestError, match="expected the best single model dear, got cheap"):
        report_of([front], single=SimpleNamespace(name="s", cascade=other), **given)
