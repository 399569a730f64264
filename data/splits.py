"""Splits of samples into parts."""

from __future__ import annotations

import numpy as np

from ..arrays import IntArray
from ..errors import DataError


def stratified_rows(label: IntArray, n: int, *, seed: int) -> IntArray:
    """`n` rows with the classes' shares of `label`, ascending; the same seed, the same rows.

    Raises:
        DataError: there are fewer than `n` samples.
    """
    if not 1 <= n <= len(label):
        raise DataError(f"expected a subset of 1..{len(label)} samples, got {n}")
    return np.sort(stratified_order(label, rng=np.random.default_rng(seed))[:n])


def limited_rows(label: IntArray, limit: int | None, *, seed: int) -> IntArray:
    """The rows of `label` [n], ascending: at most `limit`, drawn as `stratified_rows` does."""
    if limit is None or limit >= len(label):
        return np.arange(len(label), dtype=np.int64)
    return stratified_rows(label, limit, seed=seed)


def stratified_order(label: IntArray, *, rng: np.random.Generator) -> IntArray:
    """A random order of all samples in which every stretch has the classes' shares.

    The r-th of the n_c samples of a class stands at (r + u) / n_c of the way, with one random u
    in [0, 1) for each class.
    """
    position = np.empty(len(label), np.float64)
    for value in np.unique(label):
        rows = rng.permutation(np.flatnonzero(label == value))
        position[rows] = (np.arange(len(rows)) + rng.random()) / len(rows)
    return np.argsort(position, kind="stable").astype(np.int64)
