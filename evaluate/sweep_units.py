# numba infers the types of compiled functions.
# pyright: reportMissingParameterType=false
"""The samples of units of sweeps (sweep_tables.py), sorted and unpacked from stage bytes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..arrays import ByteArray, IntArray
from .compiled import compiled, inlined
from .lanes import on_lanes
from .threshold_grid import N_THRESHOLDS

N_LANES = 16
N_PREFIX = 4
NOBODY = -1


class Units(NamedTuple):
    """The samples of n units, of each in ascending order of its second bin, then of its first.

    Args:
        end: int64 [n, 52, 52], where the samples of each second and first bin end.
        bins: uint8 [n, 4, n_samples].
        right: int8 [n, 4, n_samples].
        best: int8 [n, 4, n_samples], whether any stage from this one on is right.
        gain: int8 [n, n_samples, 16], right in the last stage minus right before it.
    """

    end: IntArray
    bins: ByteArray
    right: ByteArray
    best: ByteArray
    gain: ByteArray


def sorted_units(
    stages: ByteArray, lasts: ByteArray, last: IntArray, n_samples: int, *, n_lanes: int = 1
) -> Units:
    """Sorts and unpacks the samples of units.

    Args:
        stages: uint8 [n, 4, >= n_samples], stage bytes of the prefixes, 0 in stages filled up.
        lasts: uint8 [n, 16, >= n_samples], stage bytes of the lanes.
        last: int64 [n, 16], members, NOBODY in lanes that are not used.
        n_samples: the samples beyond are ignored.
        n_lanes: over how many threads the units are dealt out.
    """
    n = len(last)
    units = Units(
        np.empty((n, N_THRESHOLDS + 1, N_THRESHOLDS + 1), np.int64),
        np.empty((n, N_PREFIX, n_samples), np.uint8),
        np.empty((n, N_PREFIX, n_samples), np.int8),  # pyright: ignore[reportArgumentType]
        np.empty((n, N_PREFIX, n_samples), np.int8),  # pyright: ignore[reportArgumentType]
        np.empty((n, n_samples, N_LANES), np.int8),  # pyright: ignore[reportArgumentType]
    )
    on_lanes(_sort_lane, min(n_lanes, n), stages, lasts, last, units)
    return units


@compiled
def _sort_lane(lane, n_lanes, stages, lasts, last, units):
    for u in range(lane, len(last), n_lanes):
        _sort(u, stages[u], lasts[u], last[u], units)


@inlined
def _sort(u, stages, lasts, last, units):
    n_samples = units.bins.shape[2]
    end = units.end[u]
    for b2 in range(N_THRESHOLDS + 1):
        for b1 in range(N_THRESHOLDS + 1):
            end[b2, b1] = 0
    for i in range(n_samples):
        end[_bin(stages[1, i]), _bin(stages[0, i])] += 1
    n = 0
    for b2 in range(N_THRESHOLDS + 1):
        for b1 in range(N_THRESHOLDS + 1):
            n, end[b2, b1] = n + end[b2, b1], n
    # While samples are put, `end` is where the next one goes.
    for i in range(n_samples):
        b1, b2 = _bin(stages[0, i]), _bin(stages[1, i])
        _put(u, stages, lasts, last, i, units, end[b2, b1])
        end[b2, b1] += 1


@inlined
def _bin(byte):
    """The bin of a stage byte; within bounds whatever the stored outputs were."""
    return min(np.int64(byte) >> 1, np.int64(N_THRESHOLDS))


@inlined
def _put(u, stages, lasts, last, i, units, place):
    best = np.int8(0)
    before = np.int8(stages[N_PREFIX - 1, i] & 1)
    for lane in range(N_LANES):
        right = np.int8(lasts[lane, i] & 1) if last[lane] != NOBODY else np.int8(0)
        units.gain[u, place, lane] = right - before
        best = max(best, right)
    for j in range(N_PREFIX - 1, -1, -1):
        right = np.int8(stages[j, i] & 1)
        best = max(best, right)
        units.bins[u, j, place] = stages[j, i] >> 1
        units.right[u, j, place] = right
        units.best[u, j, place] = best
