"""Pools on the disk: the folder format.

    POOL/pool.json            names, kinds, costs, hashes (schemas/pool.schema.json)
    POOL/label.npy            int64 [n_samples]
    POOL/outputs/NAME.npy     float16 or float32 [n_samples, n_classes], one for each model
    POOL/samples.npy          uint8 [n_samples, 32], SHA-256 of each sample's bytes (optional)
    POOL/held_out.npy         uint8 [n, 32], hashes of samples kept for the test (optional)

A model's file is written once and never changed, so a pool can grow model by model. Beside them
may lie POOL/contenders (evaluate/contender_store.py); a compressed pool has them and no outputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict, cast

import numpy as np
from numpy.typing import NDArray

from ..arrays import ByteArray, IntArray, frozen
from ..errors import PoolError
from ..files import inside, read_json
from ..sample_identity import HASH_BYTES
from ..schema import check
from .absent_output import AbsentOutput
from .model import Model, array_sha256, pool_sha256

POOL_FILE = "pool.json"
LABEL_FILE = "label.npy"
OUTPUTS = "outputs"
HASH_FILES = {"samples": "samples.npy", "held_out": "held_out.npy"}
CONTENDERS = "contenders"
CHANGED = "the content is not the one hashed in pool.json"


class PoolFields(TypedDict):
    """What a stored pool is made of; see `Pool`."""

    name: str
    models: tuple[Model, ...]
    outputs: tuple[NDArray[Any], ...]
    label: IntArray
    sha256: str
    classes: tuple[str, ...] | None
    data: str
    path: Path
    samples: ByteArray | None
    held_out: ByteArray | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredModel:
    """A model record and the file in the pool's folder that its outputs lie in."""

    model: Model
    file: str
    sha256: str
    dtype: str


def read_pool(path: Path) -> PoolFields:
    """The fields of a stored `Pool`; sizes, shapes and types are checked, outputs are not read.

    Raises:
        PoolError: the folder is missing, foreign, truncated or has faults.
    """
    content = read_index(path)
    records = stored_models(path, content)
    label = _open_array(path, content["label"]["file"])
    expected = (content["n_samples"], content["n_classes"])
    outputs = [_open_outputs(path, content, record) for record in records]
    models = tuple(record.model for record in records)
    faults = [
        f"{record.file}: expected {record.dtype} {list(expected)}, "
        f"got {out.dtype} {list(out.shape)}"
        for record, out in zip(records, outputs, strict=True)
        if out.shape != expected or str(out.dtype) != record.dtype
    ]
    faults += _label_faults(label, content)
    hashes = {key: _open_hashes(path, content, key) for key in HASH_FILES}
    faults += hash_faults(hashes, content["n_samples"])
    small = {"label": label, **hashes}
    faults += [f"{content[key]['file']}: {CHANGED}" for key in _changed(small, content)]
    names = [model.name for model in models]
    if len(set(names)) < len(names):
        faults.append("a model name comes more than once")
    digest = pool_sha256(models, [r.sha256 for r in records], content["label"]["sha256"])
    if digest != content["sha256"]:
        faults.append("pool.json was changed: its sha256 is not that of its models")
    if faults:
        raise PoolError(*faults, where=str(path))
    return PoolFields(
        name=content["name"],
        models=models,
        outputs=tuple(outputs),
        label=frozen(np.array(label)),
        sha256=digest,
        classes=tuple(content["classes"]) if content.get("classes") else None,
        data=content.get("data", ""),
        path=path,
        samples=hashes["samples"],
        held_out=hashes["held_out"],
    )


def stored_models(path: Path, content: Mapping[str, Any]) -> list[StoredModel]:
    """The records of a pool's `pool.json`; every path is checked to lie inside the folder."""
    records = []
    for item in content["models"]:
        inside(path, item["file"], error=PoolError)
        model = Model(
            name=item["name"],
            kind=item["kind"],
            costs={key: float(value) for key, value in item["costs"].items()},
            source=item.get("source", ""),
            temperature=float(item.get("temperature", 1.0)),
        )
        records.append(
            StoredModel(model=model, file=item["file"], sha256=item["sha256"], dtype=item["dtype"])
        )
    return records


def read_index(path: Path) -> dict[str, Any]:
    """The content of a pool's `pool.json`, checked against its schema.

    Raises:
        PoolError: there is none, or it has faults.
    """
    if not path.is_dir():
        raise PoolError("no such pool folder; make one with `encas pool import`", where=str(path))
    content: Any = read_json(path / POOL_FILE, error=PoolError)
    check(content, "pool", error=PoolError, where=str(path / POOL_FILE))
    return content


def _label_faults(label: NDArray[Any], content: Mapping[str, Any]) -> list[str]:
    n_samples, n_classes = content["n_samples"], content["n_classes"]
    if label.shape != (n_samples,) or label.dtype != np.int64:
        return [f"label: expected int64 [{n_samples}], got {label.dtype} {label.shape}"]
    if label.min() < 0 or label.max() >= n_classes:
        return [f"label must be in 0..{n_classes - 1}"]
    return []


def _changed(
    arrays: Mapping[str, NDArray[Any] | None], content: Mapping[str, Any]
) -> Iterator[str]:
    """Which of a pool's small arrays are not those that were hashed."""
    for key, array in arrays.items():
        if array is not None and array_sha256(array) != content[key]["sha256"]:
            yield key


def _open_hashes(path: Path, content: Mapping[str, Any], key: str) -> ByteArray | None:
    if key not in content:
        return None
    return frozen(np.array(_open_array(path, content[key]["file"])))


def hash_faults(hashes: Mapping[str, ByteArray | None], n_samples: int) -> list[str]:
    """What is wrong with a pool's `samples` and `held_out`, one sentence each."""
    faults = []
    for key, array in hashes.items():
        if array is None:
            continue
        fits = array.ndim == 2 and array.shape[1] == HASH_BYTES and array.dtype == np.uint8
        if not fits or (key == "samples" and len(array) != n_samples):
            rows = n_samples if key == "samples" else "n"
            faults.append(
                f"{key}: expected uint8 [{rows}, {HASH_BYTES}], got {array.dtype} {array.shape}"
            )
    return faults


def _open_outputs(path: Path, content: Mapping[str, Any], record: StoredModel) -> NDArray[Any]:
    if not content.get("compressed"):
        return _open_array(path, record.file)
    shape = (content["n_samples"], content["n_classes"])
    absent = AbsentOutput(shape=shape, dtype=np.dtype(record.dtype), where=str(path))
    return cast("NDArray[Any]", absent)


def _open_array(path: Path, file: str) -> NDArray[Any]:
    place = inside(path, file, error=PoolError)
    if not place.is_file():
        raise PoolError("no such file", where=str(place))
    try:
        return np.load(place, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as cause:
        raise PoolError(f"truncated or not an .npy file: {cause}", where=str(place)) from cause
