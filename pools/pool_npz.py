"""The .npz file of arrays that pools are imported from and exported to."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import ByteArray, frozen
from ..class_names import ClassNames, OnNote, matched_classes, unnoted
from ..errors import PoolError
from ..files import new_file
from .model import Model
from .pool import Pool
from .pool_io import hash_faults


def import_npz(
    path: Path,
    *,
    name: str | None = None,
    dtype: str | None = None,
    on_note: OnNote = unnoted,
) -> Pool:
    """Reads the arrays outputs [M, N, C], label [N], name [M], macs [M] of an .npz file.

    Optional arrays: kind [M] ("probabilities" or "logits"), params [M], cost_<name> [M],
    source [M], classes [C], samples [N, 32], held_out [n, 32]. `dtype` ("float16" or "float32")
    converts the outputs for storage. Where the outputs' classes are in another order than the
    labels', or there are more of them, output_classes [C] names them: the labels are matched.

    Raises:
        PoolError: the file is missing, truncated, holds objects, or its arrays have faults.
    """
    arrays = _read_npz(path)
    lacking = [key for key in ("outputs", "label", "name", "macs") if key not in arrays]
    if lacking:
        known = ", ".join(sorted(arrays)) or "no arrays"
        faults = [f"the array {key!r} is missing" for key in lacking]
        raise PoolError(*faults, f"the file has: {known}", where=str(path))
    outputs = arrays["outputs"]
    if outputs.ndim != 3:
        shape = list(outputs.shape)
        raise PoolError(f"outputs must be [models, samples, classes], got {shape}", where=str(path))
    if dtype is not None:
        with np.errstate(over="ignore"):
            outputs = outputs.astype(dtype)
    models = _models_from(arrays, len(outputs), where=str(path))
    label, classes = _labels_from(arrays, where=str(path), on_note=on_note)
    hashes = _hashes_from(arrays, outputs.shape[1], where=str(path))
    pool = _named(
        Pool.of,
        where=str(path),
        outputs=list(outputs),
        label=label,
        models=models,
        name=name or path.stem,
        classes=classes,
    )
    return replace(pool, **hashes)


def _labels_from(
    arrays: Mapping[str, NDArray[Any]], *, where: str, on_note: OnNote
) -> tuple[NDArray[Any], tuple[str, ...] | None]:
    """The labels in the order of the outputs, and the names in that order."""
    named, outputs = (_names(arrays.get(key)) for key in ("classes", "output_classes"))
    label = arrays["label"]
    if outputs is None:
        return label, named
    n_named = len(named) if named else int(label.max(initial=-1)) + 1
    match = matched_classes(
        ClassNames(owner=f"the labels of {where}", n_classes=n_named, names=named),
        ClassNames(owner="the outputs", n_classes=len(outputs), names=outputs),
        error=PoolError,
    )
    if match.note:
        on_note(match.note)
    faults = [f"label must be in 0 .. {n_named - 1}"] if label.max(initial=0) >= n_named else []
    if faults or label.min(initial=0) < 0 or label.dtype.kind not in "iu":
        raise PoolError(*faults or ["label must be whole numbers from 0"], where=where)
    return match.labels(label), outputs


def _names(array: NDArray[Any] | None) -> tuple[str, ...] | None:
    return None if array is None else tuple(str(name) for name in array)


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


def _read_npz(path: Path) -> dict[str, NDArray[Any]]:
    if not path.is_file():
        raise PoolError("no such file", where=str(path))
    if not zipfile.is_zipfile(path):
        raise PoolError("truncated or not an .npz file", where=str(path))
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zipfile.error) as cause:
        raise PoolError(f"not an .npz file of plain arrays: {cause}", where=str(path)) from cause


def _models_from(arrays: Mapping[str, NDArray[Any]], n_models: int, *, where: str) -> list[Model]:
    per_model = {
        key: value
        for key, value in arrays.items()
        if key in ("name", "kind", "macs", "params", "source") or key.startswith("cost_")
    }
    faults = [
        f"{key} must have one value for each of {n_models} models, got shape {list(value.shape)}"
        for key, value in per_model.items()
        if value.shape != (n_models,)
    ]
    costs = {
        key.removeprefix("cost_"): value
        for key, value in per_model.items()
        if key not in ("name", "kind", "source")
    }
    faults += [
        f"{key} must be numbers, got {value.dtype}"
        for key, value in costs.items()
        if value.dtype.kind not in "iuf"
    ]
    if faults:
        raise PoolError(*faults, where=where)
    kinds = per_model.get("kind", np.full(n_models, "probabilities"))
    sources = per_model.get("source", np.full(n_models, ""))
    return [
        Model(
            name=str(per_model["name"][i]),
            kind=str(kinds[i]),  # type: ignore[arg-type]  # checked with all other faults
            costs={key: float(value[i]) for key, value in costs.items()},
            source=str(sources[i]),
        )
        for i in range(n_models)
    ]


def _hashes_from(
    arrays: Mapping[str, NDArray[Any]], n_samples: int, *, where: str
) -> dict[str, ByteArray]:
    found = {key: arrays[key] for key in ("samples", "held_out") if key in arrays}
    faults = hash_faults(found, n_samples)
    if faults:
        raise PoolError(*faults, where=where)
    return {key: frozen(array) for key, array in found.items()}


def _named(make: Any, *, where: str, **arguments: Any) -> Pool:
    try:
        return make(**arguments)
    except PoolError as cause:
        raise PoolError(*cause.faults, where=where) from cause
