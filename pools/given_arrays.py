"""Arrays that another program wrote -> a `Pool`: what the readers of all formats share.

The names and shapes of the arrays stand in docs/pools.md under "Outputs that are there already".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import ByteArray, frozen
from ..class_names import ClassNames, OnNote, matched_classes, unnoted
from ..errors import PoolError
from .cost_table import with_costs
from .model import Model
from .pool import Pool
from .pool_io import hash_faults

NEEDED = ("outputs", "label", "name", "macs")
PER_MODEL = ("name", "kind", "macs", "params", "source", "temperature")
MASKED = "for a class that is never meant, store a low logit such as -1e4 in place of -inf"
TEXTS = ("name", "kind", "source", "classes", "output_classes")

CostTable = Mapping[str, Mapping[str, float]]


def pool_of_arrays(
    arrays: Mapping[str, Any],
    *,
    name: str,
    where: str,
    dtype: str | None = None,
    costs: CostTable | None = None,
    on_note: OnNote = unnoted,
) -> Pool:
    """The pool that arrays describe.

    Args:
        arrays: by name; `outputs` is one array [M, N, C] or a list of arrays [N, C].
        name: of the pool.
        where: the file, for errors.
        dtype: "float16" or "float32", to convert the outputs to.
        costs: further costs by model; they may bring the macs.
        on_note: hears how classes were matched and labels were read.

    Raises:
        PoolError: arrays are missing, or have faults.
    """
    arrays = {key: _plain(key, array, where) for key, array in arrays.items()}
    lacking = [key for key in NEEDED if key not in arrays and (key != "macs" or not costs)]
    if lacking:
        known = ", ".join(sorted(arrays)) or "no arrays"
        faults = [f"the array {key!r} is missing" for key in lacking]
        remedy = ["give it, or --costs FILE.csv with name,macs"] if "macs" in lacking else []
        raise PoolError(*faults, *remedy, f"there are: {known}", where=where)
    outputs = _outputs_from(arrays["outputs"], dtype, where)
    models = _models_from(arrays, len(outputs), where=where)
    if costs:
        models = list(with_costs(models, costs, where=where))
    label, classes = _labels_from(arrays, where=where, on_note=on_note)
    hashes = _hashes_from(arrays, len(outputs[0]), where=where)
    try:
        pool = Pool.of(outputs=outputs, label=label, models=models, name=name, classes=classes)
    except PoolError as cause:
        masked = [MASKED] if any("infinity" in fault for fault in cause.faults) else []
        raise PoolError(*cause.faults, *masked, where=where) from cause
    return replace(pool, **hashes)


def _plain(key: str, array: Any, where: str) -> Any:
    """The array in this machine's byte order, texts as text."""
    if key == "outputs" and isinstance(array, (list, tuple)):
        return [_plain(key, one, where) for one in array]
    array = np.asarray(array)
    if array.dtype.kind == "S":
        try:
            return np.char.decode(array, "utf-8")
        except UnicodeDecodeError as cause:
            raise PoolError(
                f"{key} holds bytes that are not UTF-8: {cause}", where=where
            ) from cause
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _outputs_from(given: Any, dtype: str | None, where: str) -> list[NDArray[Any]]:
    if isinstance(given, np.ndarray) and given.ndim != 3:
        shape = list(given.shape)
        raise PoolError(f"outputs must be [models, samples, classes], got {shape}", where=where)
    outputs = [np.asarray(output) for output in given]
    if not outputs:
        raise PoolError("a pool needs at least one model, got none", where=where)
    whole = {str(output.dtype) for output in outputs if output.dtype.kind in "iub"}
    if whole:
        raise PoolError(
            f"outputs are whole numbers ({', '.join(sorted(whole))}), which do not say what they "
            "stand for; store them as floats, such as (outputs - zero_point) * scale",
            where=where,
        )
    outputs = [
        output.astype(np.float32) if output.dtype.kind == "f" and output.itemsize > 4 else output
        for output in outputs
    ]
    with np.errstate(over="ignore"):
        return outputs if dtype is None else [output.astype(dtype) for output in outputs]


def _models_from(arrays: Mapping[str, Any], n_models: int, *, where: str) -> list[Model]:
    per_model: dict[str, NDArray[Any]] = {
        key: value for key, value in arrays.items() if key in PER_MODEL or key.startswith("cost_")
    }
    faults = [
        f"{key} must have one value for each of {n_models} models, got shape {list(value.shape)}"
        for key, value in per_model.items()
        if value.shape != (n_models,)
    ]
    numbers = {key: value for key, value in per_model.items() if key not in TEXTS}
    faults += [
        f"{key} must be numbers, got {value.dtype}"
        for key, value in numbers.items()
        if value.dtype.kind not in "iuf"
    ]
    if faults:
        raise PoolError(*faults, where=where)
    temperatures = numbers.pop("temperature", np.ones(n_models))
    kinds = per_model.get("kind", np.full(n_models, "probabilities"))
    sources = per_model.get("source", np.full(n_models, ""))
    return [
        Model(
            name=str(per_model["name"][i]),
            kind=str(kinds[i]),  # type: ignore[arg-type]  # checked with all other faults
            costs={key.removeprefix("cost_"): float(value[i]) for key, value in numbers.items()},
            source=str(sources[i]),
            temperature=float(temperatures[i]),
        )
        for i in range(n_models)
    ]


def _labels_from(
    arrays: Mapping[str, Any], *, where: str, on_note: OnNote
) -> tuple[NDArray[Any], tuple[str, ...] | None]:
    """The labels in the order of the outputs, and the names in that order."""
    named, outputs = (_names(arrays.get(key)) for key in ("classes", "output_classes"))
    label = _numbered(arrays["label"], named, where, on_note)
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


def _numbered(
    label: NDArray[Any], classes: Sequence[str] | None, where: str, on_note: OnNote
) -> NDArray[Any]:
    """Labels as numbers: from names of classes, one-hot rows, or floats that are whole."""
    if label.dtype.kind == "U":
        return _by_name(label, classes, where)
    if label.ndim == 2 and label.shape[1] > 1 and label.dtype.kind in "biuf":
        is_one_hot = bool(np.isin(label, (0, 1)).all() and (label.sum(axis=1) == 1).all())
        if not is_one_hot:
            raise PoolError(
                f"label must be numbers of classes [N], or one-hot [N, C], got {list(label.shape)}",
                where=where,
            )
        on_note(f"{where}: the labels are one-hot; the place of the 1 is taken")
        return label.argmax(axis=1)
    if label.ndim == 2 and label.shape[1] == 1:
        return _numbered(label[:, 0], classes, where, on_note)
    is_whole = label.dtype.kind == "f" and bool((np.isfinite(label) & (label % 1 == 0)).all())
    return label.astype(np.int64) if is_whole else label


def _by_name(label: NDArray[Any], classes: Sequence[str] | None, where: str) -> NDArray[Any]:
    if classes is None:
        raise PoolError(
            "the labels are names; give the array 'classes' with the names in the outputs' order",
            where=where,
        )
    places = {name: place for place, name in enumerate(classes)}
    unknown = sorted({str(name) for name in label.ravel()} - set(places))
    if unknown:
        fault = f"{len(unknown)} labels are none of the classes (the first: {unknown[0]!r})"
        raise PoolError(fault, where=where)
    numbers = [places[str(name)] for name in label.ravel()]
    return np.array(numbers, np.int64).reshape(label.shape)


def _names(array: NDArray[Any] | None) -> tuple[str, ...] | None:
    return None if array is None else tuple(str(name) for name in array.ravel())


def _hashes_from(arrays: Mapping[str, Any], n_samples: int, *, where: str) -> dict[str, ByteArray]:
    found = {key: arrays[key] for key in ("samples", "held_out") if key in arrays}
    faults = hash_faults(found, n_samples)
    if faults:
        raise PoolError(*faults, where=where)
    return {key: frozen(array) for key, array in found.items()}
