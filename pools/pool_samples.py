"""Which samples a pool is about, and which of them no search may see.

A sample is known by the SHA-256 of its bytes. Where a pool was imported without these, a sample is
known by its place among the pool's labels, which tells the same split of the same data again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import BoolArray, ByteArray, frozen
from ..errors import PoolError, SourceError
from ..sample_identity import is_among, place_hashes
from .model import Model
from .models.specs import rebased_spec
from .pool import Pool
from .pool_writing import write_pool


def hashes_of(pool: Pool) -> ByteArray:
    """What each sample of a pool is known by, uint8 [n_samples, 32]."""
    return place_hashes(pool.label) if pool.samples is None else pool.samples


def held_out_rows(pool: Pool) -> BoolArray:
    """Which samples of a pool are kept for the test, bool [n_samples]."""
    if pool.held_out is None or not len(pool.held_out):
        return np.zeros(pool.n_samples, np.bool_)
    return is_among(hashes_of(pool), pool.held_out)


def refuse_held_out(pool: Pool, *, purpose: str) -> None:
    """Lets nobody look at samples that are kept for the test.

    Args:
        pool: what is about to be looked at.
        purpose: what for, as the end of "cannot be used to ...".

    Raises:
        PoolError: the pool has such samples.
    """
    n = int(held_out_rows(pool).sum())
    if n:
        raise PoolError(
            f"{n} of {pool.n_samples} samples are kept for the test and cannot be used to "
            f"{purpose}; use the search part that `encas pool split` made",
            where=f"pool {pool.name}",
        )


def moved_models(pool: Pool, out: Path) -> tuple[Model, ...]:
    """The models of a pool with their sources as a pool in the folder `out` states them.

    A source whose file is no longer there is kept as it is.
    """
    if pool.path is None:
        return pool.models
    return tuple(replace(m, source=_moved(m.source, pool.path, out)) for m in pool.models)


def write_part(
    pool: Pool,
    out: Path,
    *,
    models: Sequence[int] | None = None,
    rows: NDArray[Any] | None = None,
    name: str | None = None,
    overwrite: bool = False,
) -> Pool:
    """Stores some models and samples of a pool in the folder `out`, and returns that pool.

    Args:
        pool: the whole.
        out: a new folder.
        models: their positions; None: all.
        rows: the samples' positions; None: all.
        name: of the part.
        overwrite: take the place of a folder that is there.
    """
    chosen = range(pool.n_models) if models is None else models
    records = moved_models(pool, out)
    about = replace(pool.about, name=name or pool.name)
    if rows is not None:
        samples = None if pool.samples is None else frozen(pool.samples[rows])
        about = replace(about, label=frozen(pool.label[rows]), data="", samples=samples)
    parts = (
        (records[i], pool.outputs[i] if rows is None else pool.outputs[i][rows]) for i in chosen
    )
    write_pool(out, parts, about, overwrite=overwrite)
    return Pool.load(out)


def _moved(source: str, base: Path, out: Path) -> str:
    try:
        return rebased_spec(source, base=base, folder=out) if source else ""
    except SourceError:
        return source
