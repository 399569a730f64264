import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from encas.fronts.indicators import hypervolume, non_dominated

GRID = st.integers(0, 6).map(float)


def points(n_objectives: int):
    return arrays(np.float64, st.tuples(st.integers(1, 12), st.just(n_objectives)), elements=GRID)


def counted(values: np.ndarray, reference: list[float]) -> int:
    """Unit cells below the reference that some point dominates."""
    cells = np.stack(np.meshgrid(*[np.arange(r) for r in reference]), axis=-1).reshape(
        -1, len(reference)
    )
    return sum(bool((values <= cell).all(axis=1).any()) for cell in cells)


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 4).flatmap(points))
def test_hypervolume_grid_points_equals_counted_cells(values):
    reference = [5.0] * values.shape[1]
    assert hypervolume(values, reference) == pytest.approx(counted(values, reference))


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 3).flatmap(points))
def test_non_dominated_any_points_equals_definition(values):
    keep = non_dominated(values)
    for i, point in enumerate(values):
        better = (values <= point).all(axis=1) & (values < point).any(axis=1)
        assert not (keep[i] and better.any())
        if not better.any():
            assert any(keep[j] and (values[j] == point).all() for j in range(len(values)))
    assert len(np.unique(values[keep], axis=0)) == keep.sum()


def test_hypervolume_points_outside_count_nothing():
    assert hypervolume(np.array([[1.0, 9.0], [9.0, 1.0]]), [5, 5]) == 0
