"""Small tools for ONNX models in memory: names, shapes, what may be left out, files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ..errors import ExportError, MissingExtraError
from ..pools.models.onnx_graph import all_graphs, unread

try:
    import onnx
    from onnx import GraphProto, ModelProto
except ImportError as error:
    raise MissingExtraError("exporting to ONNX", extra="export") from error

MAX_IR_VERSION = 10
INLINE_LIMIT = 2**31 - 2**24
EXTERNAL_ENDING = ".data"


def tensor_names(graph: GraphProto) -> set[str]:
    """The names of all tensors of a graph and the graphs below it."""
    names: set[str] = set()
    for each in all_graphs(graph):
        names.update(value.name for value in (*each.input, *each.output, *each.initializer))
        names.update(name for node in each.node for name in (*node.input, *node.output))
    return names - {""}


def rename_tensors(graph: GraphProto, new_name: Callable[[str], str]) -> None:
    """Renames every tensor of a graph and of the graphs below it, in place."""
    for each in all_graphs(graph):
        each.ClearField("value_info")
        for value in (*each.input, *each.output, *each.initializer):
            value.name = new_name(value.name)
        for sparse in each.sparse_initializer:
            sparse.values.name = new_name(sparse.values.name)
            sparse.indices.name = new_name(sparse.indices.name)
        for node in each.node:
            node.input[:] = [new_name(name) if name else "" for name in node.input]
            node.output[:] = [new_name(name) if name else "" for name in node.output]


def with_names(graph: GraphProto, names: Mapping[str, str]) -> None:
    """Gives tensors their wanted names (old -> new), in place; whoever has one gives way."""
    taken = tensor_names(graph)
    changes = dict(names)
    for wanted in set(names.values()) & (taken - set(names)):
        changes[wanted] = fresh_name(wanted, taken)
    rename_tensors(graph, lambda name: changes.get(name, name))


def fresh_name(wish: str, taken: set[str]) -> str:
    """`wish`, or `wish` with a number behind it that no tensor has; it is added to `taken`."""
    name, count = wish, 0
    while name in taken:
        count += 1
        name = f"{wish}_{count}"
    taken.add(name)
    return name


def tidy(model: ModelProto) -> ModelProto:
    """Drops what only says how the model was made: it names paths of this machine."""
    model.ClearField("metadata_props")
    model.ClearField("doc_string")
    for graph in all_graphs(model.graph):
        graph.ClearField("value_info")
        for record in (graph, *graph.node, *graph.initializer, *graph.input, *graph.output):
            record.ClearField("metadata_props")
            record.ClearField("doc_string")
    model.ir_version = min(model.ir_version, MAX_IR_VERSION)
    return model


def weight_bytes(model: ModelProto) -> int:
    """The size of all weights of a model in memory."""
    graphs = all_graphs(model.graph)
    return sum(len(tensor.raw_data) for graph in graphs for tensor in graph.initializer)


def precision_of(model: ModelProto) -> str:
    """What a model computes in: "int8", "float16" or "float32"."""
    graphs = list(all_graphs(model.graph))
    if any(node.op_type == "QuantizeLinear" for graph in graphs for node in graph.node):
        return "int8"
    types = {tensor.data_type for graph in graphs for tensor in graph.initializer}
    return "float16" if onnx.TensorProto.FLOAT16 in types else "float32"


def save_model(
    model: ModelProto, path: Path, *, inline_limit: int = INLINE_LIMIT
) -> tuple[str, ...]:
    """Writes a model; returns the names of further files beside it that hold its weights.

    ONNX files end at 2 GiB; beyond `inline_limit` bytes the weights go into NAME.onnx.data.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if weight_bytes(model) <= inline_limit:
        path.write_bytes(model.SerializeToString(deterministic=True))
        return ()
    file = path.name + EXTERNAL_ENDING
    onnx.save_model(
        model, str(path), save_as_external_data=True, location=file, size_threshold=1024
    )
    return (file,)


def load_model(path: Path) -> ModelProto:
    """Reads an ONNX file and the weights beside it.

    Raises:
        ExportError: it is no ONNX file, or its weights are missing.
    """
    try:
        return onnx.load_model(str(path))
    except Exception as cause:
        # protobuf's and onnx's exceptions share no base class but Exception.
        raise ExportError(unread(path, cause), where=str(path)) from cause
