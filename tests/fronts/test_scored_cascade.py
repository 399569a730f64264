import numpy as np
import pytest

from encas.cascade import Cascade
from encas.errors import FrontError, SearchError
from encas.fronts.scored_cascade import ScoredCascade, cascade_json, cascades_of_json, points_of

PLAIN = ScoredCascade(
    cascade=Cascade(members=("a", "b"), thresholds=(0.5,)), error=0.25, cost=3.0, reach=(1.0, 0.5)
)
OTHER = ScoredCascade(
    cascade=Cascade(members=("a", "b"), thresholds=(0.5,), confidence="margin", combine="replace"),
    error=0.1,
    cost=4.0,
    reach=(1.0, 0.25),
    costs={"params": 7.0},
)


def test_accuracy_is_what_is_not_wrong():
    assert PLAIN.accuracy == 0.75


def test_points_are_errors_and_costs():
    assert points_of([PLAIN, OTHER]).tolist() == [[0.25, 3.0], [0.1, 4.0]]
    assert points_of([]).shape == (0, 2)
    assert points_of([PLAIN]).dtype == np.float64


def test_json_of_a_plain_cascade_leaves_out_what_is_usual():
    assert cascade_json(PLAIN) == {
        "members": ["a", "b"],
        "thresholds": [0.5],
        "error": 0.25,
        "cost": 3.0,
        "reach": [1.0, 0.5],
    }


def test_json_of_another_rule_says_it():
    content = cascade_json(OTHER)
    assert (content["confidence"], content["combine"]) == ("margin", "replace")
    assert content["costs"] == {"params": 7.0}


def test_cascades_of_json_are_those_written():
    items = [cascade_json(PLAIN), cascade_json(OTHER)]
    assert cascades_of_json(items, where="f.json") == (PLAIN, OTHER)


def test_cascades_of_json_with_faults_are_all_named():
    good = cascade_json(PLAIN)
    items = [good, good | {"thresholds": [1.5], "members": ["a", "a"]}, good | {"reach": [1.0]}]
    with pytest.raises(FrontError) as caught:
        cascades_of_json(items, where="f.json")
    assert str(caught.value) == (
        "f.json: 3 faults: cascade 1: each member runs at most once, got a, a; "
        "cascade 1: stage 1: threshold must be in [0, 1], got 1.5; "
        "cascade 2: 2 members need as many reaches"
    )


def test_cascades_of_json_names_twenty_faults_at_most_as_the_error_asked_for():
    items = [cascade_json(PLAIN) | {"reach": []}] * 21
    with pytest.raises(SearchError, match="f.json: 20 faults: cascade 0: .*cascade 19: ") as caught:
        cascades_of_json(items, where="f.json", error=SearchError)
    assert "cascade 20" not in str(caught.value)
