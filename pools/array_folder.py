"""Folders of .npy and .csv files that pools are imported from.

FOLDER/outputs.npy               [M, N, C], or else
FOLDER/outputs/NAME.npy|csv      [N, C], one for each model
FOLDER/label.npy|csv             [N]
FOLDER/models.csv                name,kind,macs,params,source,COST,... with a line for each model
FOLDER/KEY.npy|csv               any other array of an .npz file, in a .csv one value a line
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import PoolError
from .pool_csv import read_matrix, read_models, read_values
from .pool_io import OUTPUTS, POOL_FILE
from .pool_npz import not_plain

MODELS_FILE = "models.csv"


def read_array_folder(path: Path) -> dict[str, Any]:
    """The arrays of a folder; `outputs` is one array, or a list with one for each model.

    Raises:
        PoolError: the folder is a pool already, lacks outputs, or a file cannot be read.
    """
    if (path / POOL_FILE).is_file():
        raise PoolError("is a pool already: nothing is left to import", where=str(path))
    arrays: dict[str, Any] = {}
    for file in sorted(path.iterdir()):
        if file.suffix == ".npy":
            arrays[file.stem] = read_npy(file)
        elif file.suffix == ".csv" and file.name != MODELS_FILE:
            arrays[file.stem] = read_values(file)
    if (path / MODELS_FILE).is_file():
        arrays |= read_models(path / MODELS_FILE)
    if (path / OUTPUTS).is_dir():
        arrays |= _outputs_of(path / OUTPUTS, arrays)
    return arrays


def read_npy(path: Path) -> NDArray[Any]:
    """The array of an .npy file.

    Raises:
        PoolError: the file is truncated, or holds Python objects.
    """
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as cause:
        told = not_plain(path.stem, cause)
        raise PoolError(f"not an .npy file of plain numbers: {told}", where=str(path)) from cause


def _outputs_of(folder: Path, arrays: Mapping[str, Any]) -> dict[str, Any]:
    """The outputs of each model in the order of the models, or else of the files' names."""
    read = {".npy": read_npy, ".csv": read_matrix}
    files = {file.stem: file for file in sorted(folder.iterdir()) if file.suffix in read}
    names = [str(name) for name in arrays["name"]] if "name" in arrays else list(files)
    lacking = [name for name in names if name not in files]
    beyond = sorted(set(files) - set(names))
    faults = [f"there is no {name}.npy or {name}.csv" for name in lacking[:3]]
    faults += [f"the model {name!r} is in no line of {MODELS_FILE}" for name in beyond[:3]]
    if faults:
        raise PoolError(*faults, where=str(folder))
    outputs = [read[files[name].suffix](files[name]) for name in names]
    return {"outputs": outputs, "name": np.array(names)}
