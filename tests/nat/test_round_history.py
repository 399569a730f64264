import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("pymoo")

from encas.nat.nat_runs import NatRound
from encas.nat.round_history import (
    front_places,
    history_array,
    history_of,
    relative_hypervolume,
    round_text,
)

FIRST = NatRound(
    round=0, n_subnets=8, loss=None, tau=None, rmse=None, n_new=8, hypervolume=0.5, best_error=0.25
)
SECOND = NatRound(
    round=1, n_subnets=8, loss=0.6, tau=0.75, rmse=0.125, n_new=3, hypervolume=0.625, best_error=0.2
)


def test_history_comes_back_from_numbers():
    assert history_of(history_array([FIRST, SECOND])) == [FIRST, SECOND]
    assert history_of(history_array([])) == []


def test_round_is_told_with_what_is_known_of_it():
    text = "round 0: 8 subnets, 8 new, best error 0.2500, hypervolume of error and ms 0.5000"
    assert round_text(FIRST, noun="subnets", cost_unit="ms") == text
    told = round_text(SECOND, noun="cascades", cost_unit="MACs")
    assert told.endswith("and MACs 0.6250, surrogate tau 0.75, rmse 0.1250")


def test_front_places_are_ordered_by_cost():
    points = np.array([[0.1, 9.0], [0.5, 1.0], [0.5, 2.0], [0.3, 3.0]])
    assert front_places(points).tolist() == [1, 3, 0]


def test_hypervolume_is_relative_to_the_largest_cost():
    assert relative_hypervolume(np.array([[0.5, 50.0]]), 100.0) == pytest.approx(0.25)
