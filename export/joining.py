"""Makes models fit to stand in one graph: one version of the operators, names of their own."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import ExportError, MissingExtraError
from ..pools.models.onnx_graph import all_graphs
from .onnx_model import ModelProto, rename_tensors

try:
    from onnx import inliner, version_converter
except ImportError as error:
    raise MissingExtraError("exporting to ONNX", extra="export") from error

MIN_OPSET = 18


def joinable(members: Sequence[ModelProto]) -> list[ModelProto]:
    """Copies of members with one opset, whose tensors are named m1/..., m2/..., and so on.

    The input of the first keeps its name: it is the whole graph's.

    Raises:
        ExportError: a member cannot be converted to the others' opset.
    """
    copies = [_without_functions(member) for member in members]
    versions: dict[str, set[int]] = {}
    for opset in (opset for member in copies for opset in member.opset_import):
        opset.domain = "" if opset.domain == "ai.onnx" else opset.domain
        versions.setdefault(opset.domain, set()).add(opset.version)
    mixed = sorted(domain for domain in versions if domain and len(versions[domain]) > 1)
    if mixed:
        raise ExportError(f"the members use different versions of the operators of {mixed}")
    target = max({MIN_OPSET, *versions.get("", ())})
    converted = [_converted(member, target) for member in copies]
    for j, member in enumerate(converted, start=1):
        _prefix_names(member, f"m{j}/", keep={"input"} if j == 1 else set())
    return converted


def _without_functions(member: ModelProto) -> ModelProto:
    if member.functions:
        return inliner.inline_local_functions(member)
    copy = ModelProto()
    copy.CopyFrom(member)
    return copy


def _converted(member: ModelProto, target: int) -> ModelProto:
    current = next((o.version for o in member.opset_import if not o.domain), target)
    if current == target:
        return member
    try:
        return version_converter.convert_version(member, target)
    except (RuntimeError, ValueError) as cause:
        raise ExportError(f"cannot convert opset {current} to {target}: {cause}") from cause


def _prefix_names(member: ModelProto, prefix: str, *, keep: set[str]) -> None:
    rename_tensors(member.graph, lambda name: name if name in keep else prefix + name)
    for graph in all_graphs(member.graph):
        for node in graph.node:
            node.name = f"{prefix}{node.name}" if node.name else ""
