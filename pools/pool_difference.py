"""Two pools side by side: samples that are in both (leakage), and what changed (drift)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from typing import Any, Literal, TypeAlias

import numpy as np

from ..arrays import ByteArray, DoubleArray, FloatArray, IntArray, frozen
from ..class_names import OnNote, unnoted
from ..errors import PoolError
from ..intervals import wilson_interval
from ..sample_identity import is_among
from .pool import Pool
from .pool_classes import class_names_of, in_classes_of
from .pool_samples import hashes_of

KnownBy: TypeAlias = Literal["hash", "outputs", "place"]

# So many models tell samples apart, even where some of them are sure of everything.
TELLING_MODELS = 8
# c(0.05) of the two-sample Kolmogorov-Smirnov test.
KS_FACTOR = 1.358


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDrift:
    """One model on two splits.

    Args:
        name: the model.
        accuracies: on each split.
        difference: second minus first.
        interval: of the difference, 95 % (Newcombe, 1998, doi 10.1002/(SICI)1097-0258(19980430)17,
            method 10: from both Wilson intervals).
        ks: the largest distance of the distributions of its confidences.
        is_drifting: whether `ks` is beyond what chance explains in 19 of 20 cases.
    """

    name: str
    accuracies: tuple[float, float]
    difference: float
    interval: tuple[float, float]
    ks: float
    is_drifting: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two pools side by side.

    Args:
        n_samples: of each.
        n_shared: samples of the first that are in the second.
        known_by: how samples are known: by "hash" where both pools store those of their samples;
            else by "outputs", where the models that are in both answer a sample with the very same
            numbers; without such models by "place", which tells nothing but the same labels in
            the same order.
        n_repeated: samples of each that are in it more than once.
        class_shift: total variation distance of the classes' shares, 0 .. 1.
        models: the models that are in both, in the first one's order.
    """

    n_samples: tuple[int, int]
    n_shared: int
    known_by: KnownBy
    n_repeated: tuple[int, int]
    class_shift: float
    models: tuple[ModelDrift, ...]

    def to_json(self) -> dict[str, Any]:
        """The values as a JSON object."""
        return asdict(self)


def compare_pools(first: Pool, second: Pool, *, on_note: OnNote = unnoted) -> Comparison:
    """Compares two pools, such as the search and the test split of the same models.

    Args:
        first: a pool.
        second: another one; its classes are matched with those of the first.
        on_note: hears how the classes were matched.

    Raises:
        PoolError: they have other classes.
    """
    second = in_classes_of(second, class_names_of(first), on_note=on_note)
    if first.n_classes != second.n_classes:
        counts = f"{first.n_classes} and {second.n_classes}"
        raise PoolError(f"expected as many classes in both, got {counts}", where="compare")
    common = [name for name in first.names if name in second.names]
    *hashes, known_by = _identities(first, second, common)
    shares = [
        np.bincount(pool.label, minlength=pool.n_classes) / pool.n_samples
        for pool in (first, second)
    ]
    return Comparison(
        n_samples=(first.n_samples, second.n_samples),
        n_shared=int(is_among(*hashes).sum()),
        known_by=known_by,
        n_repeated=(
            first.n_samples - len(np.unique(hashes[0], axis=0)),
            second.n_samples - len(np.unique(hashes[1], axis=0)),
        ),
        class_shift=float(np.abs(shares[0] - shares[1]).sum() / 2),
        models=tuple(_drift(name, first, second) for name in common),
    )


def _identities(
    first: Pool, second: Pool, common: Sequence[str]
) -> tuple[ByteArray, ByteArray, KnownBy]:
    if first.samples is not None and second.samples is not None:
        return first.samples, second.samples, "hash"
    if common:
        names = common[:TELLING_MODELS]
        return _fingerprints(first, names), _fingerprints(second, names), "outputs"
    return hashes_of(first), hashes_of(second), "place"


def _fingerprints(pool: Pool, names: Sequence[str]) -> ByteArray:
    """A hash of what some models answer to each sample, uint8 [n_samples, 32]."""
    digests = [hashlib.sha256() for _ in range(pool.n_samples)]
    for name in names:
        for digest, row in zip(digests, pool.probabilities(pool.index(name)), strict=True):
            digest.update(row.tobytes())
    return frozen(np.array([list(digest.digest()) for digest in digests], np.uint8))


def kolmogorov_smirnov(first: DoubleArray, second: DoubleArray) -> float:
    """The largest distance of the two empirical distributions of samples [n] and [m]."""
    places = np.concatenate([first, second])
    shares = [
        np.searchsorted(np.sort(values), places, side="right") / len(values)
        for values in (first, second)
    ]
    return float(np.abs(shares[0] - shares[1]).max())


def _drift(name: str, first: Pool, second: Pool) -> ModelDrift:
    (right_a, a), (right_b, b) = _answers(first, name), _answers(second, name)
    n, m = first.n_samples, second.n_samples
    p, q = right_a / n, right_b / m
    (low_p, high_p), (low_q, high_q) = wilson_interval(right_a, n), wilson_interval(right_b, m)
    difference = q - p
    ks = kolmogorov_smirnov(a, b)
    return ModelDrift(
        name=name,
        accuracies=(p, q),
        difference=difference,
        interval=(
            difference - sqrt((q - low_q) ** 2 + (high_p - p) ** 2),
            difference + sqrt((high_q - q) ** 2 + (p - low_p) ** 2),
        ),
        ks=ks,
        is_drifting=ks > KS_FACTOR * sqrt((n + m) / (n * m)),
    )


def _answers(pool: Pool, name: str) -> tuple[int, DoubleArray]:
    probabilities: FloatArray = pool.probabilities(pool.index(name))
    label: IntArray = probabilities.argmax(axis=1)
    return int((label == pool.label).sum()), probabilities.max(axis=1).astype(np.float64)
