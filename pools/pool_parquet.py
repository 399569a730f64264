"""Pools as parquet files, one row for each sample: for whoever analyses them with other tools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MissingExtraError
from ..files import new_file
from .pool import Pool
from .pool_samples import hashes_of

try:
    import pyarrow
    from pyarrow import parquet
except ImportError as error:
    raise MissingExtraError("writing parquet files", extra="data") from error


GROUP_BYTES = 2**28


def export_parquet(pool: Pool, path: Path) -> None:
    """Writes a pool as a parquet file, atomically and some samples at a time.

    The columns: `label`; `sample`, the hash that the sample is known by; and for each model one of
    its name, a list of n_classes outputs as stored. The file's metadata under "encas" state each
    model's kind, costs, source and temperature.
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
    about = {"name": pool.name, "sha256": pool.sha256, "classes": pool.classes, "models": models}
    columns = [("label", pyarrow.int64()), ("sample", pyarrow.string())]
    columns += [
        (name, _lists(output[:1]).type)
        for name, output in zip(pool.names, pool.outputs, strict=True)
    ]
    return pyarrow.schema(columns, metadata={"encas": json.dumps(about)})


def _lists(output: NDArray[Any]) -> pyarrow.FixedSizeListArray:
    """A list of n_classes outputs for each row of [n, n_classes]."""
    values = pyarrow.array(np.ascontiguousarray(output).ravel())
    return pyarrow.FixedSizeListArray.from_arrays(values, output.shape[1])
