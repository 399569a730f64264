"""Which rows of a model's outputs are probabilities: one tolerance for the whole house."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import BoolArray

# How far from 1 a row of probabilities may sum: quantised networks are off by up to 0.012, float16
# by a thousandth. Scores that sum to 1 this well on every sample are nothing else.
SUM_TOLERANCE = 0.02


def probability_rows(outputs: NDArray[Any]) -> BoolArray:
    """Which rows of outputs [n, n_classes] are probabilities: none negative, a sum near 1."""
    with np.errstate(invalid="ignore", over="ignore"):
        off = np.abs(outputs.sum(axis=1, dtype=np.float64) - 1)
    return (off <= SUM_TOLERANCE) & (outputs >= 0).all(axis=1)


def are_probabilities(outputs: NDArray[Any]) -> bool:
    """Whether all rows of outputs [n, n_classes] are probabilities of two or more classes."""
    return outputs.shape[1] > 1 and bool(probability_rows(outputs).all())
