"""What a set of points in objective space is worth; all objectives are minimised."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..arrays import BoolArray, DoubleArray


def non_dominated(points: DoubleArray) -> BoolArray:
    """Which of the points [n, m] no other point dominates; of equal points the first stays."""
    order = np.lexsort(points.T[::-1])
    keep = np.zeros(len(points), np.bool_)
    if points.shape[1] == 2:
        best = np.inf
        for i in order:
            keep[i] = points[i, 1] < best
            best = min(best, points[i, 1])
        return keep
    kept: list[int] = []
    for i in order:
        if not kept or not (points[kept] <= points[i]).all(axis=1).any():
            kept.append(int(i))
    keep[kept] = True
    return keep


def hypervolume(points: DoubleArray, reference: Sequence[float]) -> float:
    """The volume between the points [n, m] and the reference point [m] that they dominate.

    Points that do not lie below the reference in every objective count nothing. Exact: a sweep
    for two objectives, slices over the last objective for more.
    """
    bound = np.asarray(reference, np.float64)
    inside = points[(points < bound).all(axis=1)]
    if not len(inside):
        return 0.0
    return _volume(inside[non_dominated(inside)], bound)


def igd_plus(points: DoubleArray, best: DoubleArray, scale: Sequence[float]) -> float:
    """IGD+: how far the points [n, m] stay behind the points `best` [k, m], on average; 0 is best.

    Each objective is divided by its scale [m]. What a point is better in counts nothing.

    Source: H. Ishibuchi, H. Masuda, Y. Tanigaki, Y. Nojima, "Modified Distance Calculation in
    Generational Distance and Inverted Generational Distance", EMO 2015,
    doi 10.1007/978-3-319-15892-1_8.
    """
    bound = np.asarray(scale, np.float64)
    distances = [
        np.sqrt((np.maximum((points - target) / bound, 0) ** 2).sum(axis=1)).min()
        for target in best
    ]
    return float(np.mean(distances))


def _volume(points: DoubleArray, bound: DoubleArray) -> float:
    if len(bound) == 1:
        return float(bound[0] - points[:, 0].min())
    ordered = points[np.argsort(points[:, -1], kind="stable")]
    upper = np.append(ordered[1:, -1], bound[-1])
    depth = upper - ordered[:, -1]
    if len(bound) == 2:
        width = bound[0] - np.minimum.accumulate(ordered[:, 0])
        return float((width * depth).sum())
    total = 0.0
    for i in np.flatnonzero(depth > 0):
        below = ordered[: i + 1, :-1]
        total += float(depth[i]) * _volume(below[non_dominated(below)], bound[:-1])
    return total
