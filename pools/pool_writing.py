"""Writing pool folders (pool_io.py says what lies in them), model by model."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import ByteArray, IntArray
from ..errors import PoolError
from ..files import json_text, new_folder, write_atomically
from .model import Model, pool_sha256
from .pool_io import (
    HASH_FILES,
    LABEL_FILE,
    OUTPUTS,
    POOL_FILE,
    StoredModel,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class About:
    """What a pool states besides its models; see `Pool`."""

    name: str
    label: IntArray
    classes: tuple[str, ...] | None = None
    data: str = ""
    samples: ByteArray | None = None
    held_out: ByteArray | None = None


def write_pool(
    path: Path, parts: Iterable[tuple[Model, NDArray[Any]]], about: About, *, overwrite: bool
) -> None:
    """Writes a pool folder, atomically, model by model: no more than one lies in memory.

    Args:
        path: the folder.
        parts: the models with their outputs [n_samples, n_classes].
        about: what else there is to state.
        overwrite: take the place of a folder that is there.

    Raises:
        PoolError: the folder is there already.
    """
    with new_folder(path, error=PoolError, overwrite=overwrite) as folder:
        stored = [store_outputs(folder, model, output) for model, output in parts]
        write_index(folder, stored, about)


def store_outputs(folder: Path, model: Model, output: NDArray[Any]) -> StoredModel:
    """Writes one model's outputs [n_samples, n_classes] into the pool folder, atomically."""
    file = f"{OUTPUTS}/{_file_stem(model.name)}.npy"
    data = _npy_bytes(output)
    write_atomically(folder / file, data)
    digest = hashlib.sha256(data).hexdigest()
    return StoredModel(model=model, file=file, sha256=digest, dtype=str(output.dtype))


def write_index(folder: Path, stored: Sequence[StoredModel], about: About) -> None:
    """Writes the labels, hashes and `pool.json`: the pool consists of the models named there."""
    arrays = {"label": (LABEL_FILE, about.label)}
    arrays |= {
        key: (file, hashes)
        for key, file in HASH_FILES.items()
        if (hashes := getattr(about, key)) is not None
    }
    files = {key: _stored_array(folder, file, array) for key, (file, array) in arrays.items()}
    n_classes = np.load(folder / stored[0].file, mmap_mode="r", allow_pickle=False).shape[1]
    models = [record.model for record in stored]
    digests = [record.sha256 for record in stored]
    content = {
        "format": "encas.pool",
        "version": 1,
        "name": about.name,
        "n_samples": len(about.label),
        "n_classes": int(n_classes),
        "sha256": pool_sha256(models, digests, files["label"]["sha256"]),
        "classes": list(about.classes) if about.classes else None,
        "data": about.data,
        "models": [_record_json(record) for record in stored],
        **files,
    }
    write_atomically(folder / POOL_FILE, json_text(content))


def _record_json(record: StoredModel) -> dict[str, Any]:
    model = record.model
    return {
        "name": model.name,
        "file": record.file,
        "sha256": record.sha256,
        "kind": model.kind,
        "dtype": record.dtype,
        "costs": dict(model.costs),
        "source": model.source,
        "temperature": model.temperature,
    }


def _stored_array(folder: Path, file: str, array: NDArray[Any]) -> dict[str, str]:
    data = _npy_bytes(array)
    write_atomically(folder / file, data)
    return {"file": file, "sha256": hashlib.sha256(data).hexdigest()}


def _npy_bytes(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()


def _file_stem(name: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._")[:80]
    return f"{plain or 'model'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
