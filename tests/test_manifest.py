import hashlib
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encas.bundle_files import file_entry, verified_bytes, verified_path
from encas.cascade import Cascade
from encas.entries import (
    Expected,
    FileEntry,
    Flip,
    GraphEntry,
    Latency,
    MemberEntry,
    MemberProof,
    Proof,
)
from encas.errors import ManifestError
from encas.files import inside
from encas.latency import Setting, Timing
from encas.manifest import Manifest

SETTING = Setting(device="cpu", device_name="x", provider="p", n_threads=2, versions={"a": "1"})


def entry_of(name: str, **values) -> MemberEntry:
    return MemberEntry(
        **{"name": name, "file": f"members/{name}.onnx", "sha256": "a" * 64, "bytes": 3, **values}
    )


def full_manifest() -> Manifest:
    flip = Flip(sample=3, stage=1, expected_stage=2, label=0, expected_label=0, margin=2e-7)
    external = (FileEntry(file="members/b.data", sha256="c" * 64, bytes=9),)
    return Manifest(
        name="pair",
        cascade=Cascade(
            members=("a", "b"), thresholds=(0.3,), confidence="margin", combine="replace"
        ),
        members=(entry_of("a", macs=2.0), entry_of("b", external=external)),
        input_shape=(3, 8, 8),
        n_classes=2,
        preprocessing={"size": [8, 8], "mean": [0.5, 0.5, 0.5], "std": [1.0, 1.0, 1.0]},
        classes=("no", "yes"),
        splits={"search": 10},
        expected=(
            Expected(
                split="search",
                n_samples=10,
                accuracy=0.9,
                interval=(0.6, 0.98),
                cost=3.5,
                objective="macs",
                reach=(1.0, 0.4),
            ),
        ),
        latencies=(
            Latency(
                setting=SETTING,
                timing=Timing.of("pair", 4, [1.0, 2.0, 3.0]),
                mean_ms=2.0,
                predicted_ms=1.9,
                reach=(1.0, 0.4),
                data="digits",
            ),
        ),
        numerics=(
            MemberProof(
                name="a",
                max_difference=1e-7,
                tolerance=1e-5,
                n_samples=9,
                n_top1_flips=0,
                batch_sizes=(1, 3, 8),
                on_data=True,
            ),
        ),
        proof=(
            Proof(subject="executor", against="pool", n_samples=10, margin=1e-6, flips=(flip,)),
        ),
        provenance={"torch": "2.13.0"},
        graph=GraphEntry(file="cascade.onnx", sha256="b" * 64, bytes=5),
        reference=FileEntry(file="reference.npy", sha256="d" * 64, bytes=6),
    )


def test_manifest_saved_and_loaded_is_the_same(tmp_path):
    manifest = full_manifest()
    manifest.save(tmp_path)
    assert Manifest.load(tmp_path) == manifest


def test_manifest_of_the_defaults_saved_and_loaded_is_the_same(tmp_path):
    manifest = Manifest(
        name="one",
        cascade=Cascade(members=("a",), thresholds=()),
        members=(entry_of("a"),),
        input_shape=(4,),
        n_classes=2,
    )
    manifest.save(tmp_path)
    assert Manifest.load(tmp_path) == manifest


def test_manifest_json_is_the_golden_one():
    manifest = Manifest(
        name="one",
        cascade=Cascade(members=("a",), thresholds=()),
        members=(entry_of("a"),),
        input_shape=(4,),
        n_classes=2,
    )
    assert manifest.to_json() == {
        "format": "encas.bundle",
        "version": 1,
        "name": "one",
        "input": {"dtype": "float32", "shape": [4]},
        "n_classes": 2,
        "members": [
            {
                "file": "members/a.onnx",
                "sha256": "a" * 64,
                "bytes": 3,
                "name": "a",
                "input": "input",
                "output": "probabilities",
                "macs": None,
                "params": None,
                "precision": "float32",
                "exporter": "unknown",
                "source": "",
                "temperature": 1.0,
                "external": [],
                "reads": "input",
            }
        ],
        "stages": [{"member": "a", "threshold": None}],
        "confidence": "max_probability",
        "combine": "mean",
        "preprocessing": None,
        "further_inputs": [],
        "classes": None,
        "splits": {},
        "expected": [],
        "latencies": [],
        "numerics": [],
        "proof": [],
        "provenance": {},
        "graph": None,
        "reference": None,
    }


def test_manifest_files_are_all_but_the_manifest():
    files = [entry.file for entry in full_manifest().files]
    assert files == [
        "members/a.onnx", "members/b.onnx", "members/b.data", "cascade.onnx", "reference.npy",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"members": ()}, r"stages run \('a', 'b'\), but the members are \(\)"),
        ({"classes": ("x",)}, "2 classes need as many names, got 1"),
        ({"input_shape": (2**20, 2**20)}, "a sample has at most 268435456 values"),
        (
            {"graph": GraphEntry(file="members/a.onnx", sha256="a" * 64, bytes=3)},
            "members/a.onnx is listed twice",
        ),
    ],
)
def test_manifest_of_values_that_do_not_fit_is_refused(change, message):
    with pytest.raises(ManifestError, match=message):
        replace(full_manifest(), **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_classes": 0}, "n_classes must be at least 1"),
        ({"input": {"dtype": "float32", "shape": [1.0]}}, "must be integer, got 1.0"),
        ({"stages": [{"member": "a", "threshold": 0.5}]}, "the last has none"),
        ({"graph": {"file": "x", "sha256": "A" * 64, "bytes": 1}}, "graph.sha256 must match"),
        ({"reference": {"file": "x", "sha256": "a" * 64, "bytes": -1}}, "at least 0"),
    ],
)
def test_manifest_file_with_faults_is_refused(tmp_path, change, message):
    manifest = Manifest(
        name="one",
        cascade=Cascade(members=("a",), thresholds=()),
        members=(entry_of("a"),),
        input_shape=(4,),
        n_classes=2,
    )
    content = manifest.to_json() | change
    (tmp_path / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(ManifestError, match=message) as caught:
        Manifest.load(tmp_path)
    assert caught.value.where == str(tmp_path / "manifest.json")


def test_verified_file_is_the_one_that_was_hashed(tmp_path):
    (tmp_path / "members").mkdir()
    (tmp_path / "members" / "a.onnx").write_bytes(b"abc")
    entry = file_entry(tmp_path, "members/a.onnx")
    assert entry.sha256 == hashlib.sha256(b"abc").hexdigest()
    assert entry.bytes == 3
    assert verified_path(tmp_path, entry).read_bytes() == b"abc"
    assert verified_bytes(tmp_path, entry) == b"abc"


@pytest.mark.parametrize("verified", [verified_path, verified_bytes])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"file\.bin: no such file"),
        (b"abcd", r"file\.bin: expected 3 bytes, got 4"),
        (b"abd", r"file\.bin: expected SHA-256 ba7816bf.*, got a52d159f"),
    ],
)
def test_verified_file_that_is_another_is_refused(tmp_path, verified, content, message):
    path = tmp_path / "file.bin"
    path.write_bytes(b"abc")
    entry = file_entry(tmp_path, "file.bin")
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ManifestError, match=message):
        verified(tmp_path, entry)


@pytest.mark.parametrize("verified", [verified_path, verified_bytes])
def test_verified_file_that_links_out_of_the_bundle_is_refused(tmp_path, verified):
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (tmp_path / "secret").write_bytes(b"abc")
    (bundle / "link").symlink_to("../secret")
    entry = FileEntry(file="link", sha256=hashlib.sha256(b"abc").hexdigest(), bytes=3)
    with pytest.raises(ManifestError, match="a link out of it"):
        verified(bundle, entry)


def test_with_latency_replaces_the_time_of_the_same_kind_alone():
    manifest = full_manifest()
    first = manifest.latencies[0]
    again = replace(first, mean_ms=7.0)
    other_data = replace(first, data="random")
    assert manifest.with_latency(again).latencies == (again,)
    assert manifest.with_latency(other_data).latencies == (first, other_data)


def test_proof_tells_explained_flips_from_others():
    near = Flip(sample=0, stage=1, expected_stage=2, label=0, expected_label=0, margin=1e-6)
    far = Flip(sample=1, stage=2, expected_stage=2, label=1, expected_label=0, margin=2e-6)
    proof = Proof(subject="graph", against="x", n_samples=9, margin=1e-6, flips=(near, far))
    assert proof.unexplained == [far]
    assert (proof.n_label_flips, proof.n_stage_flips) == (1, 1)


BRANCH = st.integers(0, 3).map(lambda n: n == 0)
JUNK = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_manifest_file_changed_anywhere_is_loaded_or_refused(tmp_path_factory, data):
    content = json.loads(json.dumps(full_manifest().to_json()))
    for _ in range(data.draw(st.integers(1, 3))):
        parent = content
        while True:
            keys = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
            key = data.draw(st.sampled_from(keys))
            if not isinstance(parent[key], dict | list) or not parent[key] or data.draw(BRANCH):
                break
            parent = parent[key]
        parent[key] = data.draw(JUNK | st.lists(JUNK, max_size=3))
    folder = tmp_path_factory.mktemp("bundle")
    (folder / "manifest.json").write_text(json.dumps(content))
    try:
        manifest = Manifest.load(folder)
    except ManifestError:
        return
    assert all(inside(folder, entry.file, error=ManifestError) for entry in manifest.files)
    manifest.save(folder)
    assert Manifest.load(folder) == manifest


@given(content=st.binary(max_size=100))
def test_manifest_file_of_any_bytes_is_refused(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("bundle")
    (folder / "manifest.json").write_bytes(content)
    with pytest.raises(ManifestError, match=r"manifest\.json"):
        Manifest.load(folder)
