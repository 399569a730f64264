"""Array aliases, in one place; the shape stands in the docstring of whoever takes one."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float32]
DoubleArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]
ByteArray: TypeAlias = NDArray[np.uint8]


def frozen(array: NDArray) -> NDArray:
    """Returns `array` itself, made read-only."""
    array.flags.writeable = False
    return array
