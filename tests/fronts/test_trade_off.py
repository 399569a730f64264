import pytest
from small_fronts import make_front

from encas.fronts.trade_off import TradeOff, neighbours


def test_neighbours_are_the_next_cheaper_and_the_next_better():
    front = make_front([(0.3, 1e6), (0.2, 2e6), (0.196, 5.1e6), (0.1, 9e6)])
    cheaper, better = neighbours(front, 1)
    assert (cheaper.index, better.index) == (0, 2)
    assert better.points == pytest.approx(0.4)
    assert str(better) == (
        "cascade 2: 0.4 points more accurate, costs 3.1 MMACs more (7.75 MMACs per point)"
    )
    assert str(cheaper) == (
        "cascade 0: 10 points less accurate, costs 1 MMACs less (100 kMACs per point)"
    )
    assert better.to_json()["cost_per_point"] == pytest.approx(7.75e6)


def test_neighbours_at_the_ends_are_none():
    front = make_front([(0.3, 1.0), (0.2, 2.0)], "latency")
    assert neighbours(front, 0)[0] is None
    assert neighbours(front, 1)[1] is None
    expected = "cascade 1: 10 points more accurate, costs 1 ms more (0.1 ms per point)"
    assert str(neighbours(front, 0)[1]) == expected


def test_neighbours_that_are_dominated_elsewhere_are_passed_over():
    # A front scored on another split: index 1 is dearer and worse, index 2 the real next step.
    front = make_front([(0.3, 1.0), (0.35, 2.0), (0.2, 3.0)])
    assert neighbours(front, 0)[1].index == 2
    assert neighbours(front, 2)[0].index == 0


def test_neighbours_of_the_same_cost_or_error_are_no_steps():
    front = make_front([(0.3, 1.0), (0.3, 2.0), (0.2, 2.0)])
    assert neighbours(front, 1) == (None, None)


def test_neighbour_that_is_cheaper_is_the_most_accurate_of_those_that_cost_less():
    front = make_front([(0.4, 1.0), (0.3, 2.0), (0.25, 5.0), (0.2, 5.0)])
    assert neighbours(front, 3)[0].index == 1


def test_neighbours_of_equals_are_the_better_of_them():
    front = make_front([(0.4, 1.0), (0.3, 2.0), (0.1, 5.0), (0.2, 5.0), (0.35, 1.0)])
    cheaper, better = neighbours(front, 1)
    assert (cheaper.index, better.index) == (4, 2)


def test_trade_off_as_json_is_its_numbers():
    step = TradeOff(index=3, points=2.0, cost=8e6, objective="macs")
    expected = {"index": 3, "points": 2.0, "cost": 8e6, "cost_per_point": 4e6}
    assert step.to_json() == expected
