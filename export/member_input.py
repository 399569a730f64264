"""The input of a member: samples of the cascade, cast and flattened to what the model takes."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ..errors import ExportError, MissingExtraError
from ..pools.models.onnx_graph import real_inputs
from .onnx_model import GraphProto, ModelProto, fresh_name, tensor_names, with_names

try:
    from onnx import NodeProto, ValueInfoProto, helper
except ImportError as error:
    raise MissingExtraError("exporting to ONNX", extra="export") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleType:
    """What the samples of a member are: their type, and the shape of one."""

    dtype: str
    shape: tuple[int, ...]


def feed_member(member: ModelProto, samples: SampleType, where: str) -> None:
    """Makes the input "input" of a member take `samples`, in place.

    Raises:
        ExportError: it takes samples of another shape.
    """
    first = feed(member.graph, samples, tensor_names(member.graph), where)
    if first != "input":
        with_names(member.graph, {first: "input"})


def feed(graph: GraphProto, samples: SampleType, taken: set[str], where: str) -> str:
    """Makes the one input of a graph take `samples` [batch, ...], in place; returns its name.

    Args:
        graph: the graph.
        samples: what it shall take.
        taken: the names of its tensors; new ones are added.
        where: the model, for errors.

    Raises:
        ExportError: it takes samples of another shape.
    """
    given = real_inputs(graph)[0]
    name = given.name
    steps = _steps(given, samples, where)
    first = fresh_name("encas_input", taken) if steps else name
    nodes: list[NodeProto] = []
    source = first
    for index, (op_type, attributes) in enumerate(steps, start=1):
        output = name if index == len(steps) else fresh_name(f"encas_{op_type.lower()}", taken)
        nodes.append(helper.make_node(op_type, [source], [output], **attributes))
        source = output
    others = [*nodes, *graph.node]
    del graph.node[:]
    graph.node.extend(others)
    elem_type = helper.np_dtype_to_tensor_dtype(np.dtype(samples.dtype))
    dims = ["batch", *samples.shape]
    given.CopyFrom(helper.make_tensor_value_info(first, elem_type, dims))
    return first


def _steps(
    given: ValueInfoProto, samples: SampleType, where: str
) -> list[tuple[str, dict[str, Any]]]:
    """The operators that make what a graph takes of samples."""
    tensor = given.type.tensor_type
    stated = [int(dim.dim_value) or None for dim in tensor.shape.dim[1:]]
    shape = samples.shape
    steps: list[tuple[str, dict[str, Any]]] = []
    if len(stated) == 1 and len(shape) > 1:
        shape = (prod(shape),)
        steps.append(("Flatten", {"axis": 1}))
    fits = len(stated) == len(shape)
    if not fits or any(s not in (None, n) for s, n in zip(stated, shape, strict=True)):
        raise ExportError(
            f"it takes samples {stated}, but the cascade's samples are {list(samples.shape)}",
            where=where,
        )
    if helper.tensor_dtype_to_np_dtype(tensor.elem_type) != np.dtype(samples.dtype):
        steps.append(("Cast", {"to": tensor.elem_type}))
    return steps
