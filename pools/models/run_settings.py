"""How models run: `RunSettings`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Precision: TypeAlias = Literal["float32", "float16", "bfloat16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """How models run.

    Args:
        device: "cpu", "cuda", "cuda:1", ...
        precision: of the arithmetic; below float32, torch decides operator by operator
            (autocast) and ONNX files are run as they are.
        n_threads: of one model on a CPU.
        batch_size: samples at once; None: as many as the model's activations allow.
    """

    device: str = "cpu"
    precision: Precision = "float32"
    n_threads: int = 1
    batch_size: int | None = None
