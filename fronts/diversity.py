"""How different a pool's models are, and how honest: what a cascade can hope to gain.

Double fault: G. Giacinto, F. Roli, "Design of effective neural network ensembles for image
classification purposes", Image and Vision Computing 19, 2001, doi 10.1016/S0262-8856(01)00045-2.
Expected calibration error: M. P. Naeini, G. F. Cooper, M. Hauskrecht, "Obtaining Well Calibrated
Probabilities Using Bayesian Binning", AAAI 2015, with bins of equal width.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..arrays import BoolArray, DoubleArray, FloatArray
from ..intervals import wilson_interval
from ..pools.pool import Pool
from .front import Front

N_BINS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Diversity:
    """A pool as a whole.

    Args:
        oracle: share of samples that some model gets right; no cascade can do better.
        oracle_interval: its 95 % Wilson interval.
        mean_double_fault: mean over pairs of models of the share that both get wrong.
        mean_disagreement: mean over pairs of the share that exactly one of them gets right.
        least_alike: the pairs of models with the smallest double fault: names and share.
        ece: expected calibration error of each model, in the pool's order.
    """

    oracle: float
    oracle_interval: tuple[float, float]
    mean_double_fault: float
    mean_disagreement: float
    least_alike: tuple[tuple[str, str, float], ...]
    ece: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """The values as a JSON object."""
        return asdict(self)


def diversity_of(pool: Pool, *, n_pairs: int = 5) -> Diversity:
    """The diversity of a pool; reads all of its outputs once."""
    wrong = np.empty((pool.n_models, pool.n_samples), np.bool_)
    ece: list[float] = []
    for index in range(pool.n_models):
        probabilities = pool.probabilities(index)
        wrong[index] = probabilities.argmax(axis=1) != pool.label
        ece.append(calibration_error(probabilities, ~wrong[index]))
    faults = double_faults(wrong)
    first, second = np.triu_indices(pool.n_models, k=1)
    pairs = faults[first, second]
    share = wrong.mean(axis=1)
    order = np.argsort(pairs, kind="stable")[:n_pairs]
    n_right = int((~wrong.all(axis=0)).sum())
    return Diversity(
        oracle=n_right / pool.n_samples,
        oracle_interval=wilson_interval(n_right, pool.n_samples),
        mean_double_fault=float(pairs.mean()) if len(pairs) else float(share[0]),
        mean_disagreement=float((share[first] + share[second] - 2 * pairs).mean())
        if len(pairs)
        else 0.0,
        least_alike=tuple(
            (pool.names[first[i]], pool.names[second[i]], float(pairs[i])) for i in order
        ),
        ece=tuple(ece),
    )


def pair_table(pool: Pool) -> str:
    """CSV, one line for each pair of models: how often both are wrong, and exactly one."""
    wrong = np.stack([output.argmax(axis=1) != pool.label for output in pool.outputs])
    faults, share = double_faults(wrong), wrong.mean(axis=1)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("first", "second", "both_wrong", "one_wrong"))
    for i, j in zip(*np.triu_indices(pool.n_models, k=1), strict=True):
        both = float(faults[i, j])
        one = float(share[i] + share[j]) - 2 * both
        table.writerow((pool.names[i], pool.names[j], f"{both:.6f}", f"{one:.6f}"))
    return text.getvalue()


def double_faults(wrong: BoolArray) -> DoubleArray:
    """The share of samples that both of two models get wrong, [n_models, n_models].

    Args:
        wrong: bool [n_models, n_samples].
    """
    # Counts below 2^24 are exact in float32, whose products are many times faster than integers'.
    kind = np.float32 if wrong.shape[1] < 2**24 else np.float64
    counts = wrong.astype(kind) @ wrong.T.astype(kind)
    return counts.astype(np.float64) / wrong.shape[1]


def calibration_error(
    probabilities: FloatArray, right: BoolArray, *, n_bins: int = N_BINS
) -> float:
    """The expected calibration error of answers [n, n_classes], of which `right` [n] are right."""
    confidence = probabilities.max(axis=1).astype(np.float64)
    # Bins are open below and closed above: a confidence of 1 belongs to the last one.
    bins = np.clip(np.ceil(confidence * n_bins) - 1, 0, n_bins - 1).astype(np.int64)
    gaps = np.bincount(bins, weights=right - confidence, minlength=n_bins)
    return float(np.abs(gaps).sum() / len(right))


def uses_of(fronts: Sequence[Front]) -> Counter[str]:
    """How many cascades of the fronts each model is a member of."""
    members = (m for front in fronts for item in front.cascades for m in item.cascade.members)
    return Counter(members)
