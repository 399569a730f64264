"""Metrics beyond top-1: errors in [0, 1] of predicted labels, all to be minimised.

A metric is named on the command line: top1, balanced, macro-f1, or cost:FILE with a matrix of
misclassification costs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from ..arrays import DoubleArray, IntArray, frozen
from ..errors import SearchError

TOP1 = "top1"


class Metric(Protocol):
    """An error in [0, 1] that depends on the predicted and the true labels."""

    @property
    def name(self) -> str:
        """The name on the command line and in a front."""
        ...

    def error(self, predicted: IntArray, label: IntArray, *, n_classes: int) -> float:
        """The error of predicted labels [n_samples] against true ones [n_samples]."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancedError:
    """1 - balanced accuracy: the mean over the classes that occur of their error rates.

    Source: K. H. Brodersen et al., ICPR 2010, doi 10.1109/ICPR.2010.764.
    """

    name: str = "balanced"

    def error(self, predicted: IntArray, label: IntArray, *, n_classes: int) -> float:
        """See `Metric.error`."""
        total = np.bincount(label, minlength=n_classes)
        right = np.bincount(label[predicted == label], minlength=n_classes)
        occurs = total > 0
        return float(1 - (right[occurs] / total[occurs]).mean())


@dataclass(frozen=True, slots=True, kw_only=True)
class MacroF1Error:
    """1 - the mean over the classes of their F1 scores; a class never seen nor predicted is out."""

    name: str = "macro-f1"

    def error(self, predicted: IntArray, label: IntArray, *, n_classes: int) -> float:
        """See `Metric.error`."""
        true = np.bincount(label, minlength=n_classes)
        claimed = np.bincount(predicted, minlength=n_classes)
        right = np.bincount(label[predicted == label], minlength=n_classes)
        occurs = true + claimed > 0
        return float(1 - (2 * right[occurs] / (true + claimed)[occurs]).mean())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MisclassificationCost:
    """The mean cost of a decision as a share of the dearest one.

    Args:
        matrix: float64 [n_classes, n_classes], what predicting column costs where row is true.
        name: "cost:" and the file that the matrix is from.

    Raises:
        SearchError: the matrix is not square, or a cost is negative, not finite, or all are 0.
    """

    matrix: DoubleArray = field(repr=False)
    name: str

    def __post_init__(self) -> None:
        matrix = self.matrix
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
            shape = list(matrix.shape)
            raise SearchError(f"a cost matrix must be square, got {shape}", where=self.name)
        if not np.isfinite(matrix).all() or matrix.min() < 0 or matrix.max() == 0:
            raise SearchError("costs must be finite, >= 0 and not all 0", where=self.name)

    def error(self, predicted: IntArray, label: IntArray, *, n_classes: int) -> float:
        """See `Metric.error`.

        Raises:
            SearchError: the matrix is of another number of classes.
        """
        if len(self.matrix) != n_classes:
            fault = f"expected a cost matrix of {n_classes} classes, got {len(self.matrix)}"
            raise SearchError(fault, where=self.name)
        pairs = np.bincount(label * n_classes + predicted, minlength=n_classes**2)
        total = (pairs * self.matrix.ravel()).sum()
        return float(total / self.matrix.max() / len(label))


METRICS: Mapping[str, Metric] = {m.name: m for m in (BalancedError(), MacroF1Error())}


def metric_of(name: str) -> Metric | None:
    """The metric of a name; None for top-1, which needs no predicted labels.

    Raises:
        SearchError: there is none of that name, or its cost matrix cannot be read.
    """
    if name == TOP1:
        return None
    if name.startswith("cost:"):
        return MisclassificationCost(matrix=_read_matrix(Path(name[5:])), name=name)
    if name not in METRICS:
        known = ", ".join([TOP1, *METRICS, "cost:FILE"])
        raise SearchError(f"metric must be one of {known}, got {name!r}")
    return METRICS[name]


def _read_matrix(path: Path) -> DoubleArray:
    if not path.is_file():
        raise SearchError("no such file", where=str(path))
    try:
        return frozen(np.loadtxt(path, delimiter=",", ndmin=2))
    except ValueError as cause:
        raise SearchError(
            f"expected numbers separated by commas: {cause}", where=str(path)
        ) from cause
