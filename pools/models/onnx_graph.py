"""What an ONNX file says of itself: its inputs, a batch that is fixed, a softmax at its end."""

from __future__ import annotations

from pathlib import Path

from ...errors import MissingExtraError, SourceError

try:
    import onnx
    from onnx import GraphProto, ModelProto, inliner
except ImportError as error:
    raise MissingExtraError("reading ONNX models", extra="export") from error

# Operators that give what they are given, as far as a softmax before them is concerned.
PASSED_ON = ("Cast", "Dropout", "Identity")


def load_inlined(path: Path) -> ModelProto:
    """The model of a file, without functions of its own.

    Raises:
        SourceError: it cannot be read.
    """
    try:
        model = onnx.load_model(str(path))
        return inliner.inline_local_functions(model) if model.functions else model
    except Exception as cause:
        # protobuf's and onnx's exceptions share no base class but Exception.
        raise SourceError(f"not an ONNX file that can be read: {cause}", where=str(path)) from cause


def onnx_metadata(path: Path) -> dict[str, str]:
    """What whoever made a file wrote into its metadata.

    Raises:
        SourceError: it cannot be read.
    """
    try:
        model = onnx.load_model(str(path), load_external_data=False)
    except Exception as cause:
        raise SourceError(f"not an ONNX file that can be read: {cause}", where=str(path)) from cause
    return {entry.key: entry.value for entry in model.metadata_props}


def real_inputs(graph: GraphProto) -> list[onnx.ValueInfoProto]:
    """The inputs of a graph that have no default."""
    defaults = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in defaults]


def frozen_batch(model: ModelProto) -> int | None:
    """The only batch size that a model takes, None where it takes any."""
    dims = [value.type.tensor_type.shape.dim for value in real_inputs(model.graph)]
    return (int(dims[0][0].dim_value) or None) if dims and dims[0] else None


def ends_in_softmax(graph: GraphProto) -> bool:
    """Whether what the graph gives comes out of a softmax."""
    producers = {name: node for node in graph.node for name in node.output}
    node = producers.get(graph.output[0].name)
    while node is not None and node.op_type in PASSED_ON:
        node = producers.get(node.input[0])
    return node is not None and node.op_type == "Softmax"
