"""The whole cascade as one ONNX graph with the early exits inside.

    input [batch, ...] -> probabilities [batch, n_classes];
                          label, stage (from 1) and confidence [batch]

Members that want another preprocessing than the first have inputs of their own: input_2, ...

Member 1 runs on everything. Each further member stands in an If of its own that runs when any
row is left: it gathers those rows, runs the member, and scatters sums, answers and stages back.
The Ifs are flat, one after the other: TensorRT refuses Ifs three deep (onnxruntime #16217).
`thresholds` [k - 1] is an input with a default.

The weights of the later members lie in the branches or at the top level. In the branches ONNX
Runtime's CPU provider can fuse and reorder them, which takes a fifth less time; at the top level
they take less memory (docs/performance.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from ..cascade import Cascade
from ..entries import INPUT
from ..errors import ExportError, MissingExtraError
from .joining import joinable
from .onnx_model import (
    INLINE_LIMIT,
    MAX_IR_VERSION,
    GraphProto,
    ModelProto,
    weight_bytes,
)

try:
    import onnx
    from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper
except ImportError as error:
    raise MissingExtraError("exporting to ONNX", extra="export") from error

WeightPlace: TypeAlias = Literal["top", "branches"]

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The tensors that one stage hands to the next.

    Args:
        total: float32 [batch, n_classes], the sum of the members so far.
        answer: float32 [batch, n_classes], the answer so far.
        stage: int64 [batch], the newest stage that each row ran.
        rows: int64 [n_left], the rows that go on.
    """

    total: str
    answer: str
    stage: str
    rows: str

    @classmethod
    def named(cls, prefix: str) -> State:
        """The state whose tensors are `prefix` and the field's name."""
        return cls(
            total=f"{prefix}total",
            answer=f"{prefix}answer",
            stage=f"{prefix}stage",
            rows=f"{prefix}rows",
        )

    def typed(self, n_classes: int, *, is_last: bool) -> list[ValueInfoProto]:
        """The tensors with their types; nothing needs sum and rows behind the last stage."""
        info = helper.make_tensor_value_info
        results = [
            info(self.answer, FLOAT, ["batch", n_classes]),
            info(self.stage, INT64, ["batch"]),
        ]
        if is_last:
            return results
        total, rows = info(self.total, FLOAT, ["batch", n_classes]), info(self.rows, INT64, [None])
        return [*results, total, rows]


@dataclass(slots=True)
class Scope:
    """The nodes of one graph in the making; the constants lie at the top level."""

    prefix: str
    cascade: Cascade
    n_classes: int
    weights: WeightPlace
    constants: dict[str, TensorProto]
    reads: Sequence[str]
    nodes: list[NodeProto] = field(default_factory=list)

    def below(self, prefix: str) -> Scope:
        """An empty scope for a graph below this one."""
        return Scope(prefix, self.cascade, self.n_classes, self.weights, self.constants, self.reads)

    def add(self, op_type: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Adds a node with one output; returns its name, a new one where none is given."""
        name = output or f"{self.prefix}{op_type.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op_type, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, value: float | list[int], dtype: type[np.generic]) -> str:
        """The name of a constant."""
        array = np.array(value, dtype)
        shape = "vector" if array.ndim else "scalar"
        name = f"constant/{array.dtype}_{shape}_{array.ravel()[0]}"
        self.constants[name] = numpy_helper.from_array(array, name)
        return name


def cascade_graph(
    cascade: Cascade,
    members: Sequence[ModelProto],
    *,
    n_classes: int,
    weights: WeightPlace = "branches",
    name: str = "cascade",
    reads: Sequence[str] | None = None,
) -> ModelProto:
    """Joins members, each with input "input" and output "probabilities", into one graph.

    Args:
        cascade: the exit rule.
        members: in stage order.
        n_classes: length of a probability row.
        weights: where those of the second and later members lie, "top" or "branches".
        name: of the graph.
        reads: the graph's input that each member reads, "input" that of the first; None: all do.

    Raises:
        ExportError: the members do not fit into one graph.
    """
    joined = joinable(members)
    top = Scope("s1/", cascade, n_classes, weights, {}, reads or [INPUT] * len(members))
    state = _first_stage(top, joined[0])
    for j, member in enumerate(joined[1:], start=2):
        state = _later_stage(top, member, state, j)
    top.add("Identity", state.answer, output="probabilities")
    top.add("ArgMax", state.answer, output="label", axis=1, keepdims=0)
    top.add("Identity", state.stage, output="stage")
    end = top.below("end/")
    end.add("Identity", _confidence(end, state.answer), output="confidence")
    top.nodes += end.nodes
    model = _model(top, joined, name)
    if weight_bytes(model) > INLINE_LIMIT:
        # It has to be written before it can be checked.
        return model
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as cause:
        raise ExportError(f"the joined graph is not valid: {cause}", where=name) from cause
    return model


def _first_stage(scope: Scope, member: ModelProto) -> State:
    scope.nodes.extend(member.graph.node)
    answer = "m1/probabilities"
    batch = scope.add("Shape", answer, start=0, end=1)
    one = numpy_helper.from_array(np.array([1], np.int64))
    stage = scope.add("ConstantOfShape", batch, value=one)
    if scope.cascade.n_stages == 1:
        return State(total=answer, answer=answer, stage=stage, rows="")
    left = scope.add("NonZero", _goes_on(scope, answer, 1))
    rows = scope.add("Reshape", left, scope.constant([-1], np.int64))
    return State(total=answer, answer=answer, stage=stage, rows=rows)


def _later_stage(top: Scope, member: ModelProto, before: State, j: int) -> State:
    is_last = j == top.cascade.n_stages
    n_left = top.add("Size", before.rows, output=f"s{j}/n_left")
    is_any_left = top.add("Greater", n_left, top.constant(0, np.int64), output=f"s{j}/is_any_left")
    then, skip, after = (State.named(f"s{j}/{part}") for part in ("then/", "else/", ""))
    branches: dict[str, GraphProto] = {}
    for key, state, fill in (("then", then, _run_stage), ("else", skip, _skip_stage)):
        scope = top.below(f"s{j}/{key}/")
        fill(scope, member, before, state, j)
        outputs = state.typed(top.n_classes, is_last=is_last)
        branches[f"{key}_branch"] = helper.make_graph(scope.nodes, f"stage_{j}_{key}", [], outputs)
    if top.weights == "branches":
        branches["then_branch"].initializer.extend(member.graph.initializer)
    names = [value.name for value in after.typed(top.n_classes, is_last=is_last)]
    node = helper.make_node("If", [is_any_left], names, name=f"s{j}/if")
    node.attribute.extend(helper.make_attribute(key, graph) for key, graph in branches.items())
    top.nodes.append(node)
    return after


def _run_stage(scope: Scope, member: ModelProto, before: State, after: State, j: int) -> None:
    scope.add("Gather", scope.reads[j - 1], before.rows, output=f"m{j}/input", axis=0)
    scope.nodes.extend(member.graph.node)
    newest = f"m{j}/probabilities"
    is_mean = scope.cascade.combine == "mean"
    total = scope.add("Add", scope.add("Gather", before.total, before.rows, axis=0), newest)
    answer = scope.add("Div", total, scope.constant(j, np.float32)) if is_mean else newest
    places = scope.add("Unsqueeze", before.rows, scope.constant([1], np.int64))
    scope.add("ScatterND", before.answer, places, answer, output=after.answer)
    stages = scope.add("Expand", scope.constant(j, np.int64), scope.add("Shape", before.rows))
    scope.add("ScatterND", before.stage, places, stages, output=after.stage)
    if j < scope.cascade.n_stages:
        scope.add("ScatterND", before.total, places, total, output=after.total)
        goes_on = _goes_on(scope, answer, j)
        scope.add("Compress", before.rows, goes_on, output=after.rows, axis=0)


def _skip_stage(scope: Scope, _member: ModelProto, before: State, after: State, j: int) -> None:
    scope.add("Identity", before.answer, output=after.answer)
    scope.add("Identity", before.stage, output=after.stage)
    if j < scope.cascade.n_stages:
        scope.add("Identity", before.total, output=after.total)
        scope.add("Identity", before.rows, output=after.rows)


def _goes_on(scope: Scope, answer: str, j: int) -> str:
    """Not(confidence > t_j): a NaN is above nothing, so it goes on."""
    threshold = scope.add("Gather", "thresholds", scope.constant(j - 1, np.int64), axis=0)
    return scope.add("Not", scope.add("Greater", _confidence(scope, answer), threshold))


def _confidence(scope: Scope, answer: str) -> str:
    confidence = scope.cascade.confidence
    if confidence == "max_probability" or scope.n_classes == 1:
        return scope.add("ReduceMax", answer, scope.constant([1], np.int64), keepdims=0)
    if confidence == "entropy":
        return _one_minus_entropy(scope, answer)
    largest = f"{scope.prefix}largest"
    inputs, outputs = [answer, scope.constant([2], np.int64)], [largest, f"{largest}_index"]
    scope.nodes.append(helper.make_node("TopK", inputs, outputs, name=largest, axis=1))
    first, second = (
        scope.add("Gather", largest, scope.constant(i, np.int64), axis=1) for i in (0, 1)
    )
    if confidence == "margin":
        return scope.add("Sub", first, second)
    return scope.add("Sub", scope.constant(1, np.float32), scope.add("Div", second, first))


def _one_minus_entropy(scope: Scope, answer: str) -> str:
    zero, one = scope.constant(0, np.float32), scope.constant(1, np.float32)
    positive = scope.add("Where", scope.add("Greater", answer, zero), answer, one)
    products = scope.add("Mul", answer, scope.add("Log", positive))
    total = scope.add("ReduceSum", products, scope.constant([1], np.int64), keepdims=0)
    scale = scope.constant(1 / np.log(scope.n_classes), np.float32)
    return scope.add("Sub", one, scope.add("Mul", scope.add("Neg", total), scale))


def _inputs(top: Scope, members: Sequence[ModelProto]) -> list[ValueInfoProto]:
    """The samples that each input takes, as the first member that reads it does."""
    inputs: dict[str, ValueInfoProto] = {}
    for name, member in zip(top.reads, members, strict=True):
        value = ValueInfoProto()
        value.CopyFrom(member.graph.input[0])
        value.name = name
        inputs.setdefault(name, value)
    return list(inputs.values())


def _model(top: Scope, members: Sequence[ModelProto], name: str) -> ModelProto:
    thresholds = np.array(top.cascade.thresholds, np.float32)
    defaults = [numpy_helper.from_array(thresholds, "thresholds")] if len(thresholds) else []
    at_top = members if top.weights == "top" else members[:1]
    weights = [tensor for member in at_top for tensor in member.graph.initializer]
    inputs = _inputs(top, members)
    inputs += [helper.make_tensor_value_info(t.name, FLOAT, t.dims) for t in defaults]
    outputs = [
        helper.make_tensor_value_info("probabilities", FLOAT, ["batch", top.n_classes]),
        helper.make_tensor_value_info("label", INT64, ["batch"]),
        helper.make_tensor_value_info("stage", INT64, ["batch"]),
        helper.make_tensor_value_info("confidence", FLOAT, ["batch"]),
    ]
    graph = helper.make_graph(
        top.nodes, name, inputs, outputs, [*defaults, *top.constants.values(), *weights]
    )
    opsets = {opset.domain: opset for member in members for opset in member.opset_import}
    return helper.make_model(
        graph,
        opset_imports=list(opsets.values()),
        ir_version=MAX_IR_VERSION,
        producer_name="encas",
    )
