"""Which output of an ONNX file has the scores, and the model without its other outputs."""

from __future__ import annotations

from ...errors import MissingExtraError, SourceError
from .onnx_graph import GraphProto, ModelProto, all_graphs

try:
    from onnx import NodeProto, TensorProto, ValueInfoProto, helper
except ImportError as error:
    raise MissingExtraError("reading ONNX models", extra="export") from error

FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16)
UNKNOWN = TensorProto.UNDEFINED


def with_scores_alone(model: ModelProto, wanted: str | None, *, where: str) -> ModelProto:
    """The model with one output, the scores: itself where it has no other.

    Scores that scikit-learn's converter made a list of dictionaries (ZipMap) are the tensor that
    they were made of.

    Args:
        model: the model; it is not changed.
        wanted: the output's name; None: the only one that can be scores.
        where: the SPEC, for errors.

    Raises:
        SourceError: there is no such output, or several may be meant; names them all.
    """
    output = _chosen(model.graph, wanted, where)
    zipped = _zipped(model.graph, output.name)
    if zipped is None and len(model.graph.output) == 1:
        return model
    made = ModelProto()
    made.CopyFrom(model)
    graph = made.graph
    del graph.output[:]
    if zipped is not None:
        graph.output.append(helper.make_tensor_value_info(zipped, TensorProto.FLOAT, None))
    else:
        graph.output.append(output)
    needed = _needed(graph, graph.output[0].name)
    del graph.node[:]
    graph.node.extend(needed)
    return made


def _chosen(graph: GraphProto, wanted: str | None, where: str) -> ValueInfoProto:
    outputs = list(graph.output)
    if wanted is None:
        likely = [value for value in outputs if _may_be_scores(graph, value)]
        found = outputs if len(outputs) == 1 else likely
    else:
        found = [value for value in outputs if value.name == wanted]
    if len(found) == 1:
        return found[0]
    names = ", ".join(map(_shown, outputs))
    if wanted is not None:
        raise SourceError(f"has no output {wanted!r}, but {names}", where=where)
    example = (found or outputs)[0].name if outputs else ""
    raise SourceError(
        f"has the outputs {names}: say which are the scores, as in ?output={example}", where=where
    )


def _may_be_scores(graph: GraphProto, value: ValueInfoProto) -> bool:
    if _zipped(graph, value.name) is not None:
        return True
    tensor = value.type.tensor_type
    is_known = tensor.HasField("shape")
    return tensor.elem_type in (*FLOATS, UNKNOWN) and (not is_known or len(tensor.shape.dim) == 2)


def _zipped(graph: GraphProto, name: str) -> str | None:
    """The tensor that the output of a ZipMap is made of; None where it is no such output."""
    makers = (node for node in graph.node if node.op_type == "ZipMap" and name in node.output)
    return next((node.input[0] for node in makers), None)


def _needed(graph: GraphProto, output: str) -> list[NodeProto]:
    """The nodes that an output depends on, in order."""
    wanted = {output}
    kept: list[NodeProto] = []
    for node in reversed(graph.node):
        if wanted.isdisjoint(node.output):
            continue
        kept.append(node)
        inner = [below for a in node.attribute for below in (a.g, *a.graphs)]
        users = [user for below in inner for each in all_graphs(below) for user in each.node]
        wanted |= {name for user in (node, *users) for name in user.input}
        wanted |= {value.name for below in inner for value in below.output}
    return kept[::-1]


def _shown(value: ValueInfoProto) -> str:
    dims = value.type.tensor_type.shape.dim
    shape = [str(dim.dim_value or dim.dim_param or "?") for dim in dims]
    return f"{value.name} [{', '.join(shape)}]" if shape else value.name
