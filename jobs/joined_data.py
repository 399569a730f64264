"""Data and a pool over the same samples: joined by what each sample is known by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..arrays import FloatArray, IntArray
from ..class_names import OnNote, unnoted
from ..data.dataset import Dataset
from ..data.open_source import open_source
from ..data.splits import limited_rows
from ..errors import DataError
from ..export.proofs import Evidence, storage_margin
from ..pools.pool import Pool
from ..pools.pool_classes import class_names_of
from ..pools.pool_samples import hashes_of
from ..sample_identity import place_hashes, positions


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JoinedData:
    """The samples that data and a pool share, in the pool's order.

    Args:
        pool: stored outputs.
        dataset: the samples [n], with labels in the pool's classes.
        rows: int64 [n], the pool's rows of them.
    """

    pool: Pool
    dataset: Dataset
    rows: IntArray

    def limited(self, limit: int | None, *, seed: int) -> JoinedData:
        """A seeded random part with the classes' shares, at most `limit` samples; None: all."""
        chosen = limited_rows(self.dataset.label, limit, seed=seed)
        return JoinedData(pool=self.pool, dataset=self.dataset.take(chosen), rows=self.rows[chosen])

    def evidence(self, names: Sequence[str]) -> Evidence:
        """The stored outputs of models of the pool, as what a bundle must agree with.

        Raises:
            PoolError: the pool has no model of a name.
            DataError: the data has other labels for these samples than the pool.
        """
        pool, places = self.pool, [self.pool.index(name) for name in names]

        def outputs(j: int, rows: IntArray) -> FloatArray:
            return pool.probabilities(places[j], self.rows[rows])

        return Evidence(
            dataset=self.dataset,
            label=pool.label[self.rows],
            outputs=outputs,
            against=f"the outputs stored in pool {pool.name}",
            margin=max(
                storage_margin(str(pool.outputs[place].dtype), pool.models[place].kind)
                for place in places
            ),
        )


def joined_data(
    dataset: Dataset, pool: Pool, *, is_whole: bool = False, on_note: OnNote = unnoted
) -> JoinedData:
    """Joins data and a pool by the hashes of their samples; classes are matched by name.

    A pool that was stored without hashes is joined by place: the data must have its labels.

    Args:
        dataset: opened by its name, a DATA string.
        pool: built on these data, or a part of such a pool.
        is_whole: whether every sample of the pool must be among the data.
        on_note: hears how the classes were matched, and where not all samples are in both.

    Raises:
        DataError: they share no sample, or not all that are needed, or have other classes
            or labels.
    """
    dataset = dataset.in_classes_of(class_names_of(pool), on_note=on_note)
    at = _positions(dataset, pool, on_note)
    rows = np.flatnonzero(at >= 0).astype(np.int64)
    n_shared, n_pool = len(rows), pool.n_samples
    if not n_shared or (is_whole and n_shared < n_pool):
        amount = f"only {n_shared}" if n_shared else "none"
        raise DataError(
            f"not the data that pool {pool.name} belongs to: {amount} of its {n_pool} samples "
            f"{'are' if n_shared > 1 else 'is'} among these {dataset.n_samples}",
            where=dataset.name,
        )
    n_others = int((dataset.label[at[rows]] != pool.label[rows]).sum())
    if n_others:
        raise DataError(
            f"{n_others} of the {n_shared} samples that pool {pool.name} has, too, have another "
            "label there",
            where=dataset.name,
        )
    if n_shared < n_pool:
        on_note(f"{n_shared} of {n_pool} samples of pool {pool.name} are in {dataset.name}")
    return JoinedData(pool=pool, dataset=dataset.take(at[rows]), rows=rows)


def _positions(dataset: Dataset, pool: Pool, on_note: OnNote) -> IntArray:
    """The row of the data for each sample of the pool; -1 where there is none."""
    wanted = hashes_of(pool)
    by_place = positions(wanted, place_hashes(dataset.label))
    if pool.samples is None or (by_place >= 0).all():
        return by_place
    found = positions(wanted, open_source(dataset.name).sample_hashes())
    if (found < 0).all() and np.array_equal(dataset.label, pool.label):
        on_note(
            f"{dataset.name} has no sample of pool {pool.name} by its hash, but all of its labels "
            "in the same order: the samples are taken to be the same"
        )
        return np.arange(pool.n_samples, dtype=np.int64)
    return found
