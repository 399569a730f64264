import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from encas.errors import ExportError
from encas.export.joining import MIN_OPSET, joinable
from encas.export.onnx_model import tensor_names


def member_of(*opsets, node="Relu"):
    """A member of one node, with (domain, version) of its operators."""
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node(node, ["input"], ["probabilities"], name="only")],
        "member",
        [info("input", TensorProto.FLOAT, ["batch", 2])],
        [info("probabilities", TensorProto.FLOAT, ["batch", 2])],
        [numpy_helper.from_array(np.zeros(1, np.float32), "unused")],
    )
    imports = [helper.make_opsetid(domain, version) for domain, version in opsets]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def opsets_of(model):
    return {(opset.domain, opset.version) for opset in model.opset_import}


@pytest.mark.parametrize(
    ("versions", "target"),
    [((13, 14), MIN_OPSET), ((13, 20), 20), ((20, 13), 20), ((18,), 18), ((17,), 18)],
)
def test_members_get_the_newest_opset_of_all_and_at_least_ours(versions, target):
    joined = joinable([member_of(("", version)) for version in versions])
    assert [opsets_of(model) for model in joined] == [{("", target)}] * len(versions)


def test_domain_under_its_long_name_is_the_same():
    first, second = joinable([member_of(("ai.onnx", 18)), member_of(("", 20))])
    assert opsets_of(first) == opsets_of(second) == {("", 20)}


def test_foreign_operators_of_one_version_stay_and_of_two_are_refused():
    own, foreign = member_of(("", 18)), member_of(("", 18), ("com.microsoft", 1))
    first, second = joinable([own, foreign])
    assert opsets_of(first) == {("", 18)}
    assert opsets_of(second) == {("", 18), ("com.microsoft", 1)}
    other = member_of(("", 18), ("com.microsoft", 2), ("b", 1))
    third = member_of(("", 18), ("b", 2))
    with pytest.raises(ExportError, match=r"operators of \['b', 'com.microsoft'\]"):
        joinable([foreign, other, third])


def test_names_are_prefixed_but_for_the_input_of_the_first():
    first, second = joinable([member_of(("", 18)), member_of(("", 18))])
    assert tensor_names(first.graph) == {"input", "m1/probabilities", "m1/unused"}
    assert tensor_names(second.graph) == {"m2/input", "m2/probabilities", "m2/unused"}
    assert [model.graph.node[0].name for model in (first, second)] == ["m1/only", "m2/only"]


def test_members_stay_as_they_are():
    members = [member_of(("ai.onnx", 13)), member_of(("", 18))]
    before = [member.SerializeToString() for member in members]
    joinable(members)
    assert [member.SerializeToString() for member in members] == before


def test_functions_of_a_member_are_written_out():
    member = member_of(("", 18), ("own", 1))
    node = helper.make_node("Relu", ["a"], ["b"])
    function = helper.make_function("own", "F", ["a"], ["b"], [node], [helper.make_opsetid("", 18)])
    member.functions.append(function)
    member.graph.node[0].CopyFrom(helper.make_node("F", ["input"], ["probabilities"], domain="own"))
    (joined,) = joinable([member])
    assert [node.op_type for node in joined.graph.node] == ["Relu"]
    assert not joined.functions
    onnx.checker.check_model(joined)


@pytest.mark.parametrize(("version", "node"), [(5, "Cast"), (17, "NoSuch"), (5, "Loop")])
def test_member_that_cannot_be_converted_is_refused(version, node):
    with pytest.raises(ExportError, match=f"cannot convert opset {version} to 18"):
        joinable([member_of(("", version), node=node)])
