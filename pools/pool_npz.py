"""The .npz file of arrays that pools are imported from and exported to."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ..class_names import OnNote, unnoted
from ..errors import PoolError
from ..files import new_file
from .given_arrays import CostTable, pool_of_arrays
from .pool import Pool


def import_npz(
    path: Path,
    *,
    name: str | None = None,
    dtype: str | None = None,
    costs: CostTable | None = None,
    on_note: OnNote = unnoted,
) -> Pool:
    """Reads the arrays outputs [M, N, C], label [N], name [M], macs [M] of an .npz file.

    Optional arrays: kind [M] ("probabilities" or "logits"), params [M], cost_<name> [M],
    source [M], temperature [M], classes [C], samples [N, 32], held_out [n, 32]. `dtype`
    ("float16" or "float32") converts the outputs for storage, `costs` are further costs by model.
    Where the outputs' classes are in another order than the labels', or there are more of them,
    output_classes [C] names them: the labels are matched.

    Raises:
        PoolError: the file is missing, truncated, holds objects, or its arrays have faults.
    """
    return pool_of_arrays(
        read_npz(path),
        name=name or path.stem,
        where=str(path),
        dtype=dtype,
        costs=costs,
        on_note=on_note,
    )


def export_npz(pool: Pool, path: Path) -> None:
    """Writes the arrays of `import_npz`, outputs as stored, atomically and model by model.

    Raises:
        PoolError: some model has no macs, which such a file must state.
    """
    arrays: dict[str, NDArray[Any]] = {
        "kind": np.array([model.kind for model in pool.models]),
        "label": pool.label,
        "name": np.array(pool.names),
        "source": np.array([model.source for model in pool.models]),
        "macs": pool.costs("macs"),
    }
    for cost in sorted(set.intersection(*(set(model.costs) for model in pool.models))):
        key = cost if cost in ("macs", "params") else f"cost_{cost}"
        arrays[key] = pool.costs(cost)
    if pool.classes:
        arrays["classes"] = np.array(pool.classes)
    if any(model.temperature != 1 for model in pool.models):
        arrays["temperature"] = np.array([model.temperature for model in pool.models])
    for key, hashes in (("samples", pool.samples), ("held_out", pool.held_out)):
        if hashes is not None:
            arrays[key] = hashes
    with new_file(path) as temporary, zipfile.ZipFile(temporary, "w", allowZip64=True) as archive:
        with archive.open("outputs.npy", "w", force_zip64=True) as file:
            _write_stack(file, pool.outputs)
        for key, array in arrays.items():
            with archive.open(f"{key}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)


def _write_stack(file: IO[bytes], outputs: Sequence[NDArray[Any]]) -> None:
    """Arrays of one shape as one .npy file, in float32 where their types differ."""
    dtypes = {output.dtype for output in outputs}
    common = np.dtype(np.float32) if len(dtypes) > 1 else next(iter(dtypes))
    shape = (len(outputs), *outputs[0].shape)
    header = {"descr": common.str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    for output in outputs:
        file.write(np.ascontiguousarray(output, common).data)


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays of an .npz file.

    Raises:
        PoolError: the file is missing or truncated, or holds Python objects.
    """
    if not path.is_file():
        raise PoolError("no such file", where=str(path))
    if not zipfile.is_zipfile(path):
        raise PoolError("truncated or not an .npz file", where=str(path))
    key = ""
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays: dict[str, NDArray[Any]] = {}
            for key in archive.files:
                arrays[key] = archive[key]
            return arrays
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zipfile.error) as cause:
        told = not_plain(key, cause)
        raise PoolError(f"not an .npz file of plain arrays: {told}", where=str(path)) from cause


def not_plain(key: str, cause: Exception) -> str:
    """Why numpy does not load an array, with the remedy where it holds Python objects."""
    if "allow_pickle" not in str(cause):
        return str(cause)
    return (
        f"the array {key!r} holds Python objects, which are not read; save texts as "
        f"np.array({key}, dtype=str), numbers as np.array({key}, dtype=float)"
    )
