import numpy as np
import pytest

from encas.evaluate.sweep_space import new_blocks, new_planes


def test_new_planes_are_zeros_for_each_thread():
    planes = new_planes(3)
    line, square = (3, 51), (3, 51, 51)
    assert [part.shape for part in planes] == [line, line, square, square, square, line]
    assert all(part.dtype == np.int64 and not part.any() for part in planes)


def test_new_blocks_are_zeros_for_each_thread():
    block = new_blocks(2, 100)
    assert [part.shape[1:] for part in block] == [
        (51,), (51,), (51,), (51, 51), (51, 816), (51,), (816,), (816,), (816,)
    ]  # fmt: skip
    assert all(len(part) == 2 and not part.any() for part in block)
    assert [part.dtype for part in block[:3]] == [np.int64] * 3


@pytest.mark.parametrize(("n_samples", "dtype"), [(2**15 - 1, np.int16), (2**15, np.int32)])
def test_new_blocks_count_in_the_narrowest_type_that_holds_all_samples(n_samples, dtype):
    assert n_samples <= np.iinfo(dtype).max
    assert {part.dtype for part in new_blocks(1, n_samples)[3:]} == {np.dtype(dtype)}
