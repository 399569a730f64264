"""What an ONNX file says of itself: graphs, inputs, a batch that is fixed, a mode of training."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ...errors import MissingExtraError, SourceError
from .foreign_file import foreign_file

try:
    import onnx
    from onnx import GraphProto, ModelProto, NodeProto, inliner, numpy_helper
except ImportError as error:
    raise MissingExtraError("reading ONNX models", extra="export") from error


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
        raise SourceError(unread(path, cause), where=str(path)) from cause


def unread(path: Path, cause: Exception) -> str:
    """Why a file is no ONNX file: what it is, as far as that can be seen."""
    found = foreign_file(path) if path.exists() else None
    return f"no ONNX file, but {found}" if found else f"not an ONNX file that can be read: {cause}"


def subgraphs(node: NodeProto) -> Iterator[GraphProto]:
    """The graphs that a node holds, as If and Loop do."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def all_graphs(graph: GraphProto) -> Iterator[GraphProto]:
    """A graph and all graphs below it."""
    yield graph
    for node in graph.node:
        for below in subgraphs(node):
            yield from all_graphs(below)


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


def training_operators(model: ModelProto) -> tuple[str, ...]:
    """The operators that compute as in training: their answers depend on the batch, or on chance.

    That is a BatchNormalization which uses the batch's own mean, and a Dropout that drops.
    """
    graphs = list(all_graphs(model.graph))
    constants = {tensor.name: tensor for graph in graphs for tensor in graph.initializer}
    for node in (node for graph in graphs for node in graph.node if node.op_type == "Constant"):
        constants.update((node.output[0], a.t) for a in node.attribute if a.name == "value")

    def is_true(name: str) -> bool:
        return name in constants and bool(numpy_helper.to_array(constants[name]).any())

    def trains(node: NodeProto) -> bool:
        if node.op_type == "BatchNormalization":
            return any(a.name == "training_mode" and a.i for a in node.attribute)
        return node.op_type == "Dropout" and len(node.input) > 2 and is_true(node.input[2])

    return tuple(sorted({node.op_type for g in graphs for node in g.node if trains(node)}))
