"""The surrogate: an ensemble of radial basis function networks, fitted and asked in batches.

Each network interpolates the targets with cubic functions of distances and a linear tail, on a
random subset of the features; the ensemble answers with the median. All networks are solved, and
asked, as one batch of matrices.

Sources: Z. Lu et al., "Neural Architecture Transfer", TPAMI 2021, arXiv 2005.05859; H. Wang,
Y. Jin, C. Sun, J. Doherty, "Offline Data-Driven Evolutionary Optimization Using Selective Surrogate
Ensembles", IEEE Transactions on Evolutionary Computation 23(2), 2019,
doi 10.1109/TEVC.2018.2834881.

Departures: a feature that is the same in all points is left out, and a small ridge on the diagonal
lets points that coincide in a subset of the features have different targets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.stats import kendalltau
from torch import Tensor

from ..arrays import DoubleArray, IntArray
from ..errors import SearchError

N_NETWORKS = 500
FEATURE_SHARE = 0.5
RIDGE = 1e-2
TINY = 1e-9
FIT_BYTES = 2**27
ASK_BYTES = 2**21


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """How well predictions agree with what was measured.

    Args:
        tau: Kendall's rank correlation, in -1..1; 0 where one side is constant.
        rmse: the root of the mean squared difference.
        n: how many predictions.
    """

    tau: float
    rmse: float
    n: int

    @classmethod
    def of(cls, predicted: DoubleArray, measured: DoubleArray) -> Quality:
        """The quality of predictions [n], n at least 1."""
        found: Any = kendalltau(predicted, measured) if len(predicted) > 1 else None
        tau = 0.0 if found is None else float(found.statistic)
        rmse = float(np.sqrt(np.mean((predicted - measured) ** 2)))
        return cls(tau=0.0 if np.isnan(tau) else tau, rmse=rmse, n=len(predicted))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RbfEnsemble:
    """A fitted ensemble of k networks on n points; made by `fit`.

    Args:
        low, span: float64 [d], what features are scaled by, to 0..1 on the points.
        points: float64 [n, d], the scaled points.
        masks: float64 [k, d], 1 for each feature that a network sees.
        weights: float64 [k, n, t], of the cubic functions.
        slopes: float64 [k, d, t], of the linear tail.
        offsets: float64 [k, 1, t], of the linear tail.
    """

    low: DoubleArray
    span: DoubleArray
    points: Tensor
    masks: Tensor
    weights: Tensor
    slopes: Tensor
    offsets: Tensor

    @classmethod
    def fit(
        cls,
        features: DoubleArray,
        targets: DoubleArray,
        *,
        rng: np.random.Generator,
        n_networks: int = N_NETWORKS,
    ) -> RbfEnsemble:
        """Fits all networks.

        Args:
            features: [n, d].
            targets: [n, t].
            rng: draws the subsets of features.
            n_networks: k.

        Raises:
            SearchError: there are fewer than two points, or all are the same.
        """
        low = features.min(axis=0)
        span = features.max(axis=0) - low
        varying = np.flatnonzero(span > 0)
        if not len(varying):
            fault = f"a surrogate needs different points, got {len(features)} that are all the same"
            raise SearchError(fault)
        span = np.where(span > 0, span, 1.0)
        points = torch.tensor((features - low) / span)
        masks = torch.tensor(_masks(varying, features.shape[1], n_networks, rng))
        portion = max(1, FIT_BYTES // (8 * (len(features) + features.shape[1] + 1) ** 2))
        solved = [_solved(points, some, torch.tensor(targets)) for some in masks.split(portion)]
        n, solution = len(features), torch.cat(solved)
        return cls(
            low=low,
            span=span,
            points=points,
            masks=masks,
            weights=solution[:, :n],
            slopes=solution[:, n:-1],
            offsets=solution[:, -1:],
        )

    def predict(self, features: DoubleArray) -> DoubleArray:
        """The medians of the networks' answers to features [m, d], float64 [m, t].

        Asked in single precision, which moves an answer by less than a thousandth of what the
        networks differ by.
        """
        k, n = len(self.masks), len(self.points)
        scaled = torch.tensor((features - self.low) / self.span).float()
        masks, points, weights = self.masks.float(), self.points.float(), self.weights.float()
        answers = scaled @ self.slopes.float() + self.offsets.float()
        portion = max(1, ASK_BYTES // (4 * k * n))
        for start in range(0, len(scaled), portion):
            some = slice(start, start + portion)
            answers[:, some] += _cubes(scaled[some], points, masks) @ weights
        return np.median(answers.numpy(), axis=0).astype(np.float64)


def _masks(
    varying: IntArray, n_features: int, n_networks: int, rng: np.random.Generator
) -> DoubleArray:
    n_seen = max(1, round(FEATURE_SHARE * len(varying)))
    order = rng.random((n_networks, len(varying))).argsort(axis=1)
    masks = np.zeros((n_networks, n_features))
    np.put_along_axis(masks, varying[order[:, :n_seen]], 1.0, axis=1)
    return masks


def _cubes(a: Tensor, b: Tensor, masks: Tensor) -> Tensor:
    """Cubes of the distances of a [m, d] and b [n, d] that each of masks [k, d] sees, [k, m, n].

    One product of matrices gives the squares for all networks: masks times squared differences.
    """
    differences = (a.T[:, :, None] - b.T[:, None, :]).square_()
    squares = masks @ differences.flatten(1)
    return squares.mul_(squares.sqrt()).view(len(masks), len(a), len(b))


def _solved(points: Tensor, masks: Tensor, targets: Tensor) -> Tensor:
    """Weights and tail [k, n + d + 1, t] of the networks with masks [k, d] on points [n, d]."""
    n, d = points.shape
    system = torch.zeros(len(masks), n + d + 1, n + d + 1, dtype=points.dtype)
    system[:, :n, :n] = _cubes(points, points, masks) + RIDGE * torch.eye(n, dtype=points.dtype)
    system[:, :n, n:-1] = points * masks[:, None, :]
    system[:, :n, -1] = 1
    system[:, n:, :n] = system[:, :n, n:].transpose(1, 2)
    # Features that a network does not see get no slope; nor is it singular where some of those it
    # sees depend on each other.
    corner = torch.arange(n, n + d)
    system[:, corner, corner] = -TINY
    right = torch.zeros(len(masks), n + d + 1, targets.shape[1], dtype=points.dtype)
    right[:, :n] = targets
    return torch.linalg.solve(system, right)
