"""Pools as parquet files, one row for each sample: for whoever analyses them with other tools."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import MissingExtraError
from .pool import Pool
from .pool_samples import sample_hashes

try:
    import pyarrow
    from pyarrow import parquet
except ImportError as error:
    raise MissingExtraError("writing parquet files", extra="data") from error


def export_parquet(pool: Pool, path: Path) -> None:
    """Writes a pool as a parquet file, atomically.

    The columns: `label`; `sample`, the hash that the sample is known by; and for each model one of
    its name, a list of n_classes outputs as stored. The file's metadata under "encas" state each
    model's kind, costs, source and temperature.
    """
    arrays: dict[str, Any] = {
        "label": pyarrow.array(pool.label),
        "sample": pyarrow.array([row.tobytes().hex() for row in sample_hashes(pool)]),
    }
    for name, output in zip(pool.names, pool.outputs, strict=True):
        values = pyarrow.array(np.ascontiguousarray(output).ravel())
        arrays[name] = pyarrow.FixedSizeListArray.from_arrays(values, pool.n_classes)
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
    table = pyarrow.table(arrays).replace_schema_metadata({"encas": json.dumps(about)})
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        parquet.write_table(table, temporary)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
