import json
from dataclasses import replace

import pytest

from encas.errors import SearchError
from encas.fronts.front import Front
from encas.jobs import run_contest as compare
from encas.jobs.run_contest import ContestPlan, run_plan, seeds_of
from encas.search.finder import Finding
from encas.search.front_finding import find_front
from encas.search.options import SearchOptions


def make_plan(**more) -> ContestPlan:
    options = SearchOptions(evaluations=60, max_members=2, reference=(1.0, 4e7))
    settings = {"algorithms": ("random", "single"), "seeds": (3, 4), "options": options}
    return ContestPlan(**(settings | more))


@pytest.fixture
def other_split(tiny_pool):
    return tiny_pool.take([0, 1, 5, 6], name="other")


@pytest.mark.parametrize(
    ("text", "seeds"), [("1..3", (1, 2, 3)), ("7", (7,)), ("1,2,5..6", (1, 2, 5, 6))]
)
def test_seeds_of_numbers_and_ranges(text, seeds):
    assert seeds_of(text) == seeds


@pytest.mark.parametrize("text", ["", "a", "1...3", "1.5", "1,"])
def test_seeds_of_anything_else_is_refused(text):
    with pytest.raises(SearchError, match="seeds are numbers and ranges"):
        seeds_of(text)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"algorithms": ("random", "nope")}, "algorithm must be one of .*, got 'nope'"),
        ({"algorithms": ()}, "algorithms must be different ones, at least one"),
        ({"seeds": (1, 1)}, "seeds must be different ones"),
        ({"seeds": (-1,)}, "seed must not be negative"),
        ({"options": SearchOptions(objectives=("macs", "params"))}, "of two objectives"),
        ({"options": SearchOptions(mode="ensemble")}, "single has the mode cascade"),
    ],
)
def test_plan_that_cannot_run_is_refused_at_once(change, match):
    with pytest.raises(SearchError, match=match):
        make_plan(**change)


def test_plan_algorithm_without_chance_runs_once():
    runs = [(options.algorithm, options.seed) for options in make_plan().runs()]
    assert runs == [("random", 3), ("single", 3), ("random", 4)]


def test_run_plan_stores_each_run_as_the_front_of_a_search(tiny_pool, other_split, tmp_path):
    heard = []
    runs = run_plan(
        tiny_pool, make_plan(), folder=tmp_path, test=other_split, on_progress=heard.append
    )
    runs_done = [each.done for each in heard if each.what == "runs on tiny"]
    assert runs_done == [0, 1, 2, 3]
    searches = {each.what for each in heard} - {"runs on tiny"}
    assert all(" on tiny by macs" in what for what in searches)
    assert [(run.algorithm, run.seed) for run in runs] == [
        ("random", 3),
        ("single", 3),
        ("random", 4),
    ]
    front = find_front(
        tiny_pool, evaluations=60, max_members=2, algorithm="random", seed=4, reference=(1.0, 4e7)
    )
    stored = Front.load(tmp_path / "runs" / "random-seed4.json")
    assert stored.cascades == runs[2].front.cascades == front.cascades
    assert [c.cascade for c in runs[2].tested.cascades] == [c.cascade for c in front.cascades]
    assert runs[2].tested.pool.name == "other"
    assert not list(tmp_path.glob("runs/*.npz"))


def test_run_plan_goes_on_with_what_is_missing(tiny_pool, other_split, tmp_path, monkeypatch):
    run_plan(tiny_pool, make_plan(seeds=(3,)), folder=tmp_path, test=other_split)
    searched = []

    def search_pool(pool, options, **more):
        searched.append((options.algorithm, options.seed))
        return original(pool, options, **more)

    original = compare.search_pool
    monkeypatch.setattr(compare, "search_pool", search_pool)
    runs = run_plan(tiny_pool, make_plan(), folder=tmp_path, test=other_split)
    assert searched == [("random", 4)]
    assert len(runs) == 3


def test_run_plan_interrupted_search_is_not_taken_for_a_run(tiny_pool, tmp_path, monkeypatch):
    whole = run_plan(tiny_pool, make_plan(seeds=(3,)), folder=tmp_path / "whole")

    def interrupted(pool, options, **more):
        found = original(pool, replace(options, evaluations=20), **more)
        return Finding(front=found.front, interrupted=True)

    original = compare.search_pool
    monkeypatch.setattr(compare, "search_pool", interrupted)
    with pytest.raises(KeyboardInterrupt, match="holds what is done"):
        run_plan(tiny_pool, make_plan(seeds=(3,)), folder=tmp_path / "cut")
    assert not list((tmp_path / "cut" / "runs").glob("*.json"))
    monkeypatch.setattr(compare, "search_pool", original)
    again = run_plan(tiny_pool, make_plan(seeds=(3,)), folder=tmp_path / "cut")
    assert again[0].front.cascades == whole[0].front.cascades


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"evaluations": 61}, "budget: expected .*61"),
        ({"max_members": 3}, "max_members: expected 3, got 2"),
        ({"reference": (1.0, 1e7)}, r"reference: expected \[1.0, 10000000.0\]"),
        ({"metric": "balanced"}, "metric: expected balanced, got top1"),
    ],
)
def test_run_plan_run_of_another_comparison_is_refused(tiny_pool, tmp_path, change, match):
    run_plan(tiny_pool, make_plan(), folder=tmp_path)
    options = replace(make_plan().options, **change)
    with pytest.raises(SearchError, match=match) as caught:
        run_plan(tiny_pool, make_plan(options=options), folder=tmp_path)
    assert "give another --out, or delete the file" in str(caught.value)


def test_run_plan_run_on_another_pool_is_refused(tiny_pool, other_split, tmp_path):
    run_plan(tiny_pool, make_plan(), folder=tmp_path)
    with pytest.raises(SearchError, match="pool: expected"):
        run_plan(other_split, make_plan(), folder=tmp_path)


def test_run_plan_test_front_of_another_split_is_made_anew(tiny_pool, other_split, tmp_path):
    run_plan(tiny_pool, make_plan(), folder=tmp_path, test=other_split)
    third = tiny_pool.take([2, 3], name="third")
    runs = run_plan(tiny_pool, make_plan(), folder=tmp_path, test=third)
    assert {run.tested.pool.name for run in runs} == {"third"}
    stored = json.loads((tmp_path / "runs" / "single-seed3.test.json").read_text())
    assert stored["pool"]["name"] == "third"
