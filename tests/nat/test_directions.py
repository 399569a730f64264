import numpy as np
import pytest

pytest.importorskip("pymoo")

from encas.nat.directions import chosen_by_direction, riesz_directions


def test_choice_by_direction_keeps_both_ends_and_spreads():
    x = np.linspace(0, 1, 200)
    front = np.stack((x, (1 - x) ** 2), axis=1)
    worse = front + 0.3
    reference = riesz_directions(2, 20)
    points = np.concatenate((front, worse))
    chosen = chosen_by_direction(points, 20, reference=reference, rng=np.random.default_rng(0))
    assert len(chosen) == 20
    assert chosen.max() < 200
    assert chosen[0] == 0
    assert chosen[-1] == 199
    assert np.diff(chosen).max() < 50


@pytest.mark.parametrize("n", [5, 20])
def test_everyone_survives_where_there_are_not_more_than_are_wanted(n):
    points = np.random.default_rng(0).random((5, 2))
    reference = riesz_directions(2, 20)
    chosen = chosen_by_direction(points, n, reference=reference, rng=np.random.default_rng(0))
    assert chosen.tolist() == [0, 1, 2, 3, 4]


def test_one_too_many_leaves_the_dominated_one_out():
    points = np.array([[0.0, 1.0], [0.9, 0.9], [0.5, 0.5], [1.0, 0.0]])
    reference = riesz_directions(2, 20)
    chosen = chosen_by_direction(points, 3, reference=reference, rng=np.random.default_rng(0))
    assert chosen.tolist() == [0, 2, 3]


def test_riesz_directions_lie_evenly_on_the_simplex_and_cannot_be_changed():
    reference = riesz_directions(2, 20)
    np.testing.assert_allclose(reference.sum(axis=1), 1)
    gaps = np.diff(np.sort(reference[:, 0]))
    assert gaps.max() < 1.2 * gaps.min()
    assert riesz_directions(2, 20) is reference
    with pytest.raises(ValueError, match="read-only"):
        reference[0, 0] = 2
