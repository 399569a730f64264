"""What sweeps (sweep_tables.py) work on besides the samples: prices, histograms, staircases."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..arrays import DoubleArray, IntArray
from .sweep_units import N_LANES
from .threshold_grid import N_THRESHOLDS

# How many right answers short of an improvement a block is followed up, to rule out others.
MARGIN = 64


class Prices(NamedTuple):
    """Costs of stages: table[row, reached] * factor.

    Args:
        table: float64 [n_rows, n_samples + 1].
        row: int64 [2, n_models], of a stage with a successor and of a last stage.
        factor: float64 [n_models].
        is_monotone: whether no cost falls when more samples run the stage.
    """

    table: DoubleArray
    row: IntArray
    factor: DoubleArray
    is_monotone: bool


class Plane(NamedTuple):
    """Sums over {b_1 <= g_1}, and over {b_1 <= g_1, b_2 <= g_2}.

    Args:
        n2, gain2: int64 [51], samples that run stage 2; sum of c_2 - c_1.
        n3, gain3, hope3: int64 [51, 51], samples that run stage 3; sum of c_3 - c_2; sum of
            `best` - c_2.
        ceiling: int64 [51], for each g_2 so many right answers that a block with this g_2 or a
            higher one, and at least the costs so far, does not improve the staircase with them.
    """

    n2: IntArray
    gain2: IntArray
    n3: IntArray
    gain3: IntArray
    hope3: IntArray
    ceiling: IntArray


class SweepBlock(NamedTuple):
    """Histograms over b_3 and (b_3, b_4) of the samples that run stage 3, and their sums.

    Args:
        n4, gain4, hope4: int64 [51], samples; sum of c_4 - c_3; sum of `best` - c_4.
        n5: [51, 51], samples by (b_3, b_4).
        gain5: [51, 51 * 16], sum of `gain` over those.
        row_n5: [51], row_gain5: [51 * 16], the same by b_4, summed over {b_3 <= g_3}.
        gain: [51 * 16], summed over {b_4 <= g_4}, too.
        most: [51 * 16], scratch; the first 16 take the largest such sums.
    """

    n4: IntArray
    gain4: IntArray
    hope4: IntArray
    n5: IntArray
    gain5: IntArray
    row_n5: IntArray
    row_gain5: IntArray
    gain: IntArray
    most: IntArray


class Stair(NamedTuple):
    """The staircase of a unit: the least cost for so many right answers, and who has it.

    Args:
        cost: float64 [n_samples + MARGIN].
        code: int64 [n_samples + MARGIN], lane and genes of an improvement, KNOWN elsewhere.
    """

    cost: DoubleArray
    code: IntArray


def new_planes(n: int) -> Plane:
    """Room for n planes, one behind the other in the first axis."""
    line, square = (n, N_THRESHOLDS), (n, N_THRESHOLDS, N_THRESHOLDS)
    shapes = (line, line, square, square, square, line)
    return Plane(*(np.zeros(shape, np.int64) for shape in shapes))


def new_blocks(n: int, n_samples: int) -> SweepBlock:
    """Room for n blocks, one behind the other in the first axis."""
    # Counts of samples in the narrowest type that takes them, which is the fastest.
    count = np.dtype(np.int16 if n_samples < 2**15 else np.int32)
    line, square, lanes = (
        (n, N_THRESHOLDS),
        (n, N_THRESHOLDS, N_THRESHOLDS),
        (n, N_THRESHOLDS * N_LANES),
    )
    return SweepBlock(
        *(np.zeros(line, np.int64) for _ in range(3)),
        np.zeros(square, count),  # pyright: ignore[reportCallIssue]
        np.zeros((n, N_THRESHOLDS, N_THRESHOLDS * N_LANES), count),  # pyright: ignore[reportCallIssue]
        np.zeros(line, count),  # pyright: ignore[reportCallIssue]
        *(np.zeros(lanes, count) for _ in range(3)),
    )
