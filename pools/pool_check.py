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
from .pool_io import CHANGED, CONTENDERS, HASH_FILES, read_index, stored_models


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
    try:
        pool = Pool.load(path)
    except PoolError as cause:
        if not all(CHANGED in fault for fault in cause.faults):
            raise
        raise PoolError(*_changed_files(path, on_progress), where=str(path)) from cause
    faults = _changed_files(path, on_progress)
    if check_contenders is not None and (path / CONTENDERS).is_dir():
        check_contenders(path / CONTENDERS)
    if not pool.is_compressed:
        outputs = [np.asarray(output) for output in pool.outputs]
        faults += pool_faults(pool.models, outputs, pool.label, pool.classes)
    if faults:
        raise PoolError(*faults, where=str(path))
    return pool


def _changed_files(path: Path, on_progress: OnProgress) -> list[str]:
    content = read_index(path)
    records = [] if content.get("compressed") else stored_models(path, content)
    files = [(record.file, record.sha256) for record in records]
    arrays = [content[key] for key in ("label", *HASH_FILES) if key in content]
    files += [(item["file"], item["sha256"]) for item in arrays]
    return [
        f"{file}: {CHANGED}"
        for file, digest in counted(
            files, what=f"hashing {path}", unit="files", on_progress=on_progress
        )
        if sha256_of(path / file) != digest
    ]


def check_outputs(pool: Pool) -> None:
    """Holds the outputs of a stored pool against their hashes, before all of them are read.

    Raises:
        PoolError: names every file whose content is another.
    """
    if pool.path is None or pool.is_compressed:
        return
    content = read_index(pool.path)
    if content["sha256"] != pool.sha256:
        return
    faults = [
        f"{record.file}: {CHANGED}"
        for record in stored_models(pool.path, content)
        if sha256_of(pool.path / record.file) != record.sha256
    ]
    if faults:
        raise PoolError(*faults, where=str(pool.path))
