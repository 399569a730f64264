import numpy as np
import pytest

from encas.search.clustering import NO_OBJECTIVE, clusters_of


@pytest.fixture
def arc(rng) -> np.ndarray:
    angles = np.sort(rng.random(200)) * np.pi / 2
    return np.stack([np.cos(angles), 1000 * np.sin(angles)], axis=1)


def test_clusters_are_equal_in_size_and_overlap(arc, rng):
    clusters = clusters_of(arc, 5, rng)
    assert clusters.members.shape == (5, 80)
    assert all(len(set(row)) == 80 for row in clusters.members.tolist())


def test_clusters_each_objective_has_its_best_cluster(arc, rng):
    clusters = clusters_of(arc, 5, rng)
    assert sorted(clusters.objective_of.tolist()) == [NO_OBJECTIVE] * 3 + [0, 1]
    for k in range(2):
        means = [arc[members, k].mean() for members in clusters.members]
        assert clusters.objective_of[np.argmin(means)] == k


def test_clusters_solutions_are_mixed_in_a_cluster_of_theirs(arc, rng):
    clusters = clusters_of(arc, 5, rng)
    owners = [set(np.flatnonzero((clusters.members == i).any(axis=1))) for i in range(200)]
    assert all(
        not own or cluster in own for own, cluster in zip(owners, clusters.cluster_of, strict=True)
    )
    in_two = [i for i, own in enumerate(owners) if len(own) > 1]
    redrawn = [clusters_of(arc, 5, np.random.default_rng(s)).cluster_of for s in range(8)]
    assert any(len({draw[i] for draw in redrawn}) > 1 for i in in_two)


def test_clusters_one_holds_everybody_and_is_not_extreme(arc, rng):
    clusters = clusters_of(arc, 1, rng)
    assert clusters.members.tolist() == [list(range(200))]
    assert clusters.objective_of.tolist() == [NO_OBJECTIVE]


def test_clusters_infeasible_solutions_stay_away_from_the_extremes(arc, rng):
    arc[:20] = np.inf
    clusters = clusters_of(arc, 4, rng)
    extreme = clusters.members[clusters.objective_of != NO_OBJECTIVE]
    assert not np.isin(extreme, range(20)).any()


@pytest.mark.parametrize("value", [np.inf, 3.0])
def test_clusters_all_the_same_are_still_full(value, rng):
    clusters = clusters_of(np.full((10, 3), value), 5, rng)
    assert clusters.members.shape == (5, 4)
    assert set(clusters.cluster_of) <= set(range(5))
