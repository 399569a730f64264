import numpy as np
import pytest

from encas.evaluate.compress import compress
from encas.evaluate.contender_arrays import KINDS, source_of

ARRAYS = ("values", "start", "classes", "flat_chunk", "flat_row", "flat_values", "label")


def test_source_has_the_arrays_of_the_contenders_read_only(tiny_pool):
    contenders = compress(tiny_pool, max_members=2)
    source = source_of(contenders, "max_probability")
    assert (source.n_models, source.n_samples, source.block) == (3, 8, 1)
    for name in ARRAYS:
        array = getattr(source, name)
        np.testing.assert_array_equal(array, getattr(contenders, name))
        assert np.shares_memory(array, getattr(contenders, name)) or not array.size
        assert not array.flags.writeable
        assert type(array) is np.ndarray


@pytest.mark.parametrize("confidence", KINDS)
def test_source_says_its_confidence_by_number(tiny_pool, confidence):
    assert source_of(compress(tiny_pool, max_members=2, rank=2), confidence).kind == (
        ["max_probability", "margin", "logit_gap"].index(confidence)
    )


def test_source_of_the_entropy_is_none(tiny_pool):
    with pytest.raises(KeyError, match="entropy"):
        source_of(compress(tiny_pool, max_members=2), "entropy")
