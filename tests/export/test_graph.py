import itertools

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from encas.cascade import Cascade, confidence_of, decide
from encas.errors import ExportError
from encas.export import graph as graph_module
from encas.export.graph import Scope, cascade_graph
from encas.export.onnx_export import export_member
from encas.export.onnx_model import MAX_IR_VERSION, all_graphs, weight_bytes
from encas.pools.models.specs import source_model
from encas.runtime.device import Device
from encas.runtime.executor import Runner
from encas.runtime.graph_runner import GRAPH_OUTPUTS
from encas.runtime.ort_opening import open_session
from encas.runtime.ort_session import OrtSession

NAMES = tuple("abcde")
N_CLASSES = 4


def table_members(n_members: int, **values) -> list[onnx.ModelProto]:
    return [table_model(n_members, j, **values) for j in range(n_members)]


def table_model(
    n_members: int, j: int, *, opset: int = 18, n_classes: int = N_CLASSES
) -> onnx.ModelProto:
    """Member j of a cascade whose samples hold the members' probabilities themselves."""
    index = numpy_helper.from_array(np.array(j, np.int64), "index")
    nodes = [helper.make_node("Gather", ["input", "index"], ["probabilities"], axis=1)]
    shape = ["batch", n_members, n_classes]
    model_graph = helper.make_graph(
        nodes,
        f"table_{j}",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", n_classes])],
        [index],
    )
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(model_graph, opset_imports=opsets, ir_version=8)


def graph_session(cascade: Cascade, **values):
    n = cascade.n_stages
    members = [table_model(n, j) for j in range(n)]
    model = cascade_graph(cascade, members, n_classes=N_CLASSES, **values)
    return opened(model)


def opened(model: onnx.ModelProto):
    content = model.SerializeToString()
    return open_session(content, device=Device(kind="cpu"), n_threads=1)


def cascade_of(n: int, **values) -> Cascade:
    return Cascade(members=NAMES[:n], thresholds=(0.55, 0.5, 0.45, 0.4)[: n - 1], **values)


def random_tables(rng, n_members: int, n_samples: int) -> np.ndarray:
    shape = (n_samples, n_members)
    return rng.dirichlet(np.full(N_CLASSES, 0.7), shape).astype(np.float32)


def assert_decides(session, cascade: Cascade, x: np.ndarray) -> None:
    expected = decide(cascade, lambda j, rows: x[rows, j], n_samples=len(x))
    probabilities, label, stage = session.run(GRAPH_OUTPUTS, {"input": x})
    assert np.array_equal(label, expected.label)
    assert np.array_equal(stage, expected.stage)
    assert np.allclose(probabilities, expected.probabilities, atol=1e-6, equal_nan=True)


@pytest.mark.parametrize("weights", ["top", "branches"])
@pytest.mark.parametrize("n_members", [1, 2, 3, 4, 5])
def test_graph_decides_by_the_exit_rule_at_any_batch(rng, n_members, weights):
    cascade = cascade_of(n_members)
    session = graph_session(cascade, weights=weights)
    for n_samples in (0, 1, 2, 17, 500):
        assert_decides(session, cascade, random_tables(rng, n_members, n_samples))


@pytest.mark.parametrize("combine", ["mean", "replace"])
@pytest.mark.parametrize("confidence", ["max_probability", "margin", "entropy", "logit_gap"])
def test_graph_knows_every_confidence_and_way_to_combine(rng, confidence, combine):
    cascade = cascade_of(3, confidence=confidence, combine=combine)
    assert_decides(graph_session(cascade), cascade, random_tables(rng, 3, 300))


@pytest.mark.parametrize("confidence", ["max_probability", "margin", "entropy", "logit_gap"])
def test_graph_gives_the_confidence_of_its_answers(rng, confidence):
    cascade = cascade_of(3, confidence=confidence)
    x = random_tables(rng, 3, 50)
    found, answers = graph_session(cascade).run(["confidence", "probabilities"], {"input": x})
    assert np.allclose(found, confidence_of(answers, confidence), atol=1e-6)


def test_graph_takes_a_probability_of_exactly_zero_for_no_doubt():
    cascade = Cascade(members=("a", "b"), thresholds=(0.9,), confidence="entropy")
    x = np.zeros((3, 2, 4), np.float32)
    x[0, :, 2] = 1
    x[1, :, :2] = 0.5
    x[2] = 0.25
    session = graph_session(cascade)
    assert_decides(session, cascade, x)
    stage, found = session.run(["stage", "confidence"], {"input": x})
    assert stage.tolist() == [1, 2, 2]
    assert np.allclose(found, [1.0, 0.5, 0.0], atol=1e-6)


@pytest.mark.parametrize("confidence", ["max_probability", "margin", "entropy", "logit_gap"])
def test_graph_of_two_classes_decides_as_the_definition(rng, confidence):
    cascade = cascade_of(2, confidence=confidence)
    model = cascade_graph(cascade, table_members(2, n_classes=2), n_classes=2)
    x = rng.dirichlet((0.7, 0.7), (50, 2)).astype(np.float32)
    assert_decides(opened(model), cascade, x)


@pytest.mark.parametrize("confidence", ["max_probability", "margin", "entropy", "logit_gap"])
def test_graph_of_one_class_decides_as_the_executor(confidence):
    cascade = Cascade(members=("a", "b"), thresholds=(0.5,), confidence=confidence)
    members = [table_model(2, j, n_classes=1) for j in range(2)]
    x = np.array([[[1.0], [1.0]], [[0.5], [1.0]], [[0.25], [0.5]]], np.float32)
    session = opened(cascade_graph(cascade, members, n_classes=1))
    assert_decides(session, cascade, x)
    sessions = [
        OrtSession(m.SerializeToString(), name=name, input_shape=(2, 1), n_classes=1)
        for m, name in zip(members, cascade.members, strict=True)
    ]
    prediction = Runner(cascade, sessions)(x)
    probabilities, label, stage = session.run(GRAPH_OUTPUTS, {"input": x})
    assert stage.tolist() == prediction.stage.tolist() == [1, 2, 2]
    assert label.tolist() == prediction.label.tolist() == [0, 0, 0]
    assert np.array_equal(probabilities, prediction.probabilities)
    found = session.run(["confidence"], {"input": x[:0]})[0]
    assert found.shape == (0,)


@pytest.mark.parametrize("thresholds", [(0.0, 0.0), (1.0, 1.0), (0.0, 1.0), (1.0, 0.0)])
def test_graph_of_extreme_thresholds(rng, thresholds):
    cascade = Cascade(members=NAMES[:3], thresholds=thresholds)
    assert_decides(graph_session(cascade), cascade, random_tables(rng, 3, 100))


def test_graph_compares_strictly_and_as_float32():
    cascade = Cascade(members=("a", "b"), thresholds=(0.7,))
    first = [[0.7, 0.3, 0, 0], [np.nextafter(np.float32(0.7), 1), 0.3, 0, 0], [0.7, 0.7, 0, 0]]
    x = np.stack([np.array(first, np.float32), np.full((3, 4), 0.25, np.float32)], axis=1)
    assert graph_session(cascade).run(["stage"], {"input": x})[0].tolist() == [2, 1, 2]
    assert_decides(graph_session(cascade), cascade, x)


def test_graph_gives_ties_to_the_lowest_class():
    x = np.array([[[0.1, 0.4, 0.4, 0.1]]], np.float32)
    assert graph_session(cascade_of(1)).run(["label"], {"input": x})[0].tolist() == [1]


def test_graph_sends_a_confidence_that_is_no_number_on():
    cascade = Cascade(members=("a", "b"), thresholds=(0.0,), combine="replace")
    x = np.array([[[np.nan] * 4, [0.1, 0.7, 0.1, 0.1]]], np.float32)
    session = graph_session(cascade)
    label, stage = session.run(["label", "stage"], {"input": x})
    assert (label.tolist(), stage.tolist()) == ([1], [2])


def test_graph_takes_other_thresholds_at_run_time(rng):
    cascade = cascade_of(3)
    session = graph_session(cascade)
    x = random_tables(rng, 3, 50)
    never = {"thresholds": np.array([2, 2], np.float32)}
    assert (session.run(["stage"], {"input": x, **never})[0] == 3).all()
    other = Cascade(members=cascade.members, thresholds=(0.8, 0.3))
    expected = decide(other, lambda j, rows: x[rows, j], n_samples=50).stage
    more = {"thresholds": np.array(other.thresholds, np.float32)}
    assert np.array_equal(session.run(["stage"], {"input": x, **more})[0], expected)


def test_graph_is_flat_with_unique_names_and_weights_at_the_top(rng):
    members = [table_model(4, j) for j in range(4)]
    model = cascade_graph(cascade_of(4), members, n_classes=N_CLASSES, weights="top")
    branches = [
        attribute.g
        for node in model.graph.node
        if node.op_type == "If"
        for attribute in node.attribute
    ]
    assert len(branches) == 6
    assert all(node.op_type != "If" for branch in branches for node in branch.node)
    assert all(not branch.initializer for branch in branches)
    made = [name for g in (model.graph, *branches) for node in g.node for name in node.output]
    assert len(made) == len(set(made))
    outputs = [value.name for value in model.graph.output]
    assert outputs == [*GRAPH_OUTPUTS, "confidence"]
    onnx.checker.check_model(model, full_check=True)


@pytest.mark.parametrize("n_members", [1, 2, 4])
def test_graph_computes_nothing_that_nobody_reads(n_members):
    model = cascade_graph(cascade_of(n_members), table_members(n_members), n_classes=N_CLASSES)
    graphs = list(all_graphs(model.graph))
    made = {name for g in graphs for node in g.node for name in node.output}
    read = {name for g in graphs for node in g.node for name in node.input}
    given = {value.name for g in graphs for value in g.output}
    assert made <= read | given
    inputs = ["input", "thresholds"] if n_members > 1 else ["input"]
    assert [value.name for value in model.graph.input] == inputs


def test_graph_says_who_made_it_and_names_its_nodes():
    cascade = cascade_of(3, confidence="margin")
    model = cascade_graph(cascade, table_members(3), n_classes=N_CLASSES)
    assert (model.producer_name, model.ir_version) == ("encas", MAX_IR_VERSION)
    nodes = [node for g in all_graphs(model.graph) for node in g.node]
    nameless = [node.output[0] for node in nodes if not node.name]
    assert nameless == ["m1/probabilities", "m2/probabilities", "m3/probabilities"]
    names = {node.name for node in nodes if node.op_type in {"Size", "Greater", "If"}}
    assert {"s2/n_left", "s2/is_any_left", "s2/if", "s3/n_left", "s3/is_any_left"} < names


def test_constants_of_a_number_and_of_a_list_of_it_are_two():
    scope = Scope("", cascade_of(1), N_CLASSES, "top", {}, ["input"])
    names = [scope.constant(1, np.int64), scope.constant([1], np.int64)]
    shapes = [list(scope.constants[name].dims) for name in names]
    assert shapes == [[], [1]]


def test_graph_has_the_weights_in_its_branches_unless_told():
    model = cascade_graph(cascade_of(2), [table_model(2, j) for j in range(2)], n_classes=N_CLASSES)
    (node,) = [node for node in model.graph.node if node.op_type == "If"]
    inside = {a.name: [t.name for t in a.g.initializer] for a in node.attribute}
    assert inside == {"then_branch": ["m2/index"], "else_branch": []}
    at_top = [tensor.name for tensor in model.graph.initializer]
    assert "m1/index" in at_top
    assert "m2/index" not in at_top


def test_graph_of_members_of_other_opsets_is_converted(rng):
    cascade = cascade_of(3)
    members = [table_model(3, j, opset=opset) for j, opset in enumerate((13, 18, 20))]
    members[1].opset_import[0].domain = "ai.onnx"
    model = cascade_graph(cascade, members, n_classes=N_CLASSES)
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 20)]
    assert_decides(opened(model), cascade, random_tables(rng, 3, 40))


@pytest.mark.parametrize("weights", ["top", "branches"])
def test_graph_has_the_foreign_operators_of_every_member(rng, weights):
    cascade = cascade_of(3)
    members = [table_model(3, j) for j in range(3)]
    graph = members[1].graph
    graph.node[0].output[0] = "raw"
    values = {"domain": "ai.onnx.ml", "norm": "L1"}
    graph.node.append(helper.make_node("Normalizer", ["raw"], ["probabilities"], **values))
    members[1].opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))
    model = cascade_graph(cascade, members, n_classes=N_CLASSES, weights=weights)
    opsets = {opset.domain: opset.version for opset in model.opset_import}
    assert opsets == {"": 18, "ai.onnx.ml": 3}
    assert_decides(opened(model), cascade, random_tables(rng, 3, 40))


def test_graph_leaves_its_members_as_they_are():
    members = [table_model(2, j) for j in range(2)]
    before = [member.SerializeToString() for member in members]
    cascade_graph(cascade_of(2), members, n_classes=N_CLASSES)
    assert [member.SerializeToString() for member in members] == before


def test_graph_of_members_with_different_foreign_operators_is_refused():
    members = [table_model(2, j) for j in range(2)]
    for version, member in enumerate(members, start=1):
        member.opset_import.append(helper.make_opsetid("com.microsoft", version))
    with pytest.raises(ExportError, match=r"different versions of the operators of \['com.micr"):
        cascade_graph(cascade_of(2), members, n_classes=N_CLASSES)


def test_graph_of_members_that_do_not_fit_is_refused():
    members = [table_model(2, 0), table_model(2, 1)]
    members[1].graph.node[0].op_type = "NoSuchOperator"
    with pytest.raises(ExportError, match="the joined graph is not valid"):
        cascade_graph(cascade_of(2), members, n_classes=N_CLASSES)


def test_graph_of_members_whose_types_do_not_fit_is_refused():
    members = table_members(2)
    members[1].graph.node[0].op_type = "MatMul"
    members[1].graph.node[0].ClearField("attribute")
    with pytest.raises(ExportError, match="the joined graph is not valid: .*MatMul"):
        cascade_graph(cascade_of(2), members, n_classes=N_CLASSES)


def test_graph_too_large_for_one_file_is_not_checked_here(monkeypatch):
    members = table_members(2)
    whole = cascade_graph(cascade_of(2), members, n_classes=N_CLASSES)
    members[1].graph.node[0].op_type = "NoSuchOperator"
    monkeypatch.setattr(graph_module, "INLINE_LIMIT", weight_bytes(whole))
    with pytest.raises(ExportError, match="the joined graph is not valid"):
        cascade_graph(cascade_of(2), members, n_classes=N_CLASSES)
    monkeypatch.setattr(graph_module, "INLINE_LIMIT", weight_bytes(whole) - 1)
    assert len(cascade_graph(cascade_of(2), members, n_classes=N_CLASSES).graph.node)


def test_graph_of_more_inputs_than_members_is_refused():
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        cascade_graph(cascade_of(2), table_members(2), n_classes=N_CLASSES, reads=["input"] * 3)


@pytest.mark.parametrize("weights", ["top", "branches"])
def test_graph_of_members_that_read_other_inputs_gathers_from_those(rng, weights):
    cascade = cascade_of(4)
    members = [table_model(4, j) for j in range(4)]
    reads = ["input", "input_2", "input", "input_2"]
    model = cascade_graph(cascade, members, n_classes=N_CLASSES, reads=reads, weights=weights)
    assert [value.name for value in model.graph.input] == ["input", "input_2", "thresholds"]
    tables = random_tables(rng, 4, 60)
    other = tables.copy()
    tables[:, [1, 3]] = other[:, [0, 2]] = 0
    expected = decide(
        cascade, lambda j, rows: (tables, other)[j % 2][rows, j], n_samples=len(tables)
    )
    session = opened(model)
    _, label, stage = session.run(GRAPH_OUTPUTS, {"input": tables, "input_2": other})
    assert np.array_equal(label, expected.label)
    assert np.array_equal(stage, expected.stage)
    assert set(stage.tolist()) > {1, 4}


@pytest.mark.parametrize("weights", ["top", "branches"])
def test_graph_of_real_networks_decides_as_they_do(shared_data, rng, weights):
    names = ("resnet20", "resnet32")
    folder = shared_data / "cifar10" / "weights"
    exported = [
        export_member(source_model(f"onnx:{folder / name}.onnx"), input_shape=(3, 32, 32))
        for name in names
    ]
    cascade = Cascade(members=names, thresholds=(0.9,))
    model = cascade_graph(cascade, [e.model for e in exported], n_classes=10, weights=weights)
    x = rng.normal(size=(24, 3, 32, 32)).astype(np.float32)
    sessions = [
        OrtSession(e.model.SerializeToString(), name=n, input_shape=(3, 32, 32), n_classes=10)
        for n, e in zip(names, exported, strict=True)
    ]
    expected = decide(cascade, lambda j, rows: sessions[j].run(x[rows]), n_samples=24)
    session = opened(model)
    _, label, stage = session.run(GRAPH_OUTPUTS, {"input": x})
    assert np.array_equal(label, expected.label)
    assert np.array_equal(stage, expected.stage)
    assert session.run(["label"], {"input": x[:0]})[0].shape == (0,)


def test_graph_of_every_pair_of_stages_leaves_where_it_should():
    cascade = Cascade(members=NAMES[:3], thresholds=(0.5, 0.5))
    sure, unsure = [0.9, 0.1, 0.0, 0.0], [0.3, 0.3, 0.2, 0.2]
    x = np.array(list(itertools.product([sure, unsure], repeat=3)), np.float32)
    assert_decides(graph_session(cascade), cascade, x)
