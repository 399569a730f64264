import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encas.search.archive import ElitistArchive
from encas.search.archive_store import ADDED, DOMINATED, KNOWN


@st.composite
def offers(draw):
    n_objectives = draw(st.integers(2, 4))
    values = st.sampled_from([0.0, 0.25, 1.0, 1.5, 2.0, 3.0, np.inf])
    rows = st.lists(values, min_size=n_objectives, max_size=n_objectives)
    return np.array(draw(st.lists(rows, min_size=1, max_size=40)))


def verdict_by_definition(members: list[np.ndarray], x: np.ndarray) -> int:
    if np.isinf(x).any():
        return DOMINATED
    if any((m <= x).all() and (m < x).any() for m in members):
        return DOMINATED
    return KNOWN if any((m == x).all() for m in members) else ADDED


def front(rng: np.random.Generator, n: int, n_objectives: int) -> np.ndarray:
    points = np.abs(rng.normal(size=(n, n_objectives)))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def dominated_pairs(points: np.ndarray) -> int:
    no_worse = (points[:, None] <= points).all(axis=2)
    return int((no_worse & (points[:, None] < points).any(axis=2)).sum())


@given(offers(), st.integers(1, 7))
@settings(max_examples=300, deadline=None)
def test_add_any_batches_equals_brute_force(objectives, batch):
    archive = ElitistArchive(1, objectives.shape[1])
    members: dict[int, np.ndarray] = {}
    for start in range(0, len(objectives), batch):
        rows = np.arange(start, min(start + batch, len(objectives)))
        verdicts = archive.add(rows[:, None], objectives[rows])
        for row, verdict in zip(rows, verdicts, strict=True):
            x = objectives[row]
            assert verdict == verdict_by_definition(list(members.values()), x)
            if verdict == ADDED:
                members = {r: m for r, m in members.items() if not (x <= m).all()}
                members[int(row)] = x
    assert sorted(archive.genomes[:, 0]) == sorted(members)
    np.testing.assert_array_equal(objectives[archive.genomes[:, 0]], archive.objectives)
    assert (np.diff(archive.objectives[:, 0]) >= 0).all()


def test_add_equal_objectives_keeps_the_first_genome():
    archive = ElitistArchive(2, 2)
    verdicts = archive.add(np.array([[0, 1], [1, 0]]), np.array([[1.0, 2.0], [1.0, 2.0]]))
    assert verdicts.tolist() == [ADDED, KNOWN]
    assert archive.genomes.tolist() == [[0, 1]]


def test_verdicts_are_three():
    assert len({DOMINATED, KNOWN, ADDED}) == 3


def test_best_names_a_member_for_each_objective_however_many_there_are():
    archive = ElitistArchive(1, 2)
    archive.add(np.arange(4)[:, None], np.array([[2.0, 3], [4, 1], [1, 4], [3, 2]]))
    assert archive.genomes_at(archive.best())[:, 0].tolist() == [2, 1]


def test_best_names_the_first_best_member_of_each_objective():
    archive = ElitistArchive(1, 3)
    archive.add(np.array([[0], [1], [2]]), np.array([[3.0, 1, 2], [1, 2, 3], [2, 3, 1]]))
    assert archive.genomes_at(archive.best())[:, 0].tolist() == [1, 0, 2]
    assert archive.objectives_at(archive.best()).min(axis=1).tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("n_objectives", [2, 3])
def test_add_more_than_the_target_thins_to_one_for_each_box(rng, n_objectives):
    archive = ElitistArchive(1, n_objectives, target=100)
    points = front(rng, 5000, n_objectives)
    sizes = []
    for start in range(0, len(points), 10):
        archive.add(np.arange(start, start + 10)[:, None], points[start : start + 10])
        sizes.append(len(archive))
    assert max(sizes) <= 125
    assert min(sizes[20:]) >= 75
    assert dominated_pairs(archive.objectives) == 0
    np.testing.assert_array_equal(points[archive.genomes[:, 0]], archive.objectives)
    origin, width = archive.state()["grid"]
    boxes = np.floor((archive.objectives - origin) / width)
    assert len(np.unique(boxes, axis=0)) == len(archive)
    assert archive.state()["has_grid"] == 1


def line(n: int) -> np.ndarray:
    """n points that do not dominate each other, unevenly far apart."""
    x = np.arange(n) ** 1.5
    return np.stack((x, (n - 1) ** 1.5 - x), axis=1)


def n_taken(points: np.ndarray, n_boxes: int) -> int:
    """How many boxes hold a point when n_boxes lie along each objective."""
    origin = points.min(axis=0)
    width = (points.max(axis=0) - origin) / n_boxes
    return len(np.unique(np.floor((points - origin) / width), axis=0))


def test_add_of_a_quarter_more_than_the_target_lays_no_grid_yet():
    archive = ElitistArchive(1, 2, target=100)
    archive.add(np.arange(125)[:, None], line(125))
    assert len(archive) == 125
    assert archive.state()["has_grid"] == 0


def test_add_of_one_more_lays_the_coarsest_grid_that_keeps_three_quarters():
    archive = ElitistArchive(1, 2, target=100)
    archive.add(np.arange(126)[:, None], line(126))
    assert archive.state()["has_grid"] == 1
    n_boxes = round(np.ptp(line(126)[:, 0]) / archive.state()["grid"][1, 0])
    assert len(archive) == n_taken(line(126), n_boxes) > 75 >= n_taken(line(126), n_boxes - 1)


@pytest.mark.parametrize(("n_left", "has_grid"), [(75, 1), (74, 0)])
def test_add_lifts_the_grid_when_fewer_than_three_quarters_are_left(n_left, has_grid):
    archive = ElitistArchive(1, 2, target=100)
    archive.add(np.arange(126)[:, None], line(126))
    n_dominated = len(archive) - n_left + 1
    objectives = archive.objectives
    better = np.array([[objectives[0, 0], objectives[n_dominated - 1, 1]]])
    assert archive.add(np.array([[999]]), better).tolist() == [ADDED]
    assert len(archive) == n_left
    assert archive.state()["has_grid"] == has_grid


def test_grid_is_laid_when_the_target_is_outgrown_by_a_quarter_and_not_before():
    archive = ElitistArchive(1, 3, target=20)
    x = np.arange(26.0)
    # On this line and 14 intervals, 16 boxes hold a point, and 15 would not be enough.
    points = np.stack([x, -x, np.full(26, 7.0)], axis=1)
    for i in range(25):
        archive.add(np.array([[i]]), points[[i]])
    assert (len(archive), archive.state()["has_grid"]) == (25, 0)
    archive.add(np.array([[25]]), points[[25]])
    assert (len(archive), archive.state()["has_grid"]) == (16, 1)
    origin, width = archive.state()["grid"]
    assert origin.tolist() == [0, -25, 7]
    assert width.tolist() == [25 / 14, 25 / 14, 1 / 14]


@pytest.mark.parametrize("target", [5, 20])
def test_add_looks_at_the_size_after_a_quarter_of_the_target(target):
    genomes = np.arange(60)[:, None]
    points = np.hstack([genomes, -genomes]).astype(np.float64)
    whole, parts = (ElitistArchive(1, 2, target=target) for _ in "ab")
    whole.add(genomes, points)
    for start in range(0, 60, target // 4):
        rows = slice(start, start + target // 4)
        parts.add(genomes[rows], points[rows])
    for name, array in whole.state().items():
        np.testing.assert_array_equal(array, parts.state()[name])


@pytest.fixture
def gridded() -> ElitistArchive:
    """Four members under a grid of unit boxes."""
    archive = ElitistArchive(1, 2, target=4)
    objectives = np.array([[0.0, 9.0], [5.0, 5.0], [9.75, 0.875], [10.25, 0.75]])
    grid = np.array([[0.0, 0.0], [1.0, 1.0]])
    genomes = np.arange(4)[:, None]
    archive.restore(
        {"genomes": genomes, "objectives": objectives, "grid": grid, "has_grid": np.array(1)}
    )
    return archive


def test_box_is_taken_only_where_every_objective_is_in_it(gridded):
    offered = np.array([[0.5, 8.5], [0.5, 9.5], [5.5, 4.5], [5.5, 4.25]])
    found = [gridded.copy().add(np.array([[9]]), x[None]).tolist() for x in offered]
    assert found == [[ADDED], [DOMINATED], [ADDED], [ADDED]]
    assert gridded.add(np.array([[9]]), np.array([[10.5, 0.5]])).tolist() == [KNOWN]


def test_box_of_members_that_left_is_free(gridded):
    assert gridded.add(np.array([[4]]), np.array([[9.5, 0.5]])).tolist() == [ADDED]
    assert gridded.genomes[:, 0].tolist() == [0, 1, 4]
    assert gridded.add(np.array([[5]]), np.array([[10.5, 0.25]])).tolist() == [ADDED]


def test_add_to_a_taken_box_is_known_but_not_dominated(rng):
    archive = ElitistArchive(1, 2, target=20)
    archive.add(np.arange(200)[:, None], front(rng, 200, 2))
    x = archive.objectives[7]
    nearby = np.array([[x[0] + 1e-9, x[1] - 1e-9]])
    assert archive.add(np.array([[999]]), nearby).tolist() == [KNOWN]
    assert 999 not in archive.genomes


def test_add_that_dominates_most_lifts_the_grid(rng):
    archive = ElitistArchive(1, 2, target=20)
    archive.add(np.arange(200)[:, None], front(rng, 200, 2))
    assert archive.state()["has_grid"] == 1
    archive.add(np.array([[999]]), np.array([[-1.0, -1.0]]))
    assert len(archive) == 1
    assert archive.state()["has_grid"] == 0


def test_restore_continues_exactly(rng):
    points = front(rng, 600, 3) * (1 + rng.random((600, 1)))
    whole = ElitistArchive(1, 3, target=40)
    first = ElitistArchive(1, 3, target=40)
    for archive in (whole, first):
        archive.add(np.arange(300)[:, None], points[:300])
    second = ElitistArchive(1, 3, target=40)
    second.restore(first.state())
    verdicts = [a.add(np.arange(300, 600)[:, None], points[300:]) for a in (whole, second)]
    np.testing.assert_array_equal(*verdicts)
    for name, array in whole.state().items():
        assert array.tobytes() == second.state()[name].tobytes()


def test_copy_is_independent():
    archive = ElitistArchive(1, 2)
    archive.add(np.array([[0]]), np.array([[1.0, 1.0]]))
    copy = archive.copy()
    copy.add(np.array([[1]]), np.array([[0.0, 0.0]]))
    assert archive.genomes.tolist() == [[0]]
    assert copy.genomes.tolist() == [[1]]


def test_copy_aims_at_the_same_size(rng):
    archive = ElitistArchive(1, 2, target=20)
    copy = archive.copy()
    copy.add(np.arange(200)[:, None], front(rng, 200, 2))
    assert len(copy) <= 25
