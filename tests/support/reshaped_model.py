"""A model that is nothing but a Reshape."""

import onnx
from onnx import TensorProto, helper


def reshaped_model(shape_nodes, initializers=(), opset: int = 18) -> onnx.ModelProto:
    info = helper.make_tensor_value_info
    nodes = [*shape_nodes, helper.make_node("Reshape", ["input", "shape"], ["probabilities"])]
    graph = helper.make_graph(
        nodes, "g",
        [info("input", TensorProto.FLOAT, ["batch", 3, 4])],
        [info("probabilities", TensorProto.FLOAT, ["batch", 12])], list(initializers),
    )  # fmt: skip
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)
