"""Compressed pools: contenders beside a pool's outputs, or in their place.

The outputs of 518 ImageNet models are 20 GB, their contenders half a gigabyte, and all that a
search needs. Beside the outputs they save every search the time to make them. A compressed pool has
them alone and fits a laptop; its sha256 is that of the whole pool, so that a front found in it can
be exported where the outputs are.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..cascade import Confidence
from ..errors import PoolError
from ..files import json_text, new_folder
from ..pools.pool import Pool
from ..pools.pool_io import CONTENDERS, HASH_FILES, LABEL_FILE, POOL_FILE, read_index
from .contender_store import store_contenders
from .contenders import Contenders, rank_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Compressed:
    """What came of a compression.

    Args:
        path: the folder of the contenders.
        max_members: of the longest cascade that can be searched for.
        classes_per_sample: how many classes are kept, on average.
        compressed_bytes: what the contenders take.
        dense_bytes: what the outputs take.
    """

    path: Path
    max_members: int
    classes_per_sample: float
    compressed_bytes: int
    dense_bytes: int

    def to_json(self) -> dict[str, Any]:
        """The value as a JSON object."""
        return {
            "path": str(self.path),
            "max_members": self.max_members,
            "classes_per_sample": self.classes_per_sample,
            "compressed_bytes": self.compressed_bytes,
            "dense_bytes": self.dense_bytes,
        }


def compress_pool(
    pool: Pool,
    *,
    max_members: int = 5,
    confidence: Confidence = "max_probability",
    out: Path | None = None,
    overwrite: bool = False,
) -> Compressed:
    """Stores a pool's contenders: beside its outputs, or as a compressed pool of its own.

    Args:
        pool: loaded from a folder.
        max_members: of the longest cascade that will be searched for.
        confidence: "margin" and "logit_gap" keep more classes, and serve all but the entropy.
        out: the compressed pool's folder; None stores beside the outputs.
        overwrite: whether what is there may be replaced.

    Raises:
        PoolError: the pool is compressed already, or lies in no folder, or the place is taken.
        SearchError: the confidence needs all classes.
    """
    if pool.is_compressed or pool.path is None:
        raise PoolError("only a folder of outputs can be compressed", where=f"pool {pool.name}")
    longest, rank = min(max_members, pool.n_models), rank_of(confidence)
    if out is None:
        folder = pool.path / CONTENDERS
        made = store_contenders(pool, folder, max_members=longest, rank=rank, overwrite=overwrite)
        return _report(pool, folder, made)
    with new_folder(out, error=PoolError, overwrite=overwrite) as folder:
        made = store_contenders(pool, folder / CONTENDERS, max_members=longest, rank=rank)
        for name in (LABEL_FILE, *HASH_FILES.values()):
            if (pool.path / name).is_file():
                shutil.copyfile(pool.path / name, folder / name)
        content = read_index(pool.path) | {"compressed": True}
        (folder / POOL_FILE).write_text(json_text(content))
    return _report(pool, out / CONTENDERS, made)


def _report(pool: Pool, folder: Path, made: Contenders) -> Compressed:
    return Compressed(
        path=folder,
        max_members=made.max_members,
        classes_per_sample=float((made.classes >= 0).sum()) / made.n_samples,
        compressed_bytes=sum(file.stat().st_size for file in folder.iterdir()),
        dense_bytes=sum(
            output.shape[0] * output.shape[1] * output.dtype.itemsize for output in pool.outputs
        ),
    )
