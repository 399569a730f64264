"""What keeps arrays from being a pool: every fault, one sentence each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..probability_rows import SUM_TOLERANCE
from .model import Model

BLOCK_ROWS = 4096


def pool_faults(
    models: Sequence[Model],
    outputs: Sequence[NDArray[Any]],
    label: NDArray[Any],
    classes: Sequence[str] | None = None,
) -> list[str]:
    """Every fault that keeps these values from being a pool, one sentence each."""
    if not outputs:
        return ["a pool needs at least one model, got none"]
    shape = outputs[0].shape
    faults = _record_faults(models, len(outputs)) + _label_faults(label, shape, classes)
    for index, output in enumerate(outputs):
        model = models[index] if index < len(models) else None
        name = model.name if model else f"model {index}"
        kind = model.kind if model else "logits"
        if output.ndim != 2 or output.shape != shape:
            faults.append(
                f"{name}: outputs must be [n_samples, n_classes] = {shape} as the first model's, "
                f"got {output.shape}"
            )
        elif str(output.dtype) not in ("float16", "float32"):
            faults.append(f"{name}: outputs must be float16 or float32, got {output.dtype}")
        else:
            faults += _value_faults(name, kind, output)
    return faults


def _record_faults(models: Sequence[Model], n_outputs: int) -> list[str]:
    faults = []
    if len(models) != n_outputs:
        faults.append(f"{n_outputs} output arrays need as many models, got {len(models)}")
    names = [model.name for model in models]
    doubles = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(
        names
    ) else []  # fmt: skip
    faults += [f"the model name {name!r} comes more than once" for name in doubles]
    for model in models:
        if not 1 <= len(model.name) <= 512:
            faults.append(f"a model name must have 1 to 512 characters, got {len(model.name)}")
        if model.kind not in ("probabilities", "logits"):
            faults.append(f"{model.name}: kind must be probabilities or logits, got {model.kind!r}")
        faults += [
            f"{model.name}: cost {cost!r} must be a finite number >= 0, got {value:g}"
            for cost, value in model.costs.items()
            if not (np.isfinite(value) and value >= 0)
        ]
        if not (np.isfinite(model.temperature) and model.temperature > 0):
            faults.append(f"{model.name}: temperature must be above 0, got {model.temperature:g}")
    return faults


def _label_faults(
    label: NDArray[Any], shape: tuple[int, ...], classes: Sequence[str] | None
) -> list[str]:
    if len(shape) != 2 or 0 in shape:
        return [f"outputs must be [n_samples, n_classes] with neither 0, got {shape}"]
    n_samples, n_classes = shape
    faults = []
    if classes is not None and len(classes) != n_classes:
        faults.append(f"{n_classes} classes need as many names, got {len(classes)}")
    if label.dtype.kind not in "iu" or label.shape != (n_samples,):
        expected = f"label must be integers [{n_samples}]"
        return [*faults, f"{expected}, got {label.dtype} {list(label.shape)}"]
    outside = np.flatnonzero((label < 0) | (label >= n_classes))
    if len(outside):
        first = outside[0]
        faults.append(
            f"label must be in 0..{n_classes - 1}, got {label[first]} at sample {first} "
            f"({len(outside)} such labels)"
            + ("; they seem to count from 1: subtract 1" if _counts_from_1(label, shape) else "")
        )
    return faults


def _counts_from_1(label: NDArray[Any], shape: tuple[int, ...]) -> bool:
    return bool(label.min() == 1 and label.max() == shape[1])


def _value_faults(name: str, kind: str, output: NDArray[Any]) -> list[str]:
    n_infinite = n_nan = n_negative = n_off = 0
    worst = 1.0
    for start in range(0, len(output), BLOCK_ROWS):
        block = np.asarray(output[start : start + BLOCK_ROWS], np.float32)
        n_nan += int(np.isnan(block).any(axis=1).sum())
        n_infinite += int(np.isinf(block).any(axis=1).sum())
        if kind == "probabilities":
            n_negative += int((block < 0).any(axis=1).sum())
            with np.errstate(invalid="ignore", over="ignore"):
                sums = block.sum(axis=1)
            sums = np.where(np.isfinite(sums), sums, 1.0)
            n_off += int((np.abs(sums - 1) > SUM_TOLERANCE).sum())
            furthest = float(sums[np.argmax(np.abs(sums - 1))])
            worst = furthest if abs(furthest - 1) > abs(worst - 1) else worst
    faults = []
    if n_nan:
        faults.append(f"{name}: NaN in {n_nan} of {len(output)} rows")
    if n_infinite:
        faults.append(f"{name}: infinity in {n_infinite} of {len(output)} rows")
    if n_negative:
        faults.append(f"{name}: negative probability in {n_negative} of {len(output)} rows")
    if n_off:
        faults.append(
            f"{name}: {n_off} of {len(output)} rows of probabilities are far from sum 1 "
            f"(the furthest: {worst:g}); if these are logits, say kind = logits"
        )
    return faults
