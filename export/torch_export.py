"""Torch modules -> ONNX models with the softmax inside and a dynamic batch.

Two exporters: "dynamo" (torch.export, the default) and "legacy" (TorchScript), faster on small
nets. One never stands in for the other.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from ..arrays import FloatArray
from ..errors import ExportError, MissingExtraError
from .onnx_model import ModelProto, load_model

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise MissingExtraError("exporting torch models", extra="export") from error

Exporter: TypeAlias = Literal["dynamo", "legacy"]

OPSET = 18
# torch.export takes a dimension of size 0 or 1 for a constant.
EXAMPLE_BATCH = 2
# What the exporters of torch 2.5 .. 2.13 themselves warn of; the proof looks at the result.
KNOWN_WARNINGS: tuple[tuple[str, type[Warning]], ...] = (
    (r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning),
    (r"You are using the legacy TorchScript-based ONNX export", DeprecationWarning),
    (r"The feature will be removed", DeprecationWarning),
    (r"Constant folding .* not applied", UserWarning),
    (r"", torch.jit.TracerWarning),  # pyright: ignore[reportPrivateImportUsage]
)


class Probabilities(nn.Module):
    """A classifier with softmax(logits / temperature) behind it."""

    def __init__(self, module: nn.Module, *, kind: str, temperature: float) -> None:
        super().__init__()
        self.module = module
        self.kind = kind
        self.temperature = temperature

    def forward(self, x: Tensor) -> Tensor:
        """Probabilities [n, n_classes] of samples x."""
        raw = cast(Tensor, self.module(x))
        if self.kind == "probabilities" and self.temperature == 1:
            return raw
        logits = raw if self.kind == "logits" else raw.clamp(min=torch.finfo(raw.dtype).tiny).log()
        return torch.softmax(logits if self.temperature == 1 else logits / self.temperature, dim=-1)


class ChosenColumns(nn.Module):
    """A classifier of which some outputs are wanted; probabilities are divided by their sum."""

    def __init__(self, module: nn.Module, columns: tuple[int, ...], *, kind: str) -> None:
        super().__init__()
        self.module = module
        self.kind = kind
        self.register_buffer("columns", torch.tensor(columns), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """The outputs [n, n_columns] of samples x."""
        chosen = torch.index_select(self.module(x), 1, cast(Tensor, self.columns))
        return chosen / chosen.sum(1, keepdim=True) if self.kind == "probabilities" else chosen


def export_torch(
    module: nn.Module,
    *,
    input_shape: tuple[int, ...],
    kind: str,
    temperature: float,
    exporter: Exporter,
    where: str,
) -> ModelProto:
    """The ONNX model of a torch module, input "input", output "probabilities".

    Raises:
        ExportError: the exporter fails, with its reason.
    """
    wrapped = Probabilities(module, kind=kind, temperature=temperature).eval()
    example = torch.rand(EXAMPLE_BATCH, *input_shape)
    export = _export_dynamo if exporter == "dynamo" else _export_legacy
    try:
        with _known_warnings(), torch.no_grad():
            return export(wrapped, example)
    except Exception as cause:
        # The exporters raise whatever the module's code and their own passes raise.
        other = "legacy" if exporter == "dynamo" else "dynamo"
        reason = str(cause).strip().splitlines() or [type(cause).__name__]
        raise ExportError(
            f"the exporter {exporter} failed: {reason[0]}; try --exporter {other}", where=where
        ) from cause


def raw_outputs(module: nn.Module, where: str) -> Callable[[NDArray[Any]], FloatArray]:
    """What the module itself answers to samples [n, ...], float32 [n, n_classes].

    Raises (the function returned):
        ExportError: the module gives something else than one row per sample.
    """

    def run(x: NDArray[Any]) -> FloatArray:
        with torch.no_grad():
            raw = module(torch.from_numpy(np.ascontiguousarray(x)))
        if not isinstance(raw, Tensor) or raw.ndim != 2 or len(raw) != len(x):
            got = list(raw.shape) if isinstance(raw, Tensor) else type(raw).__name__
            raise ExportError(f"expected outputs [{len(x)}, n_classes], got {got}", where=where)
        return np.asarray(raw.numpy(), np.float32)

    return run


def _export_dynamo(wrapped: nn.Module, example: Tensor) -> ModelProto:
    program = torch.onnx.export(
        wrapped,
        (example,),
        dynamo=True,
        input_names=["input"],
        output_names=["probabilities"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        opset_version=OPSET,
        verbose=False,
    )
    assert program is not None  # it is None only without dynamo
    return program.model_proto


def _export_legacy(wrapped: nn.Module, example: Tensor) -> ModelProto:
    with tempfile.TemporaryDirectory(prefix="encas-") as folder:
        path = Path(folder) / "member.onnx"
        torch.onnx.export(
            wrapped,
            (example,),
            str(path),
            dynamo=False,
            input_names=["input"],
            output_names=["probabilities"],
            dynamic_axes={"input": {0: "batch"}, "probabilities": {0: "batch"}},
            opset_version=OPSET,
        )
        return load_model(path)


@contextmanager
def _known_warnings() -> Generator[None]:
    with warnings.catch_warnings():
        for message, category in KNOWN_WARNINGS:
            warnings.filterwarnings("ignore", message, category)
        yield
