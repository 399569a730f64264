"""What an ONNX model costs per sample: multiply-adds, parameters, memory.

Exact, because nothing is inferred: one sample of zeros runs through the graph and every tensor's
shape is read off. Counted is what torch's counter counts: convolutions and products of matrices,
those in attention, too. A graph with an operator whose multiply-adds do not follow from shapes
alone (loops, recurrent layers, operators that are not known here) is not guessed at but refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TypeAlias

import numpy as np

from ...errors import MissingExtraError, SourceError, whole_text
from .onnx_graph import frozen_batch, load_inlined, real_inputs

try:
    import onnx
    import onnxruntime
    from onnx import GraphProto, ModelProto, NodeProto, numpy_helper
except ImportError as error:
    raise MissingExtraError("counting what ONNX models cost", extra="export") from error

Shape: TypeAlias = "tuple[int, ...]"

REMEDY = "give the model's macs with --costs FILE.csv, or search by a measured latency"
# Their multiply-adds are not a function of the shapes of their inputs and outputs.
REFUSED = (
    *("CausalConvWithState", "DFT", "DeformConv", "GRU", "If", "LSTM", "LinearAttention"),
    *("Loop", "RNN", "STFT", "Scan", "SequenceMap"),
)
# What ONNX Runtime's optimizer puts into a graph: products, and what multiplies no matrices.
MICROSOFT = "com.microsoft"
FUSED = (
    *("DynamicQuantizeMatMul", "FusedConv", "FusedGemm", "FusedMatMul", "MatMulIntegerToFloat"),
    *("MultiHeadAttention", "QGemm"),
)
POINTWISE = (
    *("BiasDropout", "BiasGelu", "BiasSoftmax", "FastGelu", "Gelu", "NhwcMaxPool", "QLinearAdd"),
    *("QLinearAveragePool", "QLinearConcat", "QLinearGlobalAveragePool", "QLinearLeakyRelu"),
    *("QLinearMul", "QLinearSigmoid", "QLinearSoftmax", "QuickGelu", "SkipLayerNormalization"),
)
PAST_KEY = {"Attention": 4, "MultiHeadAttention": 6}
QUIET = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """The shape of a tensor and its size in memory."""

    shape: Shape
    n_bytes: int


def onnx_costs(
    source: Path | ModelProto, sample_shape: Shape, *, where: str = ""
) -> Mapping[str, float]:
    """The costs of one sample of shape `sample_shape`: macs, params and memory_bytes.

    `source` is a file or a model without functions of its own; `where` names it in errors.

    memory_bytes is the size of the weights and of the activations that are alive at once when the
    nodes run in the file's order, at its peak.

    Raises:
        SourceError: the file cannot be read or run, or its multiply-adds cannot be counted.
    """
    model = load_inlined(source) if isinstance(source, Path) else source
    where = where or str(source if isinstance(source, Path) else source.graph.name)
    faults = list(_refusals(model))
    if faults:
        raise SourceError(*faults, REMEDY, where=where)
    weights = {
        tensor.name: Tensor(shape=tuple(tensor.dims), n_bytes=numpy_helper.to_array(tensor).nbytes)
        for tensor in model.graph.initializer
    }
    batch = frozen_batch(model) or 1
    tensors = weights | _observed(model, (batch, *sample_shape), where=where)
    counted = [n for n in model.graph.node if n.op_type in COUNTERS]
    floats = [tensor for tensor in model.graph.initializer if _is_parameter(tensor)]
    return {
        "macs": sum(COUNTERS[node.op_type](node, tensors) for node in counted) // batch,
        "params": sum(prod(tensor.dims) for tensor in floats),
        "memory_bytes": sum(w.n_bytes for w in weights.values()) + _peak(model.graph, tensors),
    }


def _refusals(model: ModelProto) -> Iterator[str]:
    for node in model.graph.node:
        is_known = node.domain in ("", "ai.onnx") and node.op_type not in REFUSED
        is_fused = node.domain == MICROSOFT and node.op_type in (*POINTWISE, *FUSED)
        if not (is_known or is_fused):
            prefix = f"{node.domain}." if node.domain not in ("", "ai.onnx") else ""
            yield f"cannot count the operator {prefix}{node.op_type}"
        elif _has_past(node) or _has_transposed_batch(node):
            yield f"cannot count the operator {node.op_type} with all that it is given"


def _has_past(node: NodeProto) -> bool:
    """Whether an attention looks at keys besides those of its inputs, or at packed ones."""
    place = PAST_KEY.get(node.op_type)
    if place is None:
        return False
    return any(node.input[place : place + 1]) or not all([*node.input, "", ""][:3])


def _has_transposed_batch(node: NodeProto) -> bool:
    return any(a.name.startswith("transBatch") and a.i for a in node.attribute)


def _is_parameter(tensor: onnx.TensorProto) -> bool:
    """Weights are numbers with a fraction, or their integers; shapes and indices are int64."""
    return tensor.data_type not in (onnx.TensorProto.INT64, onnx.TensorProto.BOOL)


def _observed(model: ModelProto, shape: Shape, *, where: str) -> dict[str, Tensor]:
    """Every tensor that appears when an input of zeros runs."""
    inputs = real_inputs(model.graph)
    if len(inputs) != 1:
        names = [value.name for value in inputs]
        raise SourceError(f"expected one input, got {names}", where=where)
    shown = {value.name for value in model.graph.output}
    names = [name for node in model.graph.node for name in node.output if name]
    watched = ModelProto()
    watched.CopyFrom(model)
    watched.graph.output.extend(onnx.ValueInfoProto(name=n) for n in names if n not in shown)
    elem_type = inputs[0].type.tensor_type.elem_type
    sample = np.zeros(shape, onnx.helper.tensor_dtype_to_np_dtype(elem_type))
    try:
        session = onnxruntime.InferenceSession(
            watched.SerializeToString(), _plain_options(), providers=["CPUExecutionProvider"]
        )
        outputs = [value.name for value in session.get_outputs()]
        arrays = session.run(outputs, {inputs[0].name: sample})
    except Exception as cause:
        # ONNX Runtime's and protobuf's exceptions share no base class but Exception.
        fault = f"cannot be run to count its macs: {whole_text(cause)}"
        raise SourceError(fault, REMEDY, where=where) from cause
    found = {
        name: Tensor(shape=tuple(array.shape), n_bytes=array.nbytes)
        for name, array in zip(outputs, map(np.asarray, arrays), strict=True)
    }
    return found | {inputs[0].name: Tensor(shape=sample.shape, n_bytes=sample.nbytes)}


def _plain_options() -> onnxruntime.SessionOptions:
    """Nothing is fused, so that every tensor of the file appears."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = QUIET
    return options


def _peak(graph: GraphProto, tensors: Mapping[str, Tensor]) -> int:
    """The most bytes of activations alive at once: each from its node to the last that reads it."""
    weights = {tensor.name for tensor in graph.initializer}
    last = {name: i for i, node in enumerate(graph.node) for name in node.input}
    last |= {value.name: len(graph.node) for value in graph.output}
    alive = {value.name for value in graph.input} - weights
    peak = 0
    for index, node in enumerate(graph.node):
        alive |= {name for name in node.output if name in last}
        peak = max(peak, sum(tensors[name].n_bytes for name in alive))
        alive = {name for name in alive if last[name] > index}
    return peak


def _convolution(node: NodeProto, tensors: Mapping[str, Tensor]) -> int:
    kernel = tensors[node.input[3 if node.op_type == "QLinearConv" else 1]]
    return prod(tensors[node.output[0]].shape) * prod(kernel.shape[1:])


def _transposed_convolution(node: NodeProto, tensors: Mapping[str, Tensor]) -> int:
    return prod(tensors[node.input[0]].shape) * prod(tensors[node.input[1]].shape[1:])


def _product(node: NodeProto, tensors: Mapping[str, Tensor]) -> int:
    is_transposed = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
    shared = tensors[node.input[0]].shape[-2 if is_transposed else -1]
    return prod(tensors[node.output[0]].shape) * shared


def _attention(node: NodeProto, tensors: Mapping[str, Tensor]) -> int:
    """Queries by keys, and what comes of that by values; heads may be packed in the last axis."""
    query, key = (tensors[name].shape for name in node.input[:2])
    answer = tensors[node.output[0]].shape
    return prod(query[:-1]) * key[-2] * (query[-1] + answer[-1])


def _einsum(node: NodeProto, tensors: Mapping[str, Tensor]) -> int:
    equation = next(a.s.decode() for a in node.attribute if a.name == "equation")
    terms, arrow, result = equation.replace(" ", "").partition("->")
    operands = terms.split(",")
    if "." in equation or not arrow or len(operands) > 2:
        raise SourceError(f"cannot count the einsum {equation!r}", REMEDY)
    if len(operands) == 1:
        return 0
    shapes = [tensors[name].shape for name in node.input]
    sizes = [
        dict(zip(term, shape, strict=True)) for term, shape in zip(operands, shapes, strict=True)
    ]
    # What one operand alone has and the result has not is summed before anything is multiplied.
    kept = set(result) | (set(operands[0]) & set(operands[1]))
    return prod(size for letter, size in (sizes[0] | sizes[1]).items() if letter in kept)


COUNTERS: Mapping[str, Callable[[NodeProto, Mapping[str, Tensor]], int]] = {
    "Attention": _attention,
    "Conv": _convolution,
    "ConvInteger": _convolution,
    "ConvTranspose": _transposed_convolution,
    "DynamicQuantizeMatMul": _product,
    "Einsum": _einsum,
    "FusedConv": _convolution,
    "FusedGemm": _product,
    "FusedMatMul": _product,
    "Gemm": _product,
    "MatMul": _product,
    "MatMulInteger": _product,
    "MatMulIntegerToFloat": _product,
    "MultiHeadAttention": _attention,
    "QGemm": _product,
    "QLinearConv": _convolution,
    "QLinearMatMul": _product,
}
