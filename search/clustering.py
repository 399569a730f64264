"""Balanced k-leader-means: overlapping clusters of equal size in objective space.

Source: N. H. Luong, H. La Poutre, P. A. N. Bosman, "Multi-objective Gene-pool Optimal Mixing
Evolutionary Algorithms", GECCO 2014, doi 10.1145/2576768.2598261, section 3.2: leaders far apart
start k-means; then each cluster takes the 2n/k solutions nearest to its mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import DoubleArray, IntArray
from ..evaluate.compiled import compiled, inlined

NO_OBJECTIVE = -1
MAX_ITERATIONS = 100


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clusters:
    """Clusters of a population.

    Args:
        members: int64 [n_clusters, size], indices into the population.
        cluster_of: int64 [n], the cluster in which each solution is mixed.
        objective_of: int64 [n_clusters], the objective that an extreme cluster improves alone,
            NO_OBJECTIVE in the others.
    """

    members: IntArray
    cluster_of: IntArray
    objective_of: IntArray


def clusters_of(objectives: DoubleArray, n_clusters: int, rng: np.random.Generator) -> Clusters:
    """Clusters a population by its objectives [n, n_objectives], infeasible solutions as worst.

    A solution in several clusters goes to a random one of them, one in none to the nearest mean.
    For each objective, in random order, the cluster with the best mean that has no objective yet
    becomes extreme; a single cluster never does.
    """
    n, n_objectives = objectives.shape
    if n_clusters == 1:
        everybody = np.arange(n)[None]
        return Clusters(
            members=everybody,
            cluster_of=np.zeros(n, np.int64),
            objective_of=np.array([NO_OBJECTIVE]),
        )
    points = _scaled(objectives)
    first = int(np.argmin(points[:, rng.integers(n_objectives)]))
    members, means = _balanced_clusters(points, n_clusters, first)
    return Clusters(
        members=members,
        cluster_of=_assigned(points, members, means, rng.random(n)),
        objective_of=_extremes(means, rng.permutation(n_objectives)),
    )


def _scaled(objectives: DoubleArray) -> DoubleArray:
    """Objectives with ranges of 1; an infinity lies one range past the worst finite value."""
    is_finite = np.isfinite(objectives)
    low = np.where(is_finite, objectives, np.inf).min(axis=0)
    high = np.where(is_finite, objectives, -np.inf).max(axis=0)
    extent = high - low
    extent[~(extent > 0)] = 1.0
    low[~np.isfinite(low)] = 0.0
    return np.where(is_finite, (objectives - low) / extent, 2.0)


def _balanced_clusters(
    points: DoubleArray, n_clusters: int, first: int
) -> tuple[IntArray, DoubleArray]:
    """The members [n_clusters, 2n / n_clusters] of each cluster, and their means."""
    means = points[_leaders(points, n_clusters, first)]
    nearest = _k_means(points, means)
    distances = _distances(points, means, nearest)
    order = np.argsort(distances, axis=1, kind="stable")
    members = np.ascontiguousarray(order[:, : 2 * len(points) // n_clusters])
    return members, _means_of(points, members)


@compiled
def _distances(points: DoubleArray, means: DoubleArray, nearest: IntArray) -> DoubleArray:
    """Of each mean from the points [n_means, n], 0 from those that it is the nearest of."""
    result = np.empty((len(means), len(points)))
    for c in range(len(means)):
        for i in range(len(points)):
            result[c, i] = 0.0 if nearest[i] == c else _distance(points[i], means[c])
    return result


def _means_of(points: DoubleArray, members: IntArray) -> DoubleArray:
    """The means [n_clusters, n_objectives], each added up from the first member on."""
    totals = np.add.accumulate(points[members], axis=1)[:, -1]
    return totals / members.shape[1]


def _assigned(
    points: DoubleArray, members: IntArray, means: DoubleArray, draws: DoubleArray
) -> IntArray:
    """A random cluster of each point's clusters, or the one with the nearest mean."""
    is_in = np.zeros((len(points), len(members)), np.bool_)
    is_in[members, np.arange(len(members))[:, None]] = True
    rank = np.cumsum(is_in, axis=1)
    wanted = (draws * rank[:, -1]).astype(np.int64) + 1
    chosen = np.argmax(rank == wanted[:, None], axis=1)
    homeless = np.flatnonzero(rank[:, -1] == 0)
    if len(homeless):
        nobody = np.full(len(points), -1)
        chosen[homeless] = np.argmin(_distances(points, means, nobody), axis=0)[homeless]
    return chosen


def _extremes(means: DoubleArray, order: IntArray) -> IntArray:
    result = np.full(len(means), NO_OBJECTIVE)
    for k in order:
        free = np.flatnonzero(result == NO_OBJECTIVE)
        if len(free):
            result[free[np.argmin(means[free, k])]] = k
    return result


@compiled
def _leaders(points: DoubleArray, n_leaders: int, first: int) -> IntArray:
    """Points far apart: each next one is the farthest from all before."""
    leaders = np.empty(n_leaders, np.int64)
    leaders[0] = first
    gaps = np.empty(len(points))
    for j in range(1, n_leaders):
        farthest = 0
        for i in range(len(points)):
            gap = _distance(points[i], points[leaders[j - 1]])
            gaps[i] = gap if j == 1 else min(gaps[i], gap)
            if gaps[i] > gaps[farthest]:
                farthest = i
        leaders[j] = farthest
    return leaders


@compiled
def _k_means(points: DoubleArray, means: DoubleArray) -> IntArray:
    """Moves the means until they stand still; returns the nearest mean of each point."""
    n, n_objectives = points.shape
    nearest = np.zeros(n, np.int64)
    for _ in range(MAX_ITERATIONS):
        sums = np.zeros(means.shape)
        counts = np.zeros(len(means))
        for i in range(n):
            nearest[i] = _nearest_mean(points[i], means)
            counts[nearest[i]] += 1
            for k in range(n_objectives):
                sums[nearest[i], k] += points[i, k]
        moved = False
        for c in range(len(means)):
            for k in range(n_objectives):
                new = sums[c, k] / counts[c] if counts[c] > 0 else means[c, k]
                moved = moved or abs(new - means[c, k]) > 1e-10
                means[c, k] = new
        if not moved:
            break
    return nearest


@inlined
def _nearest_mean(point: DoubleArray, means: DoubleArray) -> int:
    nearest, smallest = 0, np.inf
    for c in range(len(means)):
        distance = _distance(point, means[c])
        if distance < smallest:
            nearest, smallest = c, distance
    return nearest


@inlined
def _distance(a: DoubleArray, b: DoubleArray) -> float:
    total = 0.0
    for k in range(len(a)):
        total += (a[k] - b[k]) ** 2
    return total
