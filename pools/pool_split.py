"""Splits a pool into search, selection and test samples, once and for all.

The test samples' hashes go along with all parts, with whatever is made of them, and into the
pool that was split: a search refuses a pool that has one of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..arrays import ByteArray, IntArray, frozen
from ..data.splits import stratified_order
from ..errors import PoolError
from ..files import new_folder
from ..sample_identity import union
from .pool import Pool, given_pool
from .pool_io import read_index, stored_models
from .pool_samples import hashes_of, held_out_rows, write_part
from .pool_writing import write_index

PARTS = ("search", "selection", "test")
SHARE_TOLERANCE = 1e-6


def split_pool(
    pool: Pool | str | Path,
    *,
    search: float = 0.5,
    selection: float = 0.25,
    test: float = 0.25,
    seed: int = 0,
    out: str | Path | None = None,
) -> dict[str, Pool]:
    """Splits a pool into parts by name: "search", "selection" and "test".

    Every part has the classes' shares. Samples that an earlier split kept for the test stay in
    the test part; equal samples stay together.

    Args:
        pool: the whole, or its folder; where it is stored, its test samples are noted there, too.
        search: share of the samples to search on. The shares add up to 1; a part of share 0 is
            not made.
        selection: share to choose a cascade on.
        test: share to report on; it never chooses anything.
        seed: the same seed gives the same parts.
        out: a new folder for out/search, out/selection and out/test, written atomically; without
            it, the parts of a pool in memory stay in memory.

    Raises:
        PoolError: the shares make no split, a part would be empty, `out` exists, or is missing
            for a pool that lies in a folder.
    """
    whole = given_pool(pool)
    if out is None and whole.path is not None:
        raise PoolError(
            "the pool lies in a folder, and so must its parts: give out=, a new folder for them",
            where=str(whole.path),
        )
    shares = {"search": search, "selection": selection, "test": test}
    rows = split_rows(whole, shares, seed=seed)
    hashes = hashes_of(whole)
    tested = hashes[rows["test"]] if "test" in rows else hashes[:0]
    known = replace(whole, samples=hashes, held_out=union(whole.held_out, frozen(tested)))
    if out is None:
        return {name: known.take(at, name=f"{known.name}-{name}") for name, at in rows.items()}
    return _written(known, Path(out), rows)


def split_rows(pool: Pool, shares: Mapping[str, float], *, seed: int) -> dict[str, IntArray]:
    """The rows of each part with a share above 0, ascending.

    Raises:
        PoolError: the shares make no split, or a part would be empty.
    """
    _check_shares(shares)
    distinct, first, inverse = np.unique(
        hashes_of(pool), axis=0, return_index=True, return_inverse=True
    )
    inverse = inverse.ravel()
    is_held_out = np.zeros(len(distinct), np.bool_)
    np.logical_or.at(is_held_out, inverse, held_out_rows(pool))
    part = np.full(len(distinct), PARTS.index("test"))
    # In the order of the pool, not of the hashes: readers can predict what a seed does.
    free = np.array(sorted(np.flatnonzero(~is_held_out), key=lambda i: first[i]), np.int64)
    order = free[stratified_order(pool.label[first[free]], rng=np.random.default_rng(seed))]
    wanted = _counts(shares, len(distinct), int(is_held_out.sum()))
    bounds = np.cumsum([wanted["search"], wanted["selection"]])
    for index, chosen in enumerate(np.split(order, bounds)):
        part[chosen] = index
    of_sample = part[inverse]
    rows = {
        name: np.flatnonzero(of_sample == index).astype(np.int64)
        for index, name in enumerate(PARTS)
        if shares.get(name, 0) > 0 or (of_sample == index).any()
    }
    empty = [name for name, chosen in rows.items() if not len(chosen)]
    if empty:
        raise PoolError(f"no samples are left for {', '.join(empty)}", where=f"pool {pool.name}")
    return rows


def _written(pool: Pool, out: Path, rows: Mapping[str, IntArray]) -> dict[str, Pool]:
    """The parts of a pool as folders; where the pool is one, it notes its test samples, too."""
    if out.exists():
        raise PoolError("already exists; give another path", where=str(out))
    with new_folder(out, error=PoolError) as folder:
        for name, chosen in rows.items():
            write_part(pool, folder / name, rows=chosen, name=f"{pool.name}-{name}")
        if pool.path is not None and pool.samples is not None:
            mark_held_out(pool.path, samples=pool.samples, held_out=pool.held_out)
    return {name: Pool.load(out / name) for name in rows}


def _counts(shares: Mapping[str, float], n: int, n_held_out: int) -> dict[str, int]:
    """How many free samples go into search and selection; the rest is for the test."""
    n_free = n - n_held_out
    wanted = {name: round(shares.get(name, 0) * n) for name in PARTS[:2]}
    if shares.get("test", 0) == 0 and not n_held_out:
        wanted["selection"] = n - wanted["search"] if wanted["selection"] else 0
        wanted["search"] = n - wanted["selection"]
    total = sum(wanted.values())
    if total > n_free:
        # More is kept for the test than this split asks for; the others share what is left.
        wanted["search"] = round(n_free * wanted["search"] / total)
        wanted["selection"] = n_free - wanted["search"]
    return wanted


def _check_shares(shares: Mapping[str, float]) -> None:
    faults = [f"unknown part {name!r}" for name in shares if name not in PARTS]
    faults += [
        f"the share of {name} must be in [0, 1], got {share:g}"
        for name, share in shares.items()
        if not 0 <= share <= 1
    ]
    total = sum(shares.values())
    if not faults and abs(total - 1) > SHARE_TOLERANCE:
        faults.append(f"the shares must add up to 1, got {total:g}")
    if faults:
        raise PoolError(*faults, where="split")


def mark_held_out(path: Path, *, samples: ByteArray, held_out: ByteArray | None) -> None:
    """Notes in a pool's folder which samples are kept for the test; its sha256 stays.

    Raises:
        PoolError: the folder is no pool.
    """
    about = replace(Pool.load(path).about, samples=samples, held_out=held_out)
    write_index(path, stored_models(path, read_index(path)), about)
