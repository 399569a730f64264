"""Reads all of a stored pool: `check_pool`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..errors import PoolError
from ..files import sha256_of
from ..progress import OnProgress, counted, unheard
from .pool import Pool
from .pool_faults import pool_faults
from .pool_io import CONTENDERS, HASH_FILES, read_index, stored_models


def check_pool(
    path: Path,
    *,
    check_contenders: Callable[[Path], None] | None = None,
    on_progress: OnProgress = unheard,
) -> Pool:
    """Opens a pool folder and reads all of it: hashes and values agree, or an error names what.

    Args:
        path: the folder.
        check_contenders: reads the folder of contenders that a search has put beside the outputs
            (evaluate/contender_store.py), or None where nobody is to look at them.
        on_progress: hears how many files are hashed.

    Raises:
        PoolError: names every fault.
    """
    pool = Pool.load(path)
    content = read_index(path)
    records = [] if pool.is_compressed else stored_models(path, content)
    files = [(record.file, record.sha256) for record in records]
    arrays = [content[key] for key in ("label", *HASH_FILES) if key in content]
    files += [(item["file"], item["sha256"]) for item in arrays]
    faults = [
        f"{file}: the content is not the one hashed in pool.json"
        for file, digest in counted(
            files, what=f"hashing {path}", unit="files", on_progress=on_progress
        )
        if sha256_of(path / file) != digest
    ]
    if check_contenders is not None and (path / CONTENDERS).is_dir():
        check_contenders(path / CONTENDERS)
    if not pool.is_compressed:
        outputs = [np.asarray(output) for output in pool.outputs]
        faults += pool_faults(pool.models, outputs, pool.label, pool.classes)
    if faults:
        raise PoolError(*faults, where=str(path))
    return pool
