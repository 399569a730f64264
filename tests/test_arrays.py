import numpy as np
import pytest

from encas.arrays import frozen


def test_frozen_is_the_array_itself_and_takes_no_writes():
    array = np.arange(3)
    assert frozen(array) is array
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 5


def test_frozen_view_leaves_what_it_looks_at_alone():
    array = np.arange(3)
    view = frozen(array.view())
    array[0] = 5
    assert view.tolist() == [5, 1, 2]
