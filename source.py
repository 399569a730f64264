"""A model that a SPEC names, before anything of it is built: `SourceModel`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceModel:
    """A model and what it needs to be fed; exactly one of `build` and `onnx_file` is given.

    Args:
        spec: what the user typed, for example `torch:package.module:callable?width=4`.
        build: makes the torch module in eval mode; it gives logits or probabilities (`kind`).
        onnx_file: an existing ONNX file.
        kind: what the module returns: "logits" or "probabilities"; None where not known yet.
        input_shape: of one sample, (C, H, W); None where the model does not say.
        preprocessing: how an image file becomes a sample (schemas/preprocessing.schema.json).
    """

    spec: str
    build: Callable[[], torch.nn.Module] | None = None
    onnx_file: Path | None = None
    kind: str | None = "logits"
    input_shape: tuple[int, ...] | None = None
    preprocessing: Mapping[str, Any] | None = None
    classes: tuple[str, ...] | None = None
