"""Which classes stay, by hand, at the limits of the rule."""

import numpy as np
import pytest

from encas.arrays import frozen
from encas.errors import SearchError
from encas.evaluate.contenders import FEW, block_of, choose, rank_of


def chosen(outputs, label, **options) -> list[list[int]]:
    choice = choose(np.array(outputs, np.float32), frozen(np.array(label)), **options)
    return [row[:n].tolist() for row, n in zip(choice.classes, choice.n_contenders, strict=True)]


@pytest.mark.parametrize(
    ("confidence", "rank"), [("max_probability", 1), ("margin", 2), ("logit_gap", 2)]
)
def test_rank_of_a_confidence_is_how_many_means_it_needs(confidence, rank):
    assert rank_of(confidence) == rank


def test_rank_of_entropy_is_refused():
    with pytest.raises(SearchError, match="the entropy depends on all classes"):
        rank_of("entropy")


@pytest.mark.parametrize(
    ("n_chunks", "block"), [(1, 1), (31, 1), (32, 2), (127, 7), (128, 8), (10_000, 8)]
)
def test_block_has_few_chunks_so_that_there_are_many_blocks(n_chunks, block):
    assert block_of(n_chunks) == block


def test_choose_keeps_the_share_of_the_largest_itself():
    # Two members at most: half the largest of 0.5 is a contender, a little less is none.
    outputs = [[[0.5, 0.25, 0.2499, 0.0]]]
    assert chosen(outputs, [0], max_members=2, rank=1) == [[0, 1]]
    assert chosen(outputs, [0], max_members=3, rank=1) == [[0, 1, 2]]
    assert chosen(outputs, [0], max_members=1, rank=1) == [[0]]


def test_choose_puts_the_true_class_first_and_the_others_in_order():
    outputs = [[[0.25, 0.25, 0.25, 0.25]]]
    assert chosen(outputs, [2], max_members=1, rank=1) == [[2, 0, 1, 3]]


def test_choose_keeps_the_true_class_that_cannot_win():
    assert chosen([[[1.0, 0.0, 0.0]]], [2], max_members=5, rank=1) == [[2, 0]]


def test_choose_asks_each_model_for_its_own_contenders():
    outputs = [[[0.6, 0.4, 0.0]], [[0.0, 0.1, 0.9]]]
    assert chosen(outputs, [0], max_members=1, rank=1) == [[0, 2]]


def test_choose_of_rank_two_keeps_what_can_come_second():
    outputs = [[[0.75, 0.125, 0.0625, 0.0624]]]
    assert chosen(outputs, [0], max_members=2, rank=1) == [[0]]
    assert chosen(outputs, [0], max_members=2, rank=2) == [[0, 1, 2]]


def test_choose_of_one_class_keeps_it_at_any_rank():
    assert chosen([[[1.0]]], [0], max_members=3, rank=2) == [[0]]


def test_choose_top_is_the_largest_or_the_second_largest():
    outputs = np.array([[[0.2, 0.5, 0.3], [0.5, 0.0, 0.5]]], np.float32)
    first, second = (
        choose(outputs, frozen(np.array([0, 0])), max_members=2, rank=r) for r in (1, 2)
    )
    np.testing.assert_array_equal(first.top, np.array([[0.5, 0.5]], np.float32))
    np.testing.assert_array_equal(second.top, np.array([[0.3, 0.5]], np.float32))


@pytest.mark.parametrize(("n_classes", "is_flat"), [(FEW, False), (FEW + 1, True)])
def test_choose_takes_a_model_as_flat_only_where_there_are_many_contenders(n_classes, is_flat):
    certain = np.eye(n_classes, dtype=np.float32)[:1]
    flat = np.full((1, n_classes), 1 / n_classes, np.float32)
    outputs = np.stack([certain] * 9 + [flat])
    choice = choose(outputs, frozen(np.array([0])), max_members=2, rank=1)
    assert (choice.top < choice.level).ravel().tolist() == [False] * 9 + [is_flat]
    assert choice.n_contenders[0] == (1 if is_flat else n_classes)
