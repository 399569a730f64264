import json
import sys
from dataclasses import replace

import numpy as np
import onnx
import pytest

from encas.bundle_files import verified_path
from encas.cascade import Cascade
from encas.data.open_data import open_data
from encas.entries import Expected
from encas.errors import ExportError
from encas.export import bundle as bundle_module
from encas.export.bundle import write_bundle
from encas.export.bundle_options import BundleDescription, BundleOptions
from encas.export.member_views import Member
from encas.export.proofs import MARGIN
from encas.manifest import Manifest
from encas.pools.models.specs import source_model
from encas.reference import Reference
from encas.runtime.loading import load
from encas.runtime.predicting import predict

pytestmark = pytest.mark.torch
LEGACY = BundleOptions(exporter="legacy")


@pytest.mark.parametrize("exporter", ["legacy", "dynamo"])
def test_bundle_decides_as_the_stored_outputs_do(
    tmp_path, cascade, members, evidence, digits, stored, exporter
):
    steps = []
    manifest = write_bundle(
        tmp_path / "bundle", cascade, members, evidence=evidence,
        options=BundleOptions(exporter=exporter), on_progress=steps.append,
    )  # fmt: skip
    assert Manifest.load(tmp_path / "bundle") == manifest
    assert [member.exporter for member in manifest.members] == [exporter] * 3
    assert [step.text for step in steps[:2]] == ["exporting linear", "proving linear"]
    assert [step.done for step in steps] == list(range(len(steps)))
    assert [step.is_over for step in steps] == [False] * (len(steps) - 1) + [True]
    reference = Reference.of(cascade, evidence.outputs, np.zeros(digits.n_samples, np.uint64))
    for backend in ("staged", "graph"):
        prediction = predict(load(tmp_path / "bundle", backend=backend), digits)
        assert reference.flips(cascade, prediction.label, prediction.stage) == ()
    assert set(prediction.stage.tolist()) == {1, 2, 3}


def test_bundle_has_a_written_verdict(tmp_path, cascade, members, evidence, digits):
    manifest = write_bundle(
        tmp_path / "bundle", cascade, members, evidence=evidence, options=LEGACY
    )
    assert [proof.subject for proof in manifest.proof] == ["executor", "graph"]
    for proof in manifest.proof:
        assert (proof.n_samples, proof.margin) == (digits.n_samples, MARGIN)
        assert proof.against == "the stored outputs"
        assert all(flip.margin <= MARGIN for flip in proof.flips)
    for numerics in manifest.numerics:
        assert numerics.max_difference <= numerics.tolerance
        assert numerics.on_data
        assert numerics.n_samples == 256


def test_bundle_carries_the_decisions_that_it_was_proven_on(
    tmp_path, cascade, members, evidence, digits
):
    manifest = write_bundle(
        tmp_path / "bundle", cascade, members, evidence=evidence, options=LEGACY
    )
    path = verified_path(tmp_path / "bundle", manifest.reference)
    reference = Reference.load(path, n_stages=3, n_classes=10)
    expected = Reference.of(cascade, evidence.outputs, reference.digest)
    assert len(reference) == digits.n_samples
    assert np.array_equal(reference.stage, expected.stage)
    assert np.array_equal(reference.confidence, expected.confidence)


def test_bundle_describes_itself(tmp_path, cascade, members):
    expected = Expected(
        split="search", n_samples=400, accuracy=0.9, interval=(0.87, 0.93), cost=1e4,
        objective="macs", reach=(1.0, 0.4, 0.2),
    )  # fmt: skip
    description = BundleDescription(
        name="digits", expected=(expected,), classes=tuple("0123456789"),
        splits={"search": 400}, provenance={"pool": "digits"},
    )  # fmt: skip
    manifest = write_bundle(
        tmp_path / "b", cascade, members, description=description, options=LEGACY
    )
    assert (manifest.name, manifest.classes) == ("digits", tuple("0123456789"))
    assert manifest.expected == (expected,)
    assert manifest.provenance["pool"] == "digits"
    assert {"encas", "torch", "onnx"} <= set(manifest.provenance)
    assert (manifest.input_shape, manifest.input_dtype) == ((1, 8, 8), "float32")
    assert [m.macs for m in manifest.members] == [100, 1000, 10000]
    assert [m.temperature for m in manifest.members] == [1, 2, 1]
    assert [m.source for m in manifest.members] == [m.source.spec for m in members]


def test_bundle_without_data_says_that_only_the_graph_was_held_against_the_members(
    tmp_path, cascade, members
):
    manifest = write_bundle(tmp_path / "b", cascade, members, options=LEGACY)
    assert manifest.reference is None
    assert not any(numerics.on_data for numerics in manifest.numerics)
    (proof,) = manifest.proof
    assert proof.subject == "graph"
    assert proof.against == "its members run one by one on random input"


def test_bundle_without_a_graph_has_none(tmp_path, cascade, members):
    options = BundleOptions(exporter="legacy", graph=None)
    manifest = write_bundle(tmp_path / "b", cascade, members, options=options)
    assert (manifest.graph, manifest.proof) == (None, ())
    assert not (tmp_path / "b" / "cascade.onnx").exists()


def test_bundle_of_one_member_is_a_bundle(tmp_path, members, evidence, digits):
    alone = Cascade(members=("linear",), thresholds=())
    write_bundle(tmp_path / "b", alone, members[:1], evidence=evidence, options=LEGACY)
    prediction = predict(load(tmp_path / "b", backend="graph"), digits)
    assert set(prediction.stage.tolist()) == {1}


def test_bundle_twice_is_the_same_bytes(tmp_path, cascade, members, evidence):
    for name in ("one", "two"):
        write_bundle(tmp_path / name, cascade, members, evidence=evidence, options=LEGACY)
    files = [p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*") if p.is_file()]
    assert len(files) == 6
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_bundle_with_weights_beside_the_files_runs(tmp_path, cascade, members, evidence, digits):
    options = BundleOptions(exporter="legacy", graph=None, inline_limit=2000)
    manifest = write_bundle(tmp_path / "b", cascade, members, evidence=evidence, options=options)
    outside = [entry.file for member in manifest.members for entry in member.external]
    assert outside == ["members/2-wide.onnx.data", "members/3-conv.onnx.data"]
    assert predict(load(tmp_path / "b"), digits).label.shape == (digits.n_samples,)


def test_bundle_file_names_are_safe_whatever_the_members_are_called(tmp_path, members):
    names = ("../../evil", "a/b:c?*")
    named = [replace(m, name=n) for m, n in zip(members, names, strict=False)]
    pair = Cascade(members=names, thresholds=(0.5,))
    manifest = write_bundle(tmp_path / "b", pair, named, options=LEGACY)
    assert [m.file for m in manifest.members] == ["members/1-evil.onnx", "members/2-a_b_c.onnx"]
    assert manifest.cascade.members == names


def test_bundle_whose_decisions_differ_is_not_there(tmp_path, cascade, members, evidence, stored):
    other = replace(evidence, outputs=lambda j, rows: stored[(j + 1) % 3][rows])
    with pytest.raises(ExportError, match="the executor decides otherwise than the stored"):
        write_bundle(tmp_path / "bundle", cascade, members, evidence=other, options=LEGACY)
    assert list(tmp_path.iterdir()) == []


def test_bundle_whose_member_differs_is_not_there(tmp_path, cascade, members, monkeypatch):
    original = bundle_module.export_member

    def spoiled(source, **values):
        exported = original(source, **values)
        if "wide" in source.spec:
            weights = exported.model.graph.initializer[0]
            array = onnx.numpy_helper.to_array(weights) * np.float32(1.1)
            weights.CopyFrom(onnx.numpy_helper.from_array(array, weights.name))
        return exported

    monkeypatch.setattr(bundle_module, "export_member", spoiled)
    with pytest.raises(ExportError, match="wide: the exported member's probabilities differ"):
        write_bundle(tmp_path / "bundle", cascade, members, options=LEGACY)
    assert list(tmp_path.iterdir()) == []


def test_bundle_whose_graph_differs_is_not_there(tmp_path, cascade, members, monkeypatch):
    def spoiled(cascade, *arguments, **values):
        other = replace(cascade, thresholds=(0.0, 0.0))
        return original(other, *arguments, **values)

    original = bundle_module.cascade_graph
    monkeypatch.setattr(bundle_module, "cascade_graph", spoiled)
    with pytest.raises(ExportError, match="the graph decides otherwise than its members"):
        write_bundle(tmp_path / "bundle", cascade, members, options=LEGACY)
    assert list(tmp_path.iterdir()) == []


def test_bundle_over_an_older_one_needs_overwrite(tmp_path, cascade, members):
    path = tmp_path / "b"
    write_bundle(path, cascade, members, options=LEGACY)
    with pytest.raises(ExportError, match="already exists; give another path, or --overwrite"):
        write_bundle(path, cascade, members, options=LEGACY)
    pair = Cascade(members=cascade.members[:2], thresholds=(0.5,))
    options = BundleOptions(exporter="legacy", overwrite=True)
    write_bundle(path, pair, members[:2], options=options)
    assert Manifest.load(path).cascade == pair
    assert [item.name for item in tmp_path.iterdir()] == ["b"]


def test_bundle_of_other_members_than_the_cascades_is_refused(tmp_path, cascade, members):
    with pytest.raises(ExportError, match="expected the members linear, wide, conv"):
        write_bundle(tmp_path / "b", cascade, members[::-1], options=LEGACY)


def test_bundle_of_members_with_different_classes_is_refused(tmp_path, members, monkeypatch):
    (tmp_path / "nets_with_few_classes.py").write_text(
        "from torch import nn\n"
        "def few():\n    return nn.Sequential(nn.Flatten(), nn.Linear(64, 3))\n"
    )
    monkeypatch.chdir(tmp_path)
    few = Member(name="few", source=source_model("torch:nets_with_few_classes:few"))
    sys.modules.pop("nets_with_few_classes")
    pair = Cascade(members=("linear", "few"), thresholds=(0.5,))
    with pytest.raises(ExportError, match="different numbers of classes: 10 and 3"):
        write_bundle(tmp_path / "b", pair, [members[0], few], options=LEGACY)


def test_bundle_of_existing_files_on_real_data_decides_as_the_executor(shared_data, tmp_path):
    folder = shared_data / "cifar10"
    (tmp_path / "p.json").write_text(
        json.dumps({"size": [32, 32], "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]})
    )
    names = ("resnet20", "resnet32")
    nets = [
        Member(
            name=name,
            source=source_model(
                f"onnx:{folder / 'weights' / name}.onnx?preprocessing={tmp_path / 'p.json'}"
            ),
        )
        for name in names
    ]
    cascade = Cascade(members=names, thresholds=(0.8,))
    manifest = write_bundle(tmp_path / "b", cascade, nets)
    assert manifest.preprocessing["size"] == [32, 32]
    assert [member.exporter for member in manifest.members] == ["onnx", "onnx"]
    data = open_data(str(folder / "test.zip"), preprocessing=bundle_preprocessing(manifest))
    part = data.take(np.arange(0, 3000, 15))
    staged, graph = load(tmp_path / "b"), load(tmp_path / "b", backend="graph")
    one, other = predict(staged, part), predict(graph, part)
    assert np.array_equal(one.label, other.label)
    assert np.array_equal(one.stage, other.stage)
    assert (one.label == part.label).mean() > 0.7


def bundle_preprocessing(manifest):
    from encas.data.preprocessing import Preprocessing  # noqa: PLC0415

    return Preprocessing.of(manifest.preprocessing)
