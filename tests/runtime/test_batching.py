import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encas.errors import SessionError
from encas.runtime.batching import Batching, Piece


def test_pieces_without_buckets_are_never_padded():
    pieces = list(Batching(max_batch_size=4).pieces(9))
    assert pieces == [
        Piece(start=0, stop=4, size=4),
        Piece(start=4, stop=8, size=4),
        Piece(start=8, stop=9, size=1),
    ]


def test_pieces_with_buckets_are_padded_to_the_next_one():
    sizes = [piece.size for piece in Batching.powers_of_two(8).pieces(13)]
    assert sizes == [8, 8]
    assert [piece.size for piece in Batching.powers_of_two(8).pieces(3)] == [4]


def test_pieces_of_no_rows_are_none():
    assert list(Batching().pieces(0)) == []


@pytest.mark.parametrize(("largest", "buckets"), [(1, (1,)), (8, (1, 2, 4, 8)), (6, (1, 2, 4, 6))])
def test_powers_of_two_end_with_the_largest_size(largest, buckets):
    assert Batching.powers_of_two(largest).buckets == buckets


@given(n=st.integers(0, 5000), largest=st.integers(1, 300), has_buckets=st.booleans())
def test_pieces_cover_every_row_once_in_order(n, largest, has_buckets):
    batching = Batching.powers_of_two(largest) if has_buckets else Batching(max_batch_size=largest)
    pieces = list(batching.pieces(n))
    rows = [row for piece in pieces for row in range(piece.start, piece.stop)]
    assert rows == list(range(n))
    for piece in pieces:
        assert piece.stop - piece.start <= piece.size <= largest
        assert not has_buckets or piece.size in batching.buckets


def test_padded_gives_the_rows_and_zeros():
    x = np.arange(1, 7, dtype=np.uint8).reshape(3, 2)
    padded = Piece(start=1, stop=3, size=4).padded(x)
    assert padded.tolist() == [[3, 4], [5, 6], [0, 0], [0, 0]]
    assert padded.dtype == np.uint8
    assert Piece(start=0, stop=3, size=3).padded(x) is not None
    assert np.shares_memory(Piece(start=0, stop=3, size=3).padded(x), x)


@pytest.mark.parametrize(
    ("batching", "device", "sizes", "n_calls"),
    [
        (Batching.powers_of_two(4), "cuda:0", (4, 2, 1), 3),
        (Batching.powers_of_two(4), "cpu", (4, 2, 1), 3),
        (Batching(max_batch_size=64), "cuda:0", (64, 1), 3),
        (Batching(max_batch_size=1), "cuda:0", (1,), 3),
        (Batching(max_batch_size=256), "cpu", (4,), 1),
        (Batching(max_batch_size=2), "cpu", (2,), 1),
    ],
)
def test_warm_up_is_all_buckets_or_the_extremes_and_on_a_plain_cpu_one_small_batch(
    batching, device, sizes, n_calls
):
    plan = batching.warm_up_on(device)
    assert (plan.sizes, plan.n_calls) == (sizes, n_calls)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_batch_size": 0}, "at least 1, got 0"),
        ({"max_batch_size": 4, "buckets": (0, 4)}, "at least 1, got 0"),
        ({"max_batch_size": 4, "buckets": (4, 2)}, "must ascend and end with"),
        ({"max_batch_size": 4, "buckets": (1, 2)}, "must ascend and end with"),
    ],
)
def test_batching_of_impossible_sizes_is_refused(values, message):
    with pytest.raises(SessionError, match=message):
        Batching(**values)
