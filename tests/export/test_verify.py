import json
from dataclasses import replace

import numpy as np
import pytest

from encas.bundle_files import file_entry
from encas.cascade import Cascade
from encas.data.open_data import open_data
from encas.errors import ExportError, ManifestError, SessionError
from encas.export.bundle import write_bundle
from encas.export.bundle_options import BundleOptions
from encas.export.verify import verify
from encas.manifest import Manifest

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def made(tmp_path_factory, cascade, members, digits, stored):
    """A bundle that was proven on the selection split."""
    from encas.export.proofs import Evidence  # noqa: PLC0415

    path = tmp_path_factory.mktemp("made") / "bundle"
    evidence = Evidence(
        dataset=digits, label=digits.label, outputs=lambda j, rows: stored[j][rows],
        against="the stored outputs",
    )  # fmt: skip
    write_bundle(
        path, cascade, members, evidence=evidence, options=BundleOptions(exporter="legacy")
    )
    return path


@pytest.fixture
def bundle(made, tmp_path):
    """A copy to spoil."""
    import shutil  # noqa: PLC0415

    return shutil.copytree(made, tmp_path / "bundle")


def edited(bundle, change) -> None:
    content = json.loads((bundle / "manifest.json").read_text())
    change(content)
    (bundle / "manifest.json").write_text(json.dumps(content))


def test_verify_on_known_data_compares_sample_by_sample(made, digits):
    verdict = verify(made, digits)
    verdict.require()
    assert (verdict.n_samples, verdict.n_known) == (257, 257)
    assert [(p.subject, p.n_samples, p.flips) for p in verdict.proofs] == [
        ("executor", 257, ()), ("graph", 257, ()),
    ]  # fmt: skip
    assert all(p.against == "the decisions that it was proven on" for p in verdict.proofs)
    assert verdict.reach[0] == 1
    assert verdict.accuracy == verdict.n_correct / 257
    assert [item.name for item in verdict.numerics] == ["linear", "wide", "conv"]


def test_verify_on_known_data_in_another_order_knows_the_samples(made, digits):
    shuffled = digits.take(np.random.default_rng(0).permutation(257)[:100])
    verdict = verify(made, shuffled)
    verdict.require()
    assert verdict.n_known == 100


def test_verify_on_other_data_compares_with_the_members_one_by_one(made):
    verdict = verify(made, open_data("digits:test"))
    verdict.require()
    assert (verdict.n_samples, verdict.n_known) == (540, 0)
    assert {p.against for p in verdict.proofs} == {"its members run one by one"}


def test_verify_on_some_known_data_does_both(made, digits):
    every = open_data("digits")
    verdict = verify(made, every)
    verdict.require()
    assert verdict.n_known == 257
    assert [(p.subject, p.n_samples) for p in verdict.proofs] == [
        ("executor", 257), ("executor", 1540), ("graph", 257), ("graph", 1540),
    ]  # fmt: skip


def test_verify_with_a_pool_compares_with_its_outputs(made, digits, evidence, stored):
    verdict = verify(made, digits, evidence=evidence)
    verdict.require()
    assert {p.against for p in verdict.proofs} == {"the stored outputs"}
    other = replace(evidence, outputs=lambda j, rows: stored[2 - j][rows])
    with pytest.raises(ExportError, match="the executor decides otherwise than the stored"):
        verify(made, digits, evidence=other).require()


def test_verify_of_changed_thresholds_finds_the_flips(bundle, digits):
    def change(content):
        content["stages"][0]["threshold"] = 0.0

    edited(bundle, change)
    verdict = verify(bundle, digits)
    executor, graph = verdict.proofs
    assert executor.n_stage_flips > 0
    assert graph.flips == ()
    with pytest.raises(ExportError, match="the executor decides otherwise than the decisions"):
        verdict.require()


def test_verify_of_a_member_that_was_exchanged_finds_the_flips(bundle, digits):
    manifest = Manifest.load(bundle)
    first, second, third = manifest.members
    entry = file_entry(bundle, third.file)
    (bundle / first.file).write_bytes((bundle / third.file).read_bytes())
    changed = replace(first, sha256=entry.sha256, bytes=entry.bytes)
    replace(manifest, members=(changed, second, third)).save(bundle)
    with pytest.raises(ExportError, match="verification: the executor decides otherwise"):
        verify(bundle, digits).require()


@pytest.mark.parametrize("file", ["members/1-linear.onnx", "cascade.onnx", "reference.npy"])
def test_verify_of_a_file_that_is_not_the_one_hashed_is_refused(bundle, digits, file):
    content = bytearray((bundle / file).read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / file).write_bytes(bytes(content))
    with pytest.raises(ManifestError, match="expected SHA-256"):
        verify(bundle, digits)


def test_verify_on_data_of_another_shape_is_refused(made, tmp_path):
    np.savez(tmp_path / "x.npz", x=np.zeros((3, 1, 4, 4), np.float32), label=np.arange(3))
    with pytest.raises(SessionError, match=r"linear: expected samples \[n, 1, 8, 8\]"):
        verify(made, open_data(f"npz:{tmp_path / 'x.npz'}"))


def test_verify_of_a_member_that_gives_no_probabilities_is_refused(bundle, digits):
    import onnx  # noqa: PLC0415

    manifest = Manifest.load(bundle)
    path = bundle / manifest.members[0].file
    model = onnx.load(path)
    softmax = next(node for node in model.graph.node if node.op_type == "Softmax")
    softmax.CopyFrom(onnx.helper.make_node("Identity", [softmax.input[0]], ["probabilities"]))
    onnx.save(model, path)
    entry = file_entry(bundle, manifest.members[0].file)
    changed = replace(manifest.members[0], sha256=entry.sha256, bytes=entry.bytes)
    replace(manifest, members=(changed, *manifest.members[1:])).save(bundle)
    with pytest.raises(ExportError, match="linear: expected rows of probabilities that sum to 1"):
        verify(bundle, digits)


def test_verify_of_a_member_that_depends_on_its_batch_is_refused(tmp_path, digits):
    import onnx  # noqa: PLC0415
    from onnx import TensorProto, helper  # noqa: PLC0415

    from encas.entries import MemberEntry  # noqa: PLC0415

    nodes = [
        helper.make_node("ReduceMean", ["input"], ["mean"], keepdims=1),
        helper.make_node("Add", ["input", "mean"], ["sum"]),
        helper.make_node("Mul", ["sum", "mean"], ["product"]),
        helper.make_node("Flatten", ["product"], ["flat"]),
        helper.make_node("Softmax", ["flat"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 1, 8, 8])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 64])],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "m.onnx")
    entry = file_entry(tmp_path, "m.onnx")
    Manifest(
        name="x", cascade=Cascade(members=("m",), thresholds=()),
        members=(MemberEntry(name="m", file="m.onnx", sha256=entry.sha256, bytes=entry.bytes),),
        input_shape=(1, 8, 8), n_classes=64,
    ).save(tmp_path)  # fmt: skip
    with pytest.raises(ExportError, match="m: probabilities depend on the size of the batch"):
        verify(tmp_path, digits).require()


def test_verify_tells_of_members_and_of_the_samples_that_are_proven(made, digits):
    heard = []
    verify(made, digits, on_progress=heard.append)
    n_members = len(Manifest.load(made).members)
    ends = [(each.what, each.done, each.unit) for each in heard if each.is_over]
    assert ends == [
        ("proving members", n_members, "members"),
        ("proving the executor", digits.n_samples, "samples"),
        ("proving the graph", digits.n_samples, "samples"),
    ]
