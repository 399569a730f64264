"""Pools as parquet files, one row for each sample: to other tools, and from them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MissingExtraError, PoolError
from ..files import new_file, parsed_json
from ..sample_identity import place_hashes
from .pool import Pool
from .pool_samples import hashes_of

try:
    import pyarrow
    from pyarrow import parquet
except ImportError as error:
    raise MissingExtraError("parquet files of pools", extra="data") from error

GROUP_BYTES = 2**28
LABEL, SAMPLE, METADATA = "label", "sample", b"encas"
# What the metadata state of each model besides its costs.
PER_MODEL = ("kind", "source", "temperature")


def export_parquet(pool: Pool, path: Path) -> None:
    """Writes a pool as a parquet file, atomically and some samples at a time.

    The columns: `label`; `sample`, the hash that the sample is known by; and for each model one of
    its name, a list of n_classes outputs as stored. The file's metadata under "encas" state each
    model's kind, costs, source and temperature, and the samples that are held out.
    """
    hashes = hashes_of(pool)
    row_bytes = sum(output.dtype.itemsize for output in pool.outputs) * pool.n_classes
    n_rows = max(1, GROUP_BYTES // row_bytes)
    with new_file(path) as temporary, parquet.ParquetWriter(temporary, _schema(pool)) as writer:
        for start in range(0, pool.n_samples, n_rows):
            rows = slice(start, start + n_rows)
            columns = [
                pyarrow.array(pool.label[rows]),
                pyarrow.array([row.tobytes().hex() for row in hashes[rows]]),
                *(_lists(output[rows]) for output in pool.outputs),
            ]
            writer.write_table(pyarrow.Table.from_arrays(columns, schema=writer.schema))


def read_pool_parquet(path: Path) -> dict[str, Any]:
    """The arrays of a parquet file: of one that `export_parquet` wrote, or with the same columns.

    Raises:
        PoolError: the file cannot be read, or has no label or no column of lists.
    """
    try:
        table = parquet.read_table(path)
    except (pyarrow.ArrowException, OSError, ValueError) as cause:
        raise PoolError(f"not a parquet file: {cause}", where=str(path)) from cause
    outputs = {f.name: _matrix(table[f.name], path) for f in table.schema if _is_list(f.type)}
    if LABEL not in table.column_names or not outputs:
        raise PoolError(
            "expected the column label and for each model one of its name with lists of outputs, "
            f"got {', '.join(table.column_names)}",
            where=str(path),
        )
    metadata: Mapping[bytes, bytes] = table.schema.metadata or {}
    about = _about(metadata.get(METADATA), path)
    label = np.array(table[LABEL].to_pylist())
    arrays: dict[str, Any] = {
        "outputs": list(outputs.values()),
        "name": np.array(list(outputs)),
        "label": label,
        **_records(about.get("models", {}), list(outputs)),
    }
    if about.get("classes"):
        arrays["classes"] = np.array(about["classes"])
    hashes = _hashes(table[SAMPLE].to_pylist(), path) if SAMPLE in table.column_names else None
    if hashes is not None and not (
        label.dtype.kind in "iu" and np.array_equal(hashes, place_hashes(label.astype(np.int64)))
    ):
        arrays["samples"] = hashes
    if about.get("held_out"):
        arrays["held_out"] = _hashes(about["held_out"], path)
    return arrays


def _about(text: bytes | None, path: Path) -> dict[str, Any]:
    if text is None:
        return {}
    about = parsed_json(text.decode(), error=PoolError, where=f"{path}, its metadata")
    return dict(about) if isinstance(about, Mapping) else {}


def _records(models: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """What the metadata state of the models, as arrays; nothing where it is not for all."""
    if not set(names) <= set(models):
        return {}
    chosen = [models[name] for name in names]
    costs = set[str].intersection(*(set(model["costs"]) for model in chosen))
    arrays = {key: np.array([model[key] for model in chosen]) for key in PER_MODEL}
    for cost in sorted(costs):
        key = cost if cost in ("macs", "params") else f"cost_{cost}"
        arrays[key] = np.array([model["costs"][cost] for model in chosen], np.float64)
    return arrays


def _hashes(texts: Sequence[str], path: Path) -> NDArray[np.uint8]:
    try:
        rows = [np.frombuffer(bytes.fromhex(text), np.uint8) for text in texts]
        return np.stack(rows)
    except (ValueError, TypeError) as cause:
        fault = f"expected hashes of 64 hexadecimal digits in {SAMPLE}: {cause}"
        raise PoolError(fault, where=str(path)) from cause


def _is_list(kind: pyarrow.DataType) -> bool:
    types = pyarrow.types
    return types.is_list(kind) or types.is_fixed_size_list(kind) or types.is_large_list(kind)


def _matrix(column: pyarrow.ChunkedArray, path: Path) -> NDArray[Any]:
    """A column of lists as [n, n_classes]."""
    lists: Any = column.combine_chunks()
    is_fixed = pyarrow.types.is_fixed_size_list(lists.type)
    lengths = {lists.type.list_size} if is_fixed else set(lists.value_lengths().to_pylist())
    if len(lengths) != 1 or lists.null_count:
        shown = ", ".join(sorted(str(length) for length in lengths)[:4])
        fault = f"expected lists of one length, got {shown} and {lists.null_count} empty cells"
        raise PoolError(fault, where=str(path))
    return np.asarray(lists.flatten().to_numpy()).reshape(len(column), lengths.pop())


def _schema(pool: Pool) -> pyarrow.Schema:
    models = {
        model.name: {
            "kind": model.kind,
            "costs": dict(model.costs),
            "source": model.source,
            "temperature": model.temperature,
        }
        for model in pool.models
    }
    about: dict[str, Any] = {
        "name": pool.name,
        "sha256": pool.sha256,
        "classes": pool.classes,
        "models": models,
    }
    if pool.held_out is not None:
        about["held_out"] = [row.tobytes().hex() for row in pool.held_out]
    columns = [(LABEL, pyarrow.int64()), (SAMPLE, pyarrow.string())]
    columns += [
        (name, _lists(output[:1]).type)
        for name, output in zip(pool.names, pool.outputs, strict=True)
    ]
    return pyarrow.schema(columns, metadata={METADATA: json.dumps(about)})


def _lists(output: NDArray[Any]) -> pyarrow.FixedSizeListArray:
    """A list of n_classes outputs for each row of [n, n_classes]."""
    values = pyarrow.array(np.ascontiguousarray(output).ravel())
    return pyarrow.FixedSizeListArray.from_arrays(values, output.shape[1])
