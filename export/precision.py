"""Members in float16 and int8: new models, made of an exported float32 member.

float16 is for GPUs; a CPU computes it slowly, but right. int8 is static: weights by channel and
activations are scaled by what calibration samples show, and the scales are part of the file
(QuantizeLinear, DequantizeLinear). Dynamic scales would make a sample's answer depend on who shares
its batch, by up to 0.025 in a probability, so there is no dynamic int8 here.

The softmax stays in float32: exits are decided on its last digits.
"""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeAlias

from numpy.typing import NDArray

from ..arrays import FloatArray
from ..errors import ExportError, MissingExtraError
from .onnx_model import INLINE_LIMIT, GraphProto, ModelProto, load_model, tidy, weight_bytes

try:
    import onnx
    from onnx import TensorProto, helper
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process
    from onnxruntime.transformers import float16
except ImportError as error:
    raise MissingExtraError("converting models to float16 or int8", extra="export") from error

Precision: TypeAlias = Literal["float16", "int8"]

PRECISIONS: tuple[Precision, ...] = ("float16", "int8")
PROBABILITIES, LOGITS = "probabilities", "encas_logits"


def converted(
    model: ModelProto, precision: Precision, batches: Sequence[NDArray[Any]]
) -> ModelProto:
    """A float32 member in another precision, with the same input and output.

    Args:
        model: a member: "input" -> "probabilities", a softmax at its end.
        precision: the arithmetic of everything before the softmax.
        batches: calibration samples [n, ...] for int8; float16 needs none.

    Raises:
        ExportError: the member cannot be converted.
    """
    if precision == "int8" and not batches:
        raise ExportError("int8 needs calibration samples; give --calibrate DATA")
    if weight_bytes(model) > INLINE_LIMIT:
        raise ExportError("models with more than 2 GB of weights cannot be converted")
    body, softmax = _without_softmax(model)
    try:
        made = _as_float16(body) if precision == "float16" else _as_int8(body, batches)
    except Exception as cause:
        # The converters raise whatever their passes raise.
        raise ExportError(f"cannot be converted to {precision}: {cause}") from cause
    made.graph.node.append(softmax)
    made.graph.output[0].CopyFrom(model.graph.output[0])
    _drop_unused_operator_sets(made)
    return tidy(made)


def _without_softmax(model: ModelProto) -> tuple[ModelProto, onnx.NodeProto]:
    """The member up to its logits, and the softmax that it ended in."""
    body = ModelProto()
    body.CopyFrom(model)
    graph = body.graph
    last = next((node for node in graph.node if PROBABILITIES in node.output), None)
    if last is None or last.op_type != "Softmax":
        found = last.op_type if last is not None else "nothing"
        raise ExportError(f"expected a member that ends in a softmax, got {found}")
    softmax = onnx.NodeProto()
    softmax.CopyFrom(last)
    graph.node.remove(last)
    logits = last.input[0]
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [LOGITS if name == logits else name for name in names]
    softmax.input[0] = LOGITS
    dims = [dim.dim_value or dim.dim_param for dim in graph.output[0].type.tensor_type.shape.dim]
    graph.output[0].CopyFrom(helper.make_tensor_value_info(LOGITS, TensorProto.FLOAT, dims))
    return body, softmax


def _as_float16(model: ModelProto) -> ModelProto:
    blocked = [*float16.DEFAULT_OP_BLOCK_LIST, "Softmax"]
    return float16.convert_float_to_float16(model, keep_io_types=True, op_block_list=blocked)


def _as_int8(model: ModelProto, batches: Sequence[NDArray[Any]]) -> ModelProto:
    with _folder() as folder:
        given, prepared, made = (
            str(folder / f"{name}.onnx") for name in ("given", "clean", "int8")
        )
        onnx.save(model, given)
        quant_pre_process(given, prepared, skip_symbolic_shape=True)
        kept = [node.name for node in _softmaxes(onnx.load(prepared).graph)]
        quantization.quantize_static(
            prepared,
            made,
            _Calibration(batches),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            activation_type=quantization.QuantType.QInt8,
            weight_type=quantization.QuantType.QInt8,
            nodes_to_exclude=kept,
        )
        return load_model(Path(made))


@contextmanager
def _folder() -> Generator[Path]:
    with tempfile.TemporaryDirectory(prefix="encas-") as name:
        yield Path(name)


def _softmaxes(graph: GraphProto) -> list[onnx.NodeProto]:
    return [node for node in graph.node if node.op_type == "Softmax"]


def _drop_unused_operator_sets(model: ModelProto) -> None:
    used = {node.domain for node in model.graph.node}
    kept = [opset for opset in model.opset_import if opset.domain in used or not opset.domain]
    del model.opset_import[:]
    model.opset_import.extend(kept)


class _Calibration(quantization.CalibrationDataReader):
    """Hands out batches, one after the other."""

    def __init__(self, batches: Sequence[FloatArray]) -> None:
        self._batches: Iterator[FloatArray] = iter(batches)

    def get_next(  # pyright: ignore[reportIncompatibleMethodOverride] - None ends it, says its text
        self,
    ) -> dict[str, FloatArray] | None:
        """The next batch, None behind the last one."""
        batch = next(self._batches, None)
        return None if batch is None else {"input": batch}
