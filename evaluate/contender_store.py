"""Compressed pools on the disk: made by streaming, memory-mapped when they are searched.

    FOLDER/contenders.json   sizes, hashes, the pool it belongs to (schemas/contenders.schema.json)
    FOLDER/NAME.npy          the arrays of `Contenders`

The folder `contenders` beside a pool's outputs is found by every search of that pool. It belongs
to the pool of one sha256: when models or labels change, it is out of date and no longer used.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import frozen
from ..errors import PoolError
from ..files import json_text, new_folder, read_json, sha256_of
from ..pools.pool import Pool
from ..pools.pool_io import CONTENDERS
from ..schema import check
from .compress import compress
from .contenders import CHUNK, Contenders

INDEX = "contenders.json"
SIZES = ("n_models", "n_samples", "n_classes", "max_members", "rank", "block")
ARRAYS = {
    "sample": np.int64,
    "label": np.int64,
    "values": np.float32,
    "start": np.int64,
    "classes": np.int64,
    "flat_chunk": np.int64,
    "flat_row": np.int64,
    "flat_values": np.float32,
}


def store_contenders(
    pool: Pool, folder: Path, *, max_members: int, rank: int, overwrite: bool = False
) -> Contenders:
    """Compresses a pool into a folder, atomically; the pool's outputs are read once, in blocks.

    Args:
        pool: the stored outputs.
        folder: to be made.
        max_members: K, of the longest cascade that can be evaluated.
        rank: 1 for the largest mean, 2 for the second-largest, too (see contenders.py).
        overwrite: whether the folder may be there already.
    """
    with new_folder(folder, error=PoolError, overwrite=overwrite) as new:

        def mapped(name: str, shape: tuple[int, ...], dtype: type) -> NDArray[Any]:
            if 0 in shape:
                empty = np.empty(shape, dtype)
                np.save(new / f"{name}.npy", empty, allow_pickle=False)
                return empty
            return np.lib.format.open_memmap(new / f"{name}.npy", "w+", dtype, shape)

        made = compress(pool, max_members=max_members, rank=rank, allocate=mapped)
        for name in ARRAYS:
            array = getattr(made, name)
            if isinstance(array, np.memmap):
                array.flush()
        head = {"format": "encas.contenders", "version": 1, "pool": pool.sha256}
        sizes = {name: int(getattr(made, name)) for name in SIZES}
        hashes = {name: sha256_of(new / f"{name}.npy") for name in ARRAYS}
        (new / INDEX).write_text(json_text(head | sizes | {"arrays": hashes}))
    return load_contenders(folder)


def stored_contenders(pool: Pool, *, max_members: int, rank: int) -> Contenders | None:
    """The contenders beside a pool's outputs; None where there are none that serve.

    Args:
        pool: they must be of its very content.
        max_members: they must be for cascades of so many members, or longer ones.
        rank: they must be of this rank, or of a higher one.

    Raises:
        PoolError: the folder is damaged.
    """
    if pool.path is None or not (pool.path / CONTENDERS / INDEX).is_file():
        return None
    folder = pool.path / CONTENDERS
    content = _read_index(folder)
    if content["pool"] != pool.sha256:
        return None
    if content["max_members"] < max_members or content["rank"] < rank:
        return None
    found = load_contenders(folder)
    expected = (pool.n_models, pool.n_samples, pool.n_classes)
    if (found.n_models, found.n_samples, found.n_classes) != expected:
        raise PoolError(f"the contenders are not of a pool of {expected}", where=str(folder))
    return found


def load_contenders(folder: Path) -> Contenders:
    """Opens a folder of contenders, memory-mapped; whatever compiled code relies on is checked.

    Raises:
        PoolError: the folder is missing, foreign, truncated or inconsistent.
    """
    content = _read_index(folder)
    arrays: dict[str, Any] = {
        name: _open(folder / f"{name}.npy", dtype) for name, dtype in ARRAYS.items()
    }
    sizes = {name: content[name] for name in SIZES if name != "n_samples"}
    found = Contenders(**sizes, **arrays)
    faults = _shape_faults(found, content["n_samples"]) or _content_faults(found)
    if faults:
        raise PoolError(*faults, where=str(folder))
    return found


def check_contenders(folder: Path) -> None:
    """Reads all of a folder of contenders: it is consistent, and its hashes agree.

    Raises:
        PoolError: names every fault.
    """
    load_contenders(folder)
    faults = [
        f"{name}.npy: the content is not the one hashed in {INDEX}"
        for name, digest in _read_index(folder)["arrays"].items()
        if name not in ARRAYS or sha256_of(folder / f"{name}.npy") != digest
    ]
    if faults:
        raise PoolError(*faults, where=str(folder))


def _read_index(folder: Path) -> dict[str, Any]:
    content: Any = read_json(folder / INDEX, error=PoolError)
    check(content, "contenders", error=PoolError, where=str(folder / INDEX))
    return content


def _open(path: Path, dtype: type) -> NDArray[Any]:
    if not path.is_file():
        raise PoolError("no such file", where=str(path))
    try:
        # An empty array cannot be mapped.
        is_empty = 0 in np.load(path, allow_pickle=False).shape if path.stat().st_size < 512 else 0
        array = np.load(path, mmap_mode=None if is_empty else "r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as cause:
        raise PoolError(f"truncated or not an .npy file: {cause}", where=str(path)) from cause
    if array.dtype != dtype:
        raise PoolError(f"expected {np.dtype(dtype)}, got {array.dtype}", where=str(path))
    return frozen(array)


def _shape_faults(found: Contenders, n_samples: int) -> Sequence[str]:
    n_chunks = -(-n_samples // CHUNK)
    if found.start.shape != (n_chunks + 1,):
        return [f"start: expected {(n_chunks + 1,)}, got {found.start.shape}"]
    width = int(found.start[-1])
    n_flat_chunks = len(found.flat_row) if found.flat_row.ndim else 0
    n_flat = len(found.flat_values) if found.flat_values.ndim else 0
    expected = {
        "sample": (n_samples,),
        "label": (n_samples,),
        "values": (width * found.n_models,),
        "classes": (width,),
        "flat_chunk": (n_chunks,),
        "flat_row": (n_flat_chunks, found.n_models, CHUNK),
        "flat_values": (n_flat, found.n_classes),
    }
    return [
        f"{name}: expected {shape}, got {getattr(found, name).shape}"
        for name, shape in expected.items()
        if getattr(found, name).shape != shape
    ]


def _content_faults(found: Contenders) -> Sequence[str]:
    widths = np.diff(found.start)
    is_order = np.array_equal(np.sort(found.sample), np.arange(found.n_samples))
    checks = {
        "start must ascend from 0 by multiples of 64": found.start[0] == 0
        and (widths > 0).all()
        and not (widths % CHUNK).any(),
        "sample must hold every row once": is_order,
        "label must be a class": _is_within(found.label, 0, found.n_classes),
        "classes must be classes": _is_within(found.classes, -1, found.n_classes),
        "flat_chunk must be places of flat_row": _is_within(
            found.flat_chunk, -1, len(found.flat_row)
        ),
        "flat_row must be rows of flat_values": _is_within(
            found.flat_row, -1, len(found.flat_values)
        ),
    }
    return [fault for fault, holds in checks.items() if not holds]


def _is_within(array: NDArray[np.int64], low: int, end: int) -> bool:
    return not array.size or bool(array.min() >= low and array.max() < end)
