"""From a `SourceModel` to an ONNX member with the softmax inside and a dynamic batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..arrays import FloatArray
from ..errors import ExportError
from ..pools.models.model_runner import chosen_outputs
from ..pools.models.onnx_graph import ends_in_softmax, frozen_batch
from ..pools.models.source_model import SourceModel
from . import onnx_source
from .batch_axis import spell_out_reshapes
from .onnx_model import ModelProto, tidy

Exporter: TypeAlias = Literal["dynamo", "legacy"]

# A row of logits that sums to 1 this exactly, without a negative number, is no row of logits.
SUM_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExportedModel:
    """A member in memory, and the model that it was made of to hold it against.

    Args:
        model: the ONNX member.
        exporter: "dynamo", "legacy", or "onnx" for a file that was given.
        input_dtype: of a sample.
        n_classes: length of a probability row.
        raw: what the original answers to samples [n, *input_shape], float32 [n, n_classes].
        kind: what `raw` gives, "logits" or "probabilities".
        temperature: what logits are divided by.
        frozen_batch: the only batch size that the original takes, None where it takes any.
    """

    model: ModelProto
    exporter: str
    input_dtype: str
    n_classes: int
    raw: Callable[[NDArray[Any]], FloatArray]
    kind: str
    temperature: float
    frozen_batch: int | None = None


def export_member(
    source: SourceModel,
    *,
    input_shape: tuple[int, ...],
    temperature: float = 1.0,
    exporter: Exporter = "dynamo",
) -> ExportedModel:
    """Exports a torch module, or makes a member of an existing ONNX file.

    Args:
        source: the model.
        input_shape: of one sample.
        temperature: what logits are divided by before the softmax.
        exporter: for torch modules.

    Raises:
        ExportError: the model cannot be exported, or is not the kind that its SPEC says.
    """
    if source.onnx_file is not None:
        return _from_onnx(source, input_shape, temperature)
    return _from_torch(source, input_shape, temperature, exporter)


def stated_input_shape(source: SourceModel) -> tuple[int, ...] | None:
    """The shape of one sample that the SPEC, the preprocessing or the ONNX file states.

    Raises:
        ExportError: the ONNX file cannot be read.
    """
    if source.input_shape is not None:
        return source.input_shape
    if source.onnx_file is not None:
        return onnx_source.sample_shape(onnx_source.read_source(source.onnx_file))
    return None


def _from_torch(
    source: SourceModel, input_shape: tuple[int, ...], temperature: float, exporter: Exporter
) -> ExportedModel:
    from . import torch_export  # noqa: PLC0415 - ONNX files need no torch

    if source.build is None:
        raise ExportError("there is no torch module to export", where=source.spec)
    kind = source.kind or "logits"
    module = source.build()
    if source.columns is not None:
        module = torch_export.ChosenColumns(module, source.columns, kind=kind)
    raw = torch_export.raw_outputs(module, source.spec)
    n_classes = _n_classes(raw, input_shape, "float32", kind, source.spec)
    model = torch_export.export_torch(
        module,
        input_shape=input_shape,
        kind=kind,
        temperature=temperature,
        exporter=exporter,
        where=source.spec,
    )
    return ExportedModel(
        model=spell_out_reshapes(tidy(model)),
        exporter=exporter,
        input_dtype="float32",
        n_classes=n_classes,
        raw=raw,
        kind=kind,
        temperature=temperature,
    )


def _from_onnx(
    source: SourceModel, input_shape: tuple[int, ...], temperature: float
) -> ExportedModel:
    path = source.onnx_file
    assert path is not None  # export_member asked
    original = onnx_source.read_source(path)
    has_softmax = ends_in_softmax(original.graph)
    if source.kind == "logits" and has_softmax:
        raise ExportError(
            "the SPEC says kind=logits, but the file ends in a softmax", where=str(path)
        )
    kind = source.kind or ("probabilities" if has_softmax else "logits")
    raw = onnx_source.raw_outputs(path, original)
    if source.columns is not None:
        raw = _chosen(raw, source.columns, kind)
        original = onnx_source.with_columns(original, source.columns, kind=kind)
    dtype = onnx_source.input_dtype(original)
    n_classes = _n_classes(raw, input_shape, dtype, kind, str(path))
    model = onnx_source.member_of(
        original,
        input_shape=input_shape,
        n_classes=n_classes,
        kind=kind,
        temperature=temperature,
        where=str(path),
    )
    frozen = frozen_batch(original)
    try:
        model = spell_out_reshapes(tidy(model))
    except ExportError as cause:
        frozen_at = f"its batch is frozen at {frozen}, and " if frozen else ""
        raise ExportError(f"{frozen_at}{cause}", where=str(path)) from cause
    return ExportedModel(
        model=model,
        exporter="onnx",
        input_dtype=dtype,
        n_classes=n_classes,
        raw=raw,
        kind=kind,
        temperature=temperature,
        frozen_batch=frozen,
    )


def _chosen(
    raw: Callable[[NDArray[Any]], FloatArray], columns: tuple[int, ...], kind: str
) -> Callable[[NDArray[Any]], FloatArray]:
    return lambda x: chosen_outputs(raw(x), columns, kind)


def _n_classes(
    raw: Callable[[NDArray[Any]], FloatArray],
    input_shape: tuple[int, ...],
    dtype: str,
    kind: str,
    where: str,
) -> int:
    """Runs the original once; the answer also tells whether it is of the kind that it should be."""
    x = np.random.default_rng(0).random((2, *input_shape), np.float32)
    try:
        answers = raw((x * 255).astype(dtype) if dtype == "uint8" else x.astype(dtype))
    except ExportError:
        raise
    except Exception as cause:
        # Somebody else's model raises whatever it raises.
        raise ExportError(f"fails on samples {list(input_shape)}: {cause}", where=where) from cause
    are_probabilities = answers.shape[1] > 1 and bool(
        (answers >= 0).all() and (abs(answers.sum(axis=1) - 1) < SUM_TOLERANCE).all()
    )
    if are_probabilities != (kind == "probabilities"):
        found = "probabilities" if are_probabilities else "no probabilities (rows that sum to 1)"
        raise ExportError(
            f"the SPEC says kind={kind}, but the model gives {found}; "
            f"write kind={'probabilities' if are_probabilities else 'logits'} in the SPEC",
            where=where,
        )
    return answers.shape[1]
