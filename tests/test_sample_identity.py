import hashlib

import numpy as np
import pytest

from encas.sample_identity import (
    array_bytes,
    array_hash,
    input_digests,
    is_among,
    place_hashes,
    positions,
    sample_hashes,
    union,
)


def rows(*values: int) -> np.ndarray:
    """A hash for each value, uint8 [n, 32]."""
    return sample_hashes(lambda row: bytes([values[row]]), len(values))


def test_sample_hashes_are_the_sha256_of_the_bytes():
    hashes = sample_hashes(lambda row: [b"a", b"b"][row], 2)
    assert hashes[1].tobytes() == hashlib.sha256(b"b").digest()
    assert (hashes.shape, hashes.dtype, hashes.flags.writeable) == ((2, 32), np.uint8, False)


def test_array_bytes_tell_type_shape_and_numbers_apart():
    x = np.arange(6, dtype=np.int32)
    others = [x.astype(np.int64), x.reshape(2, 3), x[::-1], x.astype(">i4")]
    assert array_bytes(x) == b"<i4[6]" + x.tobytes()
    assert len({array_hash(array) for array in (x, *others)}) == 5
    assert array_hash(x.reshape(3, 2).T) == array_hash(np.ascontiguousarray(x.reshape(3, 2).T))


def test_place_hashes_depend_on_all_labels_and_the_place():
    first = place_hashes(np.array([0, 1, 1]))
    assert first.shape == (3, 32)
    assert len(np.unique(first, axis=0)) == 3
    assert not is_among(place_hashes(np.array([0, 1, 0])), first).any()
    np.testing.assert_array_equal(first, place_hashes(np.array([0, 1, 1])))


def test_input_digests_are_equal_for_equal_samples_alone():
    x = np.array([[1.0, 2.0], [1.0, 2.0], [2.0, 1.0]], np.float32)
    digests = input_digests(x)
    assert (digests.dtype, digests.shape) == (np.uint64, (3,))
    assert digests[0] == digests[1] != digests[2]
    known = int.from_bytes(hashlib.blake2b(x[2].tobytes(), digest_size=8).digest(), "little")
    assert digests[2] == known


def test_input_digests_of_no_samples_are_none():
    assert input_digests(np.empty((0, 3), np.float32)).shape == (0,)


def test_is_among_finds_hashes_anywhere():
    np.testing.assert_array_equal(is_among(rows(1, 2, 3), rows(3, 9, 1)), [True, False, True])


def test_positions_are_the_first_row_or_minus_one():
    np.testing.assert_array_equal(positions(rows(3, 4, 1), rows(1, 3, 3)), [1, -1, 0])


@pytest.mark.parametrize(("first", "second"), [(None, rows(2, 1)), (rows(1, 2), rows(2))])
def test_union_holds_each_hash_once(first, second):
    both = union(first, second)
    assert both is not None
    assert {row.tobytes() for row in both} == {row.tobytes() for row in rows(1, 2)}
    assert len(both) == 2


def test_union_of_nothing_is_nothing():
    assert union(None, None) is None
