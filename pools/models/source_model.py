"""A model that a SPEC names, before anything of it is built: `SourceModel`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import SourceError

if TYPE_CHECKING:
    import torch

KINDS = ("logits", "probabilities")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceModel:
    """A model and what it needs to be fed; exactly one of `build` and `onnx_file` is given.

    Args:
        spec: what the user typed, for example `torch:package.module:callable?width=4`.
        build: makes the torch module in eval mode.
        onnx_file: an existing ONNX file.
        output: of an ONNX file, the one that has the scores; None: the only one.
        kind: what the model returns, as the user says: "logits" or "probabilities"; None: its
            values tell.
        input_shape: of one sample, such as (C, H, W); None where the model does not say.
        preprocessing: how an image file becomes a sample (schemas/preprocessing.schema.json).
        classes: class names of what the model gives, or None.
        columns: which of the model's outputs are wanted, in order; None: all of them.

    Raises:
        SourceError: `build` and `onnx_file` are both given or both missing, or the kind is none.
    """

    spec: str
    build: Callable[[], torch.nn.Module] | None = None
    onnx_file: Path | None = None
    output: str | None = None
    kind: str | None = None
    input_shape: tuple[int, ...] | None = None
    preprocessing: Mapping[str, Any] | None = None
    classes: tuple[str, ...] | None = None
    columns: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        faults = []
        if (self.build is None) == (self.onnx_file is None):
            faults.append("a source has either a torch module to build or an ONNX file")
        if self.kind not in (*KINDS, None):
            faults.append(f"kind must be one of {', '.join(KINDS)}, got {self.kind!r}")
        if faults:
            raise SourceError(*faults, where=self.spec)
