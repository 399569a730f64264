"""From a `SourceModel` to an ONNX member with the softmax inside and a dynamic batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..arrays import FloatArray
from ..data.samples import converted
from ..errors import ExportError
from ..pools.models.model_runner import chosen_outputs
from ..pools.models.onnx_graph import frozen_batch
from ..pools.models.source_model import SourceModel
from ..probability_rows import are_probabilities
from . import onnx_source
from .batch_axis import spell_out_reshapes
from .member_input import SampleType, feed_member
from .onnx_model import ModelProto, precision_of, tidy, with_names

Exporter: TypeAlias = Literal["dynamo", "legacy"]

# Samples that tell by their values what a model gives, where nobody said it.
PROBE_ROWS = 16
# What torch modules take.
TORCH_DTYPE = "float32"


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
        precision: what the member computes in.
    """

    model: ModelProto
    exporter: str
    input_dtype: str
    n_classes: int
    raw: Callable[[NDArray[Any]], FloatArray]
    kind: str
    temperature: float
    frozen_batch: int | None = None
    precision: str = "float32"


def export_member(
    source: SourceModel,
    *,
    input_shape: tuple[int, ...],
    input_dtype: str | None = None,
    temperature: float = 1.0,
    exporter: Exporter = "dynamo",
    is_bare: bool = False,
) -> ExportedModel:
    """Exports a torch module, or makes a member of an existing ONNX file.

    Args:
        source: the model.
        input_shape: of one sample.
        input_dtype: of the member's samples; None: what the model itself takes.
        temperature: what logits are divided by before the softmax.
        exporter: for torch modules.
        is_bare: no softmax: the output is what the model itself gives, and named after its kind.

    Raises:
        ExportError: the model cannot be exported, or is not the kind that its SPEC says.
    """
    samples = SampleType(dtype=input_dtype or stated_input_dtype(source), shape=input_shape)
    if source.onnx_file is not None:
        exported = _from_onnx(source, samples, temperature, is_bare)
    else:
        exported = _from_torch(source, samples, temperature, exporter, is_bare)
    if is_bare:
        with_names(exported.model.graph, {"probabilities": exported.kind})
    return exported


def stated_input_shape(source: SourceModel) -> tuple[int, ...] | None:
    """The shape of one sample that the SPEC, the preprocessing or the ONNX file states.

    Raises:
        ExportError: the ONNX file cannot be read.
    """
    if source.input_shape is not None:
        return source.input_shape
    if source.onnx_file is not None:
        return onnx_source.sample_shape(_read(source))
    return None


def stated_input_dtype(source: SourceModel) -> str:
    """The type of the samples that a model itself takes.

    Raises:
        ExportError: the ONNX file cannot be read.
    """
    return TORCH_DTYPE if source.onnx_file is None else onnx_source.input_dtype(_read(source))


def _read(source: SourceModel) -> ModelProto:
    assert source.onnx_file is not None  # both who ask for it have looked
    return onnx_source.read_source(source.onnx_file, source.output)


def _from_torch(
    source: SourceModel,
    samples: SampleType,
    temperature: float,
    exporter: Exporter,
    is_bare: bool,
) -> ExportedModel:
    from . import torch_export  # noqa: PLC0415 - ONNX files need no torch

    if source.build is None:
        raise ExportError("there is no torch module to export", where=source.spec)
    module = source.build()
    original = torch_export.raw_outputs(module, source.spec)

    def raw(x: NDArray[Any]) -> FloatArray:
        return original(converted(x, TORCH_DTYPE, where=source.spec))

    answers = _answers(raw, samples, source.kind, source.spec)
    if source.columns is not None:
        module = torch_export.ChosenColumns(module, source.columns, kind=answers.kind)
        answers = answers.chosen(source.columns)
    model = torch_export.export_torch(
        module,
        input_shape=samples.shape,
        # Nothing is put behind probabilities.
        kind="probabilities" if is_bare else answers.kind,
        temperature=temperature,
        exporter=exporter,
        where=source.spec,
    )
    if samples.dtype != TORCH_DTYPE:
        feed_member(model, samples, source.spec)
    return ExportedModel(
        model=spell_out_reshapes(tidy(model)),
        exporter=exporter,
        input_dtype=samples.dtype,
        n_classes=answers.n_classes,
        raw=answers.raw,
        kind=answers.kind,
        temperature=temperature,
        precision=precision_of(model),
    )


def _from_onnx(
    source: SourceModel, samples: SampleType, temperature: float, is_bare: bool
) -> ExportedModel:
    path = source.onnx_file
    assert path is not None  # export_member asked
    original = _read(source)
    raw = onnx_source.raw_outputs(path, original)
    answers = _answers(raw, samples, source.kind, str(path))
    if source.columns is not None:
        original = onnx_source.with_columns(original, source.columns, kind=answers.kind)
        answers = answers.chosen(source.columns)
    model = onnx_source.member_of(
        original,
        samples=samples,
        n_classes=answers.n_classes,
        kind="probabilities" if is_bare else answers.kind,
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
        input_dtype=samples.dtype,
        n_classes=answers.n_classes,
        raw=answers.raw,
        kind=answers.kind,
        temperature=temperature,
        frozen_batch=frozen,
        precision=precision_of(model),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Answers:
    """What the original answers: `raw` gives its outputs [n, n_classes], of a kind."""

    raw: Callable[[NDArray[Any]], FloatArray]
    n_classes: int
    kind: str

    def chosen(self, columns: tuple[int, ...]) -> _Answers:
        """Some of the outputs alone."""

        def raw(x: NDArray[Any]) -> FloatArray:
            return chosen_outputs(self.raw(x), columns, self.kind)

        return replace(self, raw=raw, n_classes=len(columns))


def _answers(
    raw: Callable[[NDArray[Any]], FloatArray], samples: SampleType, stated: str | None, where: str
) -> _Answers:
    """How many classes the original scores and what it gives, by what it answers to some samples.

    Raises:
        ExportError: it fails, or gives no probabilities where it should.
    """
    n = 2 if stated else PROBE_ROWS
    x = np.random.default_rng(0).random((n, *samples.shape), np.float32)
    try:
        answers = raw((x * 255 if samples.dtype == "uint8" else x).astype(samples.dtype))
    except ExportError:
        raise
    except Exception as cause:
        # Somebody else's model raises whatever it raises.
        fault = f"fails on samples {list(samples.shape)}: {cause}"
        raise ExportError(fault, where=where) from cause
    found = "probabilities" if are_probabilities(answers) else "logits"
    if stated == "probabilities" and found != stated:
        raise ExportError(
            "the SPEC says kind=probabilities, but the model gives no probabilities (rows that sum "
            "to 1); write kind=logits in the SPEC, and build the pool anew",
            where=where,
        )
    return _Answers(raw=raw, n_classes=answers.shape[1], kind=stated or found)
