import numpy as np
import pytest

from encas.data.splits import limited_rows, stratified_order, stratified_rows
from encas.errors import DataError


@pytest.mark.parametrize("n", [10, 33, 100])
def test_stratified_rows_have_the_shares_of_the_classes(n):
    label = np.repeat([0, 1, 2], [50, 30, 20])
    rows = stratified_rows(label, n, seed=3)
    assert len(set(rows)) == n
    assert (np.diff(rows) > 0).all()
    counts = np.bincount(label[rows], minlength=3)
    assert np.abs(counts - n * np.array([0.5, 0.3, 0.2])).max() <= 1


def test_stratified_rows_repeat_with_the_seed():
    label = np.arange(40) % 4
    first, again, other = (stratified_rows(label, 12, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert set(first) != set(other)


def test_stratified_rows_beyond_the_data_are_refused():
    with pytest.raises(DataError, match=r"expected a subset of 1\.\.3 samples, got 4"):
        stratified_rows(np.zeros(3, np.int64), 4, seed=0)


def test_stratified_order_is_a_permutation_with_the_shares_everywhere():
    label = np.repeat([0, 1], [300, 100])
    order = stratified_order(label, rng=np.random.default_rng(0))
    assert sorted(order) == list(range(400))
    for start in range(0, 400, 100):
        assert abs((label[order[start : start + 100]] == 1).sum() - 25) <= 1


@pytest.mark.parametrize("n", [0, -1, 5])
def test_stratified_rows_of_impossible_numbers_are_refused(n):
    with pytest.raises(DataError, match=rf"expected a subset of 1\.\.4 samples, got {n}"):
        stratified_rows(np.array([0, 1, 1, 2]), n, seed=0)


def test_stratified_rows_of_one_and_of_all():
    label = np.array([2, 0, 2, 2])
    assert stratified_rows(label, 4, seed=0).tolist() == [0, 1, 2, 3]
    assert len(stratified_rows(label, 1, seed=0)) == 1
    assert stratified_rows(np.zeros(1, np.int64), 1, seed=0).tolist() == [0]


def test_stratified_order_of_nothing_is_nothing_and_of_one_class_is_any():
    rng = np.random.default_rng(0)
    assert stratified_order(np.zeros(0, np.int64), rng=rng).tolist() == []
    order = stratified_order(np.full(50, 7), rng=rng)
    assert order.dtype == np.int64
    assert sorted(order) == list(range(50))
    assert order.tolist() != list(range(50))


def test_limited_rows_are_all_of_them_or_a_seeded_part():
    label = np.repeat([0, 1], 10)
    assert limited_rows(label, None, seed=0).tolist() == list(range(20))
    assert limited_rows(label, 20, seed=0).tolist() == list(range(20))
    rows = limited_rows(label, 6, seed=0)
    assert rows.tolist() == stratified_rows(label, 6, seed=0).tolist()
    assert np.bincount(label[rows]).tolist() == [3, 3]
