"""From what a Python user gives to the arrays and the records of a pool."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import PoolError
from .model import Kind, Model, cost_name_fault

WANTED = (
    "outputs must be one array [n_models, n_samples, n_classes], or a list with one array "
    "[n_samples, n_classes] for each model"
)


def output_arrays(outputs: ArrayLike | Sequence[Any], *, where: str) -> tuple[NDArray[Any], ...]:
    """The outputs of each model; float64 becomes float32.

    Raises:
        PoolError: they are no arrays at all. Shapes and values are checked by pool_faults.py.
    """
    given = cast(object, outputs)
    if isinstance(given, Mapping):
        raise PoolError(
            f"{WANTED}, got a {type(given).__name__}; give list(x.values()) as outputs and list(x) "
            "as names",
            where=where,
        )
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        raise PoolError(f"{WANTED}, got {_said(given)}", where=where)
    try:
        return tuple(_as_output(output) for output in cast("Iterable[Any]", given))
    except (TypeError, ValueError) as cause:
        raise PoolError(f"{WANTED}, got {_said(given)}: {cause}", where=where) from cause


def models_of(
    names: Sequence[str] | None,
    costs: Mapping[str, Sequence[float] | NDArray[Any]] | None,
    kind: Kind,
    sources: Sequence[str] | None,
    n_models: int,
    *,
    where: str,
) -> list[Model]:
    """A record for each model; they are called model_0, ... where no names are given.

    Raises:
        PoolError: there are not as many names, costs or sources as models, or a cost has no
            proper name.
    """
    names = names if names is not None else [f"model_{i}" for i in range(n_models)]
    costs = {} if costs is None else costs
    sources = [""] * n_models if sources is None else sources
    faults = _shape_faults(names, costs, sources)
    if faults:
        raise PoolError(*faults, where=where)
    wrong = [f"{key} has {len(v)} values" for key, v in costs.items() if len(v) != n_models]
    wrong += [f"{len(sources)} sources"] if len(sources) != n_models else []
    if len(names) != n_models or wrong:
        counts = "; ".join([f"{len(names)} names", *wrong])
        raise PoolError(
            f"{n_models} models need as many names and costs, got {counts}", where=where
        )
    return [
        Model(
            name=str(name),
            kind=kind,
            costs={key: float(v[i]) for key, v in costs.items()},
            source=str(sources[i]),
        )
        for i, name in enumerate(names)
    ]


def _shape_faults(names: object, costs: object, sources: object) -> list[str]:
    faults = [
        f"{what}s must be a list with one {what} for each model, got {_said(given)}"
        for what, given in (("name", names), ("source", sources))
        if isinstance(given, (str, bytes)) or not hasattr(given, "__len__")
    ]
    if not isinstance(costs, Mapping):
        wanted = 'costs must be a dict of lists with one number for each model, as {"macs": [..]}'
        return [*faults, f"{wanted}, got {_said(costs)}"]
    for name, values in cast("Mapping[Any, Any]", costs).items():
        fault = cost_name_fault(name)
        if fault is not None:
            faults.append(fault)
        if isinstance(values, (str, bytes, Mapping)) or not np.ndim(values):
            faults.append(
                f"cost {name!r} must be a list with one number for each model, got {_said(values)}"
            )
    return faults


def _as_output(output: Any) -> NDArray[Any]:
    array = np.asarray(output)
    return array.astype(np.float32) if array.dtype == np.float64 else array


def _said(value: object) -> str:
    if value is None or isinstance(value, (bool, int, float)):
        return repr(value)
    article = "an" if type(value).__name__[0].lower() in "aeiou" else "a"
    return f"{article} {type(value).__name__}"
