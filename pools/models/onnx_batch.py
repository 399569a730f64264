"""A batch that an ONNX file has frozen: at its inputs, or in the middle."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import MissingExtraError
from .onnx_graph import GraphProto, ModelProto, all_graphs, real_inputs

try:
    import onnx
    from onnx import TensorProto, helper, numpy_helper
except ImportError as error:
    raise MissingExtraError("reading ONNX models", extra="export") from error

EXPORT_AGAIN = (
    "export it again with a dynamic batch: torch.onnx.export(..., "
    "dynamic_axes={'input': {0: 'batch'}}), with dynamo=True dynamic_shapes"
)


def thaw(graph: GraphProto, fixed: int) -> None:
    """Frees the batch in constant shapes of Reshape, in place: where exporters freeze it."""
    for each in all_graphs(graph):
        shapes = {node.input[1] for node in each.node if node.op_type == "Reshape"}
        for tensor in each.initializer:
            if tensor.name in shapes:
                tensor.CopyFrom(_thawed(tensor, fixed))
        for node in each.node:
            if node.op_type == "Constant" and node.output[0] in shapes:
                shape = _thawed(_constant_of(node), fixed)
                node.ClearField("attribute")
                node.attribute.append(helper.make_attribute("value", shape))


def thawed_copy(model: ModelProto, fixed: int) -> ModelProto:
    """The model with a free batch, as far as shapes say that it is `fixed`."""
    copy = ModelProto()
    copy.CopyFrom(model)
    thaw(copy.graph, fixed)
    copy.graph.ClearField("value_info")
    for value in (*real_inputs(copy.graph), *copy.graph.output):
        dims = value.type.tensor_type.shape.dim
        if dims:
            dims[0].Clear()
            dims[0].dim_param = "batch"
    return copy


def _thawed(shape: TensorProto, fixed: int) -> TensorProto:
    sizes = numpy_helper.to_array(shape).copy()
    if sizes.ndim == 1 and len(sizes) > 1 and sizes[0] == fixed:
        # In a shape, 0 says "as in the input", and one -1 "whatever is left".
        sizes[0] = 0 if -1 in sizes[1:] else -1
    return numpy_helper.from_array(sizes, shape.name)


def _constant_of(node: onnx.NodeProto) -> TensorProto:
    attribute = node.attribute[0]
    values: Any = attribute.t if attribute.name == "value" else list(attribute.ints)
    return values if attribute.name == "value" else numpy_helper.from_array(np.array(values))
