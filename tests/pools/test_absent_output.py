import numpy as np
import pytest

from encas.errors import PoolError
from encas.pools.absent_output import AbsentOutput


@pytest.fixture
def absent() -> AbsentOutput:
    return AbsentOutput(shape=(8, 3), dtype=np.dtype(np.float16), where="small")


def test_absent_output_knows_what_it_stands_for(absent):
    assert (len(absent), absent.shape, absent.dtype) == (8, (8, 3), np.float16)


@pytest.mark.parametrize(
    "read",
    [
        lambda absent: absent[0],
        lambda absent: absent[:0],
        np.asarray,
        lambda absent: np.asarray(absent, np.float32),
        lambda absent: np.argmax(absent, axis=1),
    ],
)
def test_absent_output_that_is_read_says_where_the_outputs_are(absent, read):
    with pytest.raises(PoolError, match="small: a compressed pool holds no outputs: .* use the po"):
        read(absent)
