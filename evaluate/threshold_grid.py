"""The grid of thresholds that searches choose from: 0.00, 0.02 .. 1.00, one for each gene 0..50."""

from __future__ import annotations

import numpy as np

from ..arrays import FloatArray, frozen

STEP = 0.02
N_STEPS = 50
N_THRESHOLDS = N_STEPS + 1

# Threshold genes as the numbers that confidences are compared with.
THRESHOLDS: FloatArray = frozen((STEP * np.arange(N_THRESHOLDS)).astype(np.float32))


def threshold_of(gene: int) -> float:
    """The threshold of a gene as a decimal number; as float32 it is THRESHOLDS[gene]."""
    return round(STEP * gene, 2)
