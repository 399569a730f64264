"""Outputs that another program wrote -> a pool, by the kind of the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..class_names import OnNote, unnoted
from ..errors import PoolError
from .array_folder import read_array_folder
from .cost_table import read_costs
from .given_arrays import pool_of_arrays
from .plausibility import note_chance
from .pool import Pool
from .pool_csv import read_pool_csv
from .pool_npz import read_npz


def import_pool(
    path: Path,
    *,
    name: str | None = None,
    dtype: str | None = None,
    costs: Path | None = None,
    on_note: OnNote = unnoted,
) -> Pool:
    """Reads outputs, labels, names and costs of an .npz, .parquet or .csv file, or of a folder.

    What each must have stands in docs/pools.md under "Outputs that are there already".

    Args:
        path: the file, or a folder of .npy and .csv files.
        name: of the pool; None: that of the file.
        dtype: "float16" or "float32", to convert the outputs to.
        costs: a CSV file name,COST,... with further costs, such as the macs.
        on_note: hears how classes were matched and labels were read, and of models that guess.

    Raises:
        PoolError: names every fault of what is there.
        MissingExtraError: a parquet file needs pyarrow.
    """
    pool = pool_of_arrays(
        _arrays_of(path),
        name=name or path.stem,
        where=str(path),
        dtype=dtype,
        costs=read_costs(costs) if costs else None,
        on_note=on_note,
    )
    note_chance(pool, on_note)
    return pool


def _arrays_of(path: Path) -> dict[str, Any]:
    if path.is_dir():
        return read_array_folder(path)
    if not path.is_file():
        raise PoolError("no such file", where=str(path))
    if path.suffix == ".csv":
        return read_pool_csv(path)
    if path.suffix == ".parquet":
        from .pool_parquet import read_pool_parquet  # noqa: PLC0415 - pyarrow is optional

        return read_pool_parquet(path)
    if path.suffix == ".npy":
        raise PoolError(
            "one .npy file has outputs alone; put it as outputs.npy into a folder with label.npy "
            "and models.csv (name,macs), and import the folder",
            where=str(path),
        )
    if path.suffix != ".npz":
        raise PoolError(
            "expected FILE.npz, FILE.parquet, FILE.csv, or a folder of .npy and .csv files",
            where=str(path),
        )
    return read_npz(path)
