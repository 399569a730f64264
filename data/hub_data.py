"""Image data sets of the Hugging Face hub, or of a folder like one of its repositories.

The hub keeps them as parquet files: a column of images (their files' bytes) and one of labels.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..arrays import frozen
from ..errors import DataError, MissingExtraError
from ..files import distinct_keys
from .data_source import DataSource, source_of_files
from .image_files import ImageFiles

try:
    import huggingface_hub
    import pyarrow
    from pyarrow import parquet
except ImportError as error:
    raise MissingExtraError("data sets of the Hugging Face hub", extra="data") from error

SPLITS = ("validation", "val", "test", "train")
LABEL_COLUMNS = ("label", "labels", "fine_label")
GROUPS_IN_MEMORY = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class _Columns:
    """The names of the two columns that are read."""

    image: str
    label: str


def open_hub_data(text: str, *, download: bool) -> DataSource:
    """Opens `REPO[:SPLIT]` or `DIR[:SPLIT]`; the split is validation, val, test or train.

    Raises:
        DataError: it is not there and may not, or cannot, be fetched; or it is no data of images.
    """
    target, _, split = text.partition(":")
    files = _files(target, split, download=download)
    schema = parquet.read_schema(files[0])
    columns = _columns_of(schema, where=str(files[0]))
    rows = [(file, group, n) for file in files for group, n in _groups(file)]
    starts = np.cumsum([0] + [n for _, _, n in rows])

    @lru_cache(maxsize=GROUPS_IN_MEMORY)
    def images(index: int) -> Any:
        file, group, _ = rows[index]
        return parquet.ParquetFile(file).read_row_group(group, [columns.image])[columns.image]

    def opener(path: str) -> BinaryIO:
        row = int(path)
        index = int(np.searchsorted(starts, row, "right")) - 1
        return io.BytesIO(images(index)[row - int(starts[index])].as_py()["bytes"])

    label = _labels(files, columns)
    made = ImageFiles(
        root=Path(target),
        paths=tuple(str(row) for row in range(len(label))),
        label=frozen(label),
        classes=(),
        opener=opener,
    )
    source = source_of_files(made, name=f"hf-data:{text}")
    return replace(source, classes=_class_names(schema, columns.label))


def _files(target: str, split: str, *, download: bool) -> list[Path]:
    root = Path(target) if Path(target).is_dir() else _snapshot(target, split, download=download)
    for name in [split] if split else SPLITS:
        files = sorted([*root.rglob(f"{name}-*.parquet"), *root.rglob(f"{name}.parquet")])
        if files:
            return files
    wanted = split or " or ".join(SPLITS)
    raise DataError(f"no {wanted}-*.parquet here", where=str(root))


def _snapshot(repository: str, split: str, *, download: bool) -> Path:
    patterns = [f"**/{name}*.parquet" for name in ([split] if split else SPLITS)]
    try:
        found = huggingface_hub.snapshot_download(
            repository,
            repo_type="dataset",
            allow_patterns=[*patterns, *(p.removeprefix("**/") for p in patterns)],
            local_files_only=not download,
        )
    except (OSError, ValueError) as cause:
        cache = huggingface_hub.constants.HF_HUB_CACHE
        raise DataError(
            f"{repository} is not in the hub's cache {cache}: give --download, or copy its folder "
            f"datasets--{repository.replace('/', '--')} there",
            where=f"hf-data:{repository}",
        ) from cause
    return Path(found)


def _columns_of(schema: pyarrow.Schema, *, where: str) -> _Columns:
    images = [
        field.name
        for field in schema
        if pyarrow.types.is_struct(field.type) and field.type.get_field_index("bytes") >= 0
    ]
    labels = [name for name in LABEL_COLUMNS if name in schema.names]
    if not images or not labels:
        raise DataError(
            f"expected a column of images and one of {', '.join(LABEL_COLUMNS)}; "
            f"the columns are {', '.join(schema.names)}",
            where=where,
        )
    return _Columns(image=images[0], label=labels[0])


def _groups(file: Path) -> list[tuple[int, int]]:
    meta = parquet.ParquetFile(file).metadata
    return [(group, meta.row_group(group).num_rows) for group in range(meta.num_row_groups)]


def _labels(files: Sequence[Path], columns: _Columns) -> Any:
    tables = [parquet.read_table(file, columns=[columns.label]) for file in files]
    label = np.concatenate([table[columns.label].to_numpy() for table in tables])
    if label.dtype.kind not in "iu" or label.min() < 0:
        raise DataError(f"expected labels >= 0, got {label.dtype}", where=str(files[0].parent))
    return label.astype(np.int64)


def _class_names(schema: pyarrow.Schema, column: str) -> tuple[str, ...] | None:
    """The class names that the library `datasets` writes into a file's metadata."""
    text = (schema.metadata or {}).get(b"huggingface")
    features = json.loads(text, object_pairs_hook=distinct_keys)["info"]["features"] if text else {}
    names = features.get(column, {}).get("names")
    return tuple(names) if names else None
