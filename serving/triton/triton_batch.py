"""Between Triton's Python backend and arrays: the rows of all requests in one, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils  # pyright: ignore[reportMissingImports] - Triton's
from numpy.typing import NDArray

from ...cascade import Cascade, Decision, confidence_of

EXITS = "encas_exits_total"


def gathered(requests: Sequence[Any], name: str = "input") -> tuple[NDArray[Any], list[int]]:
    """The input of all requests as one array [n, ...], and the rows of each."""
    arrays = [pb_utils.get_input_tensor_by_name(request, name).as_numpy() for request in requests]
    rows = [len(array) for array in arrays]
    return (arrays[0] if len(arrays) == 1 else np.concatenate(arrays)), rows


def gathered_inputs(
    requests: Sequence[Any], names: Sequence[str]
) -> tuple[dict[str, NDArray[Any]], list[int]]:
    """Every input of all requests, each as one array [n, ...], and the rows of each request."""
    found = {name: gathered(requests, name) for name in names}
    return {name: x for name, (x, _) in found.items()}, found[names[0]][1]


def responses(outputs: Mapping[str, NDArray[Any]], rows: Sequence[int]) -> list[Any]:
    """A response for each request, from outputs [n, ...] over the rows of all."""
    return [
        pb_utils.InferenceResponse(
            [
                pb_utils.Tensor(name, np.ascontiguousarray(array[part]))
                for name, array in outputs.items()
            ]
        )
        for part in _parts(rows)
    ]


def outputs_of(decision: Decision, cascade: Cascade) -> dict[str, NDArray[Any]]:
    """The outputs of a cascade: probabilities [n, n_classes], the others [n, 1]."""
    sure = confidence_of(decision.probabilities, cascade.confidence)
    return {
        "probabilities": decision.probabilities,
        "label": decision.label[:, None],
        "stage": decision.stage[:, None],
        "confidence": np.asarray(sure, np.float32)[:, None],
    }


class ExitCounter:
    """Counts in Triton's own metrics how many samples left at each stage."""

    def __init__(self, model: str, n_stages: int) -> None:
        self._family = pb_utils.MetricFamily(
            name=EXITS,
            description="Samples by the stage where they left.",
            kind=pb_utils.MetricFamily.COUNTER,
        )
        self._counters = [
            self._family.Metric(labels={"model": model, "stage": str(stage)})
            for stage in range(1, n_stages + 1)
        ]

    def add(self, stage: NDArray[Any]) -> None:
        """Counts the stages [n] of a batch."""
        counts = np.bincount(stage, minlength=len(self._counters) + 1)[1:]
        for counter, count in zip(self._counters, counts.tolist(), strict=True):
            if count:
                counter.increment(count)


def parameters_of(config: Mapping[str, Any]) -> dict[str, str]:
    """The parameters of a model's configuration."""
    return {key: value["string_value"] for key, value in config["parameters"].items()}


def numbers_of(text: str) -> tuple[float, ...]:
    """The numbers between commas."""
    return tuple(float(part) for part in text.split(",") if part.strip())


def _parts(rows: Sequence[int]) -> Iterator[slice]:
    start = 0
    for n in rows:
        yield slice(start, start + n)
        start += n
