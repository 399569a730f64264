"""Pools out of pools: merged, filtered, without near-identical models."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, reduce
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..arrays import FloatArray, IntArray
from ..class_names import OnNote, unnoted
from ..errors import PoolError
from ..sample_identity import positions, union
from .model import Model
from .pool import Pool
from .pool_classes import class_names_of, in_classes_of
from .pool_samples import hashes_of, moved_models, write_part
from .pool_writing import write_pool

CACHED_MODELS = 8
LABEL_TOLERANCE = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which models of a pool are wanted.

    Args:
        names: patterns, one of which a name must match; none: any name.
        without: patterns, none of which a name may match.
        most: cost -> the largest that is wanted.
        min_accuracy: the smallest accuracy on the pool's samples that is wanted.
        only: names, among which a model must be; None: any.
    """

    names: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    most: Mapping[str, float] | None = None
    min_accuracy: float = 0.0
    only: frozenset[str] | None = None

    def accepts(self, model: Model, accuracy: float) -> bool:
        """Whether a model with this accuracy is wanted; one without a limited cost is not."""
        named = not self.names or any(fnmatch.fnmatchcase(model.name, p) for p in self.names)
        named = named and not any(fnmatch.fnmatchcase(model.name, p) for p in self.without)
        cheap = all(
            model.costs.get(cost, np.inf) <= limit for cost, limit in (self.most or {}).items()
        )
        known = self.only is None or model.name in self.only
        return named and cheap and known and accuracy >= self.min_accuracy


@dataclass(frozen=True, slots=True, kw_only=True)
class Twin:
    """A model that was left out because a cheaper one answers almost the same."""

    name: str
    like: str
    difference: float


def merge_pools(
    pools: Sequence[Pool],
    out: Path,
    *,
    name: str | None = None,
    overwrite: bool = False,
    on_note: OnNote = unnoted,
) -> Pool:
    """Stores all models of pools of the same samples in the folder `out`.

    The samples' order is that of the first pool, the classes' order that of the first pool that
    names them.

    Raises:
        PoolError: names every fault: other samples, labels or classes, models of one name.
    """
    pools = _in_one_order(pools, on_note)
    first = pools[0]
    order = [_rows_like(pool, first) for pool in pools]
    faults = [
        f"pool {pool.name} is about other samples than pool {first.name}"
        for pool, rows in zip(pools, order, strict=True)
        if rows is None
    ]
    faults += [
        f"pool {pool.name} has {pool.n_classes} classes, pool {first.name} {first.n_classes}"
        for pool in pools
        if pool.n_classes != first.n_classes
    ]
    names = [model for pool in pools for model in pool.names]
    doubles = sorted({model for model in names if names.count(model) > 1})
    faults += [f"the model {model!r} is in two pools; filter one" for model in doubles]
    if faults:
        raise PoolError(*faults, where="merge")
    parts = (
        (model, output if rows is None or _is_identity(rows) else output[rows])
        for pool, rows in zip(pools, order, strict=True)
        for model, output in zip(moved_models(pool, out), pool.outputs, strict=True)
    )
    about = replace(
        first.about,
        name=name or first.name,
        classes=next((pool.classes for pool in pools if pool.classes), None),
        held_out=reduce(union, (pool.held_out for pool in pools)),
    )
    write_pool(out, parts, about, overwrite=overwrite)
    return Pool.load(out)


def _in_one_order(pools: Sequence[Pool], on_note: OnNote) -> list[Pool]:
    """The pools with classes in one order, as far as they have the same number of them."""
    named = next((pool for pool in pools if pool.classes), pools[0])
    known = class_names_of(named)
    return [
        in_classes_of(pool, known, on_note=on_note) if pool.n_classes == named.n_classes else pool
        for pool in pools
    ]


def filter_pool(
    pool: Pool, out: Path, wanted: Wanted, *, without: Pool | None = None, overwrite: bool = False
) -> Pool:
    """Stores the wanted models of a pool, on the samples that are not in the pool `without`.

    Raises:
        PoolError: nothing is left.
    """
    accuracies = [
        float((np.argmax(output, axis=1) == pool.label).mean()) for output in pool.outputs
    ]
    models = [
        i
        for i, (model, accuracy) in enumerate(zip(pool.models, accuracies, strict=True))
        if wanted.accepts(model, accuracy)
    ]
    if not models:
        raise PoolError(f"none of {pool.n_models} models is left", where=f"pool {pool.name}")
    rows: IntArray | None = None
    if without is not None:
        is_other = positions(hashes_of(pool), hashes_of(without)) < 0
        rows = np.flatnonzero(is_other).astype(np.int64)
        if not len(rows):
            raise PoolError(f"none of {pool.n_samples} samples is left", where=f"pool {pool.name}")
    return write_part(pool, out, models=models, rows=rows, overwrite=overwrite)


def find_twins(pool: Pool, *, difference: float, cost: str = "macs") -> tuple[Twin, ...]:
    """The models that a cheaper one of the pool makes superfluous.

    Args:
        pool: the stored outputs.
        cost: by which models are cheaper.
        difference: two models are near-identical where the sum over the classes of the
            differences of their probabilities is at most this, on average over the samples (it is
            at most 2), and their labels differ on no more than this share of them plus 1 %.
    """
    costs = pool.costs(cost)
    labels = np.stack([np.argmax(output, axis=1) for output in pool.outputs])
    probabilities = lru_cache(CACHED_MODELS)(pool.probabilities)
    kept: list[int] = []
    twins: list[Twin] = []
    for index in sorted(range(pool.n_models), key=lambda i: (costs[i], i)):
        like = next(
            (
                other
                for other in kept
                if _agree(labels[index], labels[other], difference)
                and _distance(probabilities(index), probabilities(other)) <= difference
            ),
            None,
        )
        if like is None:
            kept.append(index)
            continue
        gap = _distance(probabilities(index), probabilities(like))
        twins.append(Twin(name=pool.names[index], like=pool.names[like], difference=gap))
    return tuple(twins)


def _agree(first: NDArray[np.intp], second: NDArray[np.intp], difference: float) -> bool:
    """The cheaper of the two conditions, which spares most pairs the dearer one."""
    return float((first != second).mean()) <= LABEL_TOLERANCE + difference


def _distance(first: FloatArray, second: FloatArray) -> float:
    return float(np.abs(first - second).sum(axis=1).mean())


def _rows_like(pool: Pool, first: Pool) -> NDArray[np.int64] | None:
    """The rows of a pool in the order of the first pool's samples; None where they differ."""
    if pool.n_samples != first.n_samples:
        return None
    rows = np.arange(pool.n_samples, dtype=np.int64)
    if pool.samples is not None and first.samples is not None:
        is_same = bool((pool.samples == first.samples).all())
        rows = rows if is_same else positions(first.samples, pool.samples)
        if (rows < 0).any() or len(np.unique(rows)) < len(rows):
            return None
    return rows if bool((pool.label[rows] == first.label).all()) else None


def _is_identity(rows: NDArray[np.int64]) -> bool:
    return bool((rows == np.arange(len(rows))).all())
