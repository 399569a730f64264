from dataclasses import replace

import pytest

from encas.errors import SearchError
from encas.search.options import SearchOptions


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"algorithm": "magic"}, "algorithm must be one of .*mo-gomea.*got 'magic'"),
        ({"max_members": 0}, "max members must be in"),
        ({"batch_size": 0}, "batch size must be at least 1"),
        ({"seed": -1}, "seed must not be negative"),
        ({"objectives": ("macs", "macs")}, "objectives must be different"),
        ({"confidence": "luck"}, "confidence must be one of"),
    ],
)
def test_options_bad_value_is_refused(change, match):
    with pytest.raises(SearchError, match=match):
        SearchOptions(**change)


def test_options_negative_budget_is_refused():
    with pytest.raises(SearchError, match="evaluations must be positive, got -5"):
        _ = SearchOptions(evaluations=-5).budget


@pytest.mark.parametrize("change", [{"max_members": 1}, {"max_members": 16}, {"seed": 0}])
def test_options_at_the_limits_are_taken(change):
    assert replace(SearchOptions(), **change)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"max_members": 17}, r"max members must be in 1..16, got 17"),
        ({"objectives": ()}, "objectives must be different costs"),
        ({"reference": (1.0,)}, "reference must be an error and 1 costs above 0, got 1"),
        ({"reference": (1.0, 0.0)}, "reference must be an error and 1 costs above 0, got 1, 0"),
        ({"reference": (1.0, 2.0, 3.0)}, "reference must be .* got 1, 2, 3"),
        ({"algorithm": "exact", "mode": "ensemble"}, "exact has the mode cascade, got 'ensemble'"),
        ({"algorithm": "grid", "mode": "both"}, "grid has the mode cascade or ensemble, got"),
    ],
)
def test_options_just_past_the_limits_are_refused(change, match):
    with pytest.raises(SearchError, match=match):
        SearchOptions(**change)


def test_options_faults_come_all_at_once():
    with pytest.raises(SearchError, match="search: 3 faults: algorithm .*max members .*seed"):
        SearchOptions(algorithm="magic", max_members=0, seed=-1)


@pytest.mark.parametrize("limit", ["evaluations", "seconds", "stagnation"])
def test_options_with_any_limit_are_not_open(limit):
    assert SearchOptions().is_open
    assert not SearchOptions(**{limit: 5}).is_open


@pytest.mark.parametrize(
    ("options", "evaluations"),
    [
        (SearchOptions(algorithm="random"), 100_000),
        (SearchOptions(algorithm="exact"), None),
        (SearchOptions(), None),
        (SearchOptions(algorithm="random", evaluations=7), 7),
        (SearchOptions(algorithm="random", seconds=1.0), None),
        (SearchOptions(algorithm="random", stagnation=9), None),
    ],
)
def test_budget_without_a_limit_is_the_algorithms_own(options, evaluations):
    assert options.budget.evaluations == evaluations
    assert (options.budget.seconds, options.budget.stagnation) == (
        options.seconds,
        options.stagnation,
    )


def test_settings_are_what_the_front_says():
    options = SearchOptions(
        algorithm="random", evaluations=7, seed=3, objectives=("params", "macs"), max_members=2
    )
    assert options.settings == {
        "algorithm": "random",
        "seed": 3,
        "max_members": 2,
        "mode": "cascade",
        "objective": "params",
        "confidence": "max_probability",
        "budget": {"evaluations": 7, "seconds": None, "stagnation": None, "settles": False},
    }
