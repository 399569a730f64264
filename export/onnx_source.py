"""Existing ONNX files -> members: softmax recognised or added, names and batch made ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import FloatArray
from ..data.samples import converted
from ..errors import ExportError, MissingExtraError, SourceError
from ..pools.models.onnx_batch import thaw
from ..pools.models.onnx_graph import frozen_batch, real_inputs, training_operators
from ..pools.models.onnx_outputs import with_scores_alone
from ..processors import usable_processors
from ..runtime.device import Device
from ..runtime.ort_opening import open_session
from .member_input import SampleType, feed
from .onnx_model import (
    GraphProto,
    ModelProto,
    fresh_name,
    load_model,
    tensor_names,
    with_names,
)

try:
    from onnx import NodeProto, TensorProto, helper, numpy_helper
except ImportError as error:
    raise MissingExtraError("exporting to ONNX", extra="export") from error

INPUT_TYPES = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.UINT8, TensorProto.DOUBLE)
# scikit-learn's converter does not say what the scores are.
OUTPUT_TYPES = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.UNDEFINED)
CHUNK = 64
# From this opset on, what is summed over is an input of ReduceL1, not an attribute.
L1_AXES_AS_INPUT = 18


def read_source(path: Path, output: str | None = None) -> ModelProto:
    """An ONNX file that can become a member: one input of samples, one output of rows.

    Args:
        path: the file.
        output: which of its outputs has the scores; None: the only one.

    Raises:
        ExportError: names every fault of it.
    """
    model = load_model(path)
    try:
        model = with_scores_alone(model, output, where=str(path))
    except SourceError as cause:
        raise ExportError(*cause.faults, where=str(path)) from cause
    inputs, outputs = real_inputs(model.graph), list(model.graph.output)
    faults = []
    if len(inputs) != 1:
        faults.append(f"expected one input, got {[value.name for value in inputs]}")
    elif inputs[0].type.tensor_type.elem_type not in INPUT_TYPES:
        faults.append("expected an input of type float32, float16, float64 or uint8")
    elif len(inputs[0].type.tensor_type.shape.dim) < 2:
        faults.append("expected an input [batch, ...] of known rank")
    if outputs[0].type.tensor_type.elem_type not in OUTPUT_TYPES:
        faults.append("expected an output of type float32, float16 or float64")
    trained = training_operators(model)
    if trained:
        faults.append(
            f"was exported in training mode ({', '.join(trained)}): export it after model.eval()"
        )
    if faults:
        raise ExportError(*faults, where=str(path))
    return model


def sample_shape(model: ModelProto) -> tuple[int, ...] | None:
    """The shape of one sample that a model states, None where a dimension is free."""
    dims = real_inputs(model.graph)[0].type.tensor_type.shape.dim[1:]
    shape = tuple(int(dim.dim_value) for dim in dims)
    return shape if all(shape) else None


def input_dtype(model: ModelProto) -> str:
    """The type of the samples that a member made of a model takes, for example "float32"."""
    elem_type = _given_type(model.graph)
    return "float32" if elem_type == TensorProto.DOUBLE else _numpy_type(elem_type)


def raw_outputs(path: Path, model: ModelProto) -> Callable[[NDArray[Any]], FloatArray]:
    """What an ONNX file as it was given answers to samples [n, ...], float32 [n, n_classes].

    Raises:
        ExportError: the file cannot be run; so does the function returned, where it gives
            something else than one row per sample.
    """
    device, n_threads = Device(kind="cpu"), usable_processors()
    names = [value.name for value in model.graph.output]
    session = open_session(path, device=device, n_threads=n_threads, name=str(path))
    if [output.name for output in session.get_outputs()] != names:
        content = model.SerializeToString()
        session = open_session(content, device=device, n_threads=n_threads, name=str(path))
    name = real_inputs(model.graph)[0].name
    fixed = frozen_batch(model)
    dtype, rank = _numpy_type(_given_type(model.graph)), len(session.get_inputs()[0].shape)

    def run(x: NDArray[Any]) -> FloatArray:
        x = converted(x.reshape(len(x), -1) if rank == 2 else x, dtype, where=str(path))
        size = fixed or CHUNK
        pieces = [_padded(x[i : i + size], fixed) for i in range(0, len(x), size)]
        answers = [np.asarray(session.run(None, {name: piece})[0]) for piece in pieces]
        for piece, raw in zip(pieces, answers, strict=True):
            if raw.ndim != 2 or len(raw) != len(piece):
                shape = list(raw.shape)
                raise ExportError(
                    f"expected outputs [{len(piece)}, n_classes], got {shape}", where=str(path)
                )
        return np.concatenate(answers)[: len(x)].astype(np.float32)

    return run


def with_columns(model: ModelProto, columns: tuple[int, ...], *, kind: str) -> ModelProto:
    """The same model with some of its outputs, in order; probabilities are divided by their sum."""
    chosen = ModelProto()
    chosen.CopyFrom(model)
    graph = chosen.graph
    taken, given = tensor_names(graph), graph.output[0].name
    names = {what: fresh_name(f"encas_{what}", taken) for what in ("columns", "chosen")}
    graph.initializer.append(numpy_helper.from_array(np.array(columns, np.int64), names["columns"]))
    graph.node.append(
        helper.make_node("Gather", [given, names["columns"]], [names["chosen"]], axis=1)
    )
    last = names["chosen"]
    if kind == "probabilities":
        total, share = (fresh_name(f"encas_{what}", taken) for what in ("total", "share"))
        norm = helper.make_node("ReduceL1", [last], [total], keepdims=1, axes=[1])
        if _opset(model) >= L1_AXES_AS_INPUT:
            axes = fresh_name("encas_axes", taken)
            graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), axes))
            norm = helper.make_node("ReduceL1", [last, axes], [total], keepdims=1)
        graph.node.extend([norm, helper.make_node("Div", [last, total], [share])])
        last = share
    graph.output[0].name = last
    dims = graph.output[0].type.tensor_type.shape.dim
    if len(dims) == 2:
        dims[1].Clear()
        dims[1].dim_value = len(columns)
    return chosen


def _opset(model: ModelProto) -> int:
    return max(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))


def member_of(
    model: ModelProto,
    *,
    samples: SampleType,
    n_classes: int,
    kind: str,
    temperature: float,
    where: str,
) -> ModelProto:
    """The member: input "input" [batch, *shape], output "probabilities" [batch, n_classes].

    Samples of another type or shape than the file takes are cast and flattened in the member.

    Raises:
        ExportError: the file takes samples of another shape.
    """
    member = ModelProto()
    member.CopyFrom(model)
    graph = member.graph
    fixed = frozen_batch(model)
    if fixed is not None:
        thaw(graph, fixed)
    taken = tensor_names(graph)
    first = feed(graph, samples, taken, where)
    nodes = list(_probability_nodes(graph, kind, temperature, taken))
    graph.node.extend(nodes)
    last = nodes[-1].output[0] if nodes else graph.output[0].name
    with_names(graph, {first: "input", last: "probabilities"})
    del graph.output[:]
    graph.output.append(
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", n_classes])
    )
    return member


def _probability_nodes(
    graph: GraphProto, kind: str, temperature: float, taken: set[str]
) -> Iterator[NodeProto]:
    tensor = graph.output[0].name

    def constant(wish: str, value: float) -> str:
        name = fresh_name(wish, taken)
        graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), name))
        return name

    def node(op_type: str, *inputs: str, **attributes: Any) -> NodeProto:
        output = fresh_name(f"encas_{op_type.lower()}", taken)
        return helper.make_node(op_type, list(inputs), [output], **attributes)

    steps: list[tuple[str, tuple[str, ...], dict[str, Any]]] = []
    if graph.output[0].type.tensor_type.elem_type != TensorProto.FLOAT:
        steps.append(("Cast", (), {"to": TensorProto.FLOAT}))
    if kind == "probabilities" and temperature != 1:
        steps.append(("Max", (constant("encas_tiny", float(np.finfo(np.float32).tiny)),), {}))
        steps.append(("Log", (), {}))
    if temperature != 1:
        steps.append(("Div", (constant("encas_temperature", temperature),), {}))
    if kind == "logits" or temperature != 1:
        steps.append(("Softmax", (), {"axis": 1}))
    for op_type, others, attributes in steps:
        made = node(op_type, tensor, *others, **attributes)
        tensor = made.output[0]
        yield made


def _given_type(graph: GraphProto) -> int:
    return real_inputs(graph)[0].type.tensor_type.elem_type


def _numpy_type(elem_type: int) -> str:
    return str(helper.tensor_dtype_to_np_dtype(elem_type))


def _padded(x: NDArray[Any], fixed: int | None) -> NDArray[Any]:
    if fixed is None or len(x) == fixed:
        return x
    return np.concatenate([x, np.zeros((fixed - len(x), *x.shape[1:]), x.dtype)])
