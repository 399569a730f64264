"""Writes the bundles of this folder: `honest`, and one for each attack of README.md.

    python tests/runtime/hostile/make.py FOLDER

Each attack is `honest` with one change. Who attacks knows the format: where the hash is not what
is attacked, it fits.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from encas.bundle_files import file_entry
from encas.cascade import Cascade
from encas.entries import GraphEntry, MemberEntry
from encas.export.graph import cascade_graph
from encas.manifest import MANIFEST_FILE, Manifest

NAMES = ("first", "second")
FIRST = "members/first.onnx"
PICKLE = b"\x80\x04K\x01."
TOO_MANY = 2**45

Attack = Callable[[Path], None]


def main() -> None:
    folder = Path(sys.argv[1])
    write_honest(folder / "honest")
    for name, attack in ATTACKS.items():
        shutil.rmtree(folder / name, ignore_errors=True)
        shutil.copytree(folder / "honest", folder / name)
        if not name.startswith("graph"):  # it is opened as a member each
            (folder / name / "cascade.onnx").unlink()
            set_manifest(folder / name, graph=None)
        attack(folder / name)


def linear(seed: int, *nodes: onnx.NodeProto, n_classes: int = 2) -> onnx.ModelProto:
    """Softmax of a linear map of two values; `nodes` come first and give "x"."""
    weights = np.random.default_rng(seed).normal(0, 2, (2, n_classes)).astype(np.float32)
    graph = helper.make_graph(
        [
            *(nodes or [helper.make_node("Identity", ["input"], ["x"])]),
            helper.make_node("MatMul", ["x", "weights"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        ],
        "linear",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 2])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", n_classes])],
        [numpy_helper.from_array(weights, "weights")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def write_honest(folder: Path) -> None:
    """A bundle of two linear members and their graph, in which nothing is wrong."""
    (folder / "members").mkdir(parents=True, exist_ok=True)
    models = [linear(seed) for seed in range(2)]
    members: list[MemberEntry] = []
    for name, model in zip(NAMES, models, strict=True):
        (folder / f"members/{name}.onnx").write_bytes(model.SerializeToString())
        members.append(MemberEntry(name=name, **asdict(file_entry(folder, f"members/{name}.onnx"))))
    cascade = Cascade(members=NAMES, thresholds=(0.75,))
    graph = cascade_graph(cascade, models, n_classes=2)
    (folder / "cascade.onnx").write_bytes(graph.SerializeToString())
    Manifest(
        name="honest",
        cascade=cascade,
        members=tuple(members),
        input_shape=(2,),
        n_classes=2,
        graph=GraphEntry(**asdict(file_entry(folder, "cascade.onnx"))),
    ).save(folder)


def content_of(bundle: Path) -> dict[str, Any]:
    return json.loads((bundle / MANIFEST_FILE).read_text())


def set_manifest(bundle: Path, **changes: Any) -> None:
    content = json.dumps(content_of(bundle) | changes, separators=(",", ":"))
    (bundle / MANIFEST_FILE).write_text(content + "\n")


def manifest(**changes: Any) -> Attack:
    """Keys of the manifest with other values."""
    return lambda bundle: set_manifest(bundle, **changes)


def text(old: str, new: str) -> Attack:
    """Another text in the manifest, for what `json` would not write."""

    def attack(bundle: Path) -> None:
        path = bundle / MANIFEST_FILE
        before = path.read_text()
        assert old in before
        path.write_text(before.replace(old, new, 1))

    return attack


def raw(content: bytes) -> Attack:
    """Another manifest."""
    return lambda bundle: _none((bundle / MANIFEST_FILE).write_bytes(content))


def entry(**changes: Any) -> Attack:
    """Another entry of the first member."""

    def attack(bundle: Path) -> None:
        members = content_of(bundle)["members"]
        set_manifest(bundle, members=[members[0] | changes, *members[1:]])

    return attack


def stages(*stages: tuple[str, float | None]) -> Attack:
    """Other stages."""
    return manifest(stages=[{"member": member, "threshold": at} for member, at in stages])


def file(content: bytes | None) -> Attack:
    """Another file of the first member, which the manifest does not know of; None: no file."""

    def attack(bundle: Path) -> None:
        (bundle / FIRST).unlink()
        if content is not None:
            (bundle / FIRST).write_bytes(content)

    return attack


def model(content: bytes | onnx.ModelProto) -> Attack:
    """Another file of the first member, with a manifest that knows of it."""

    def attack(bundle: Path) -> None:
        made = content if isinstance(content, bytes) else content.SerializeToString()
        (bundle / FIRST).write_bytes(made)
        entry(**asdict(file_entry(bundle, FIRST)))(bundle)

    return attack


def graph(change: Callable[[onnx.ModelProto], object], *, is_hashed: bool = True) -> Attack:
    """Another graph of the whole cascade."""

    def attack(bundle: Path) -> None:
        path = bundle / "cascade.onnx"
        made = onnx.load(path)
        change(made)
        path.write_bytes(made.SerializeToString())
        if is_hashed:
            known = content_of(bundle)["graph"]
            set_manifest(bundle, graph=known | asdict(file_entry(bundle, "cascade.onnx")))

    return attack


def linked(name: str) -> Attack:
    """A link out of the bundle, to a file whose hash fits."""

    def attack(bundle: Path) -> None:
        path = bundle / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        up = "/".join([".."] * len(Path(name).parts))
        path.symlink_to(f"{up}/honest/{name}")

    return attack


def outside(location: str) -> onnx.ModelProto:
    """A member whose weights lie in another file."""
    made = linear(0)
    _move_out(made.graph.initializer[0], location)
    return made


def listed_outside(bundle: Path) -> None:
    """Weights outside of the bundle, and a manifest that lists their file."""
    model(outside("../../honest/cascade.onnx"))(bundle)
    listed = asdict(file_entry(bundle.parent / "honest", "cascade.onnx"))
    entry(external=[listed | {"file": "members/../../honest/cascade.onnx"}])(bundle)


def _move_out(tensor: onnx.TensorProto, location: str) -> None:
    size = len(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("length", str(size))):
        added = tensor.external_data.add()
        added.key, added.value = key, value


def nested(depth: int) -> bytes:
    """Branches in branches in branches: ONNX's own library does not write so many."""
    content = b""
    for _ in range(depth):
        for field in (6, 5, 1):  # graph in attribute in node in graph
            content = _field(field, content)
    return _field(7, content)


def _field(number: int, content: bytes) -> bytes:
    low, high = len(content) & 0x7F, len(content) >> 7
    return bytes([number << 3 | 2, low | 0x80, high]) + content


def custom_operator() -> onnx.ModelProto:
    made = linear(0, helper.make_node("Shell", ["input"], ["x"], domain="evil", command="id"))
    made.opset_import.append(helper.make_opsetid("evil", 1))
    return made


def giant() -> onnx.ModelProto:
    """A constant of 128 TiB, in a file of 300 bytes."""
    many = numpy_helper.from_array(np.array([TOO_MANY], np.int64))
    return linear(
        0,
        helper.make_node("Constant", [], ["many"], value=many),
        helper.make_node("ConstantOfShape", ["many"], ["zeros"]),
        helper.make_node("ReduceSum", ["zeros"], ["zero"], keepdims=0),
        helper.make_node("Add", ["input", "zero"], ["x"]),
    )


def of_the_future() -> onnx.ModelProto:
    made = linear(0)
    made.ir_version = 9999
    return made


def _none(_value: object) -> None:
    return None


ATTACKS: dict[str, Attack] = {
    "path-parent": entry(file="../honest/members/first.onnx"),
    "path-hidden-parent": entry(file="members/../../honest/members/first.onnx"),
    "path-absolute": entry(file="/etc/passwd"),
    "path-backslash": entry(file="members\\first.onnx"),
    "path-drive": entry(file="C:/first.onnx"),
    "path-null": entry(file="members/first.onnx\0.txt"),
    "path-surrogate": entry(file="members/\ud800.onnx"),
    "link-file": linked(FIRST),
    "link-folder": linked("members"),
    "file-missing": file(None),
    "file-longer": file(linear(0).SerializeToString() + b"\0"),
    "file-exchanged": file(linear(1).SerializeToString()),
    "file-twice": lambda bundle: entry(**content_of(bundle)["members"][1] | {"name": "first"})(
        bundle
    ),
    "file-huge": entry(bytes=2**40),
    "file-negative": entry(bytes=-1),
    "file-no-hash": entry(sha256=""),
    "manifest-missing": lambda bundle: (bundle / MANIFEST_FILE).unlink(),
    "manifest-pickle": raw(PICKLE),
    "manifest-truncated": text("}\n", ""),
    "manifest-deep": raw(b"[" * 2000),
    "manifest-list": raw(b"[]"),
    "manifest-key-twice": text('"n_classes":2', '"n_classes":2,"n_classes":3'),
    "manifest-unknown-key": manifest(libraries=["libevil.so"]),
    "manifest-unknown-key-of-a-member": entry(library="libevil.so"),
    "manifest-other-format": manifest(format="encas.pool"),
    "manifest-of-the-future": manifest(version=2),
    "manifest-no-members": manifest(members=[], stages=[]),
    "manifest-other-members": stages(("third", None)),
    "manifest-other-input": entry(reads="input_7"),
    "manifest-threshold-nan": text("0.75", "NaN"),
    "manifest-threshold-infinite": text("0.75", "1e999"),
    "manifest-threshold-large": stages(("first", 1.5), ("second", None)),
    "manifest-threshold-missing": stages(("first", None), ("second", None)),
    "manifest-object-input": manifest(input={"dtype": "object", "shape": [2]}),
    "manifest-giant-input": manifest(input={"dtype": "float32", "shape": [2**20, 2**20]}),
    "manifest-giant-classes": manifest(n_classes=2**62),
    "manifest-few-class-names": manifest(classes=["cat"]),
    "manifest-other-classes": manifest(n_classes=3),
    "manifest-other-shape": manifest(input={"dtype": "float32", "shape": [3]}),
    "manifest-other-type": manifest(input={"dtype": "uint8", "shape": [2]}),
    "manifest-other-output": entry(output="logits"),
    "model-pickle": model(PICKLE),
    "model-empty": model(b""),
    "model-truncated": model(linear(0).SerializeToString()[:-40]),
    "model-endless": model(b"\x3a" + b"\xff" * 12),
    "model-deep": model(nested(100)),
    "model-cycle": model(linear(0, helper.make_node("Add", ["input", "logits"], ["x"]))),
    "model-custom-operator": model(custom_operator()),
    "model-of-the-future": model(of_the_future()),
    "model-giant": model(giant()),
    "weights-beside": model(outside("second.onnx")),
    "weights-parent": model(outside("../../honest/cascade.onnx")),
    "weights-absolute": model(outside("/etc/passwd")),
    "weights-memory": model(outside("*/_ORT_MEM_ADDR_/*")),
    "weights-listed": listed_outside,
    "graph-exchanged": graph(lambda made: made.graph.node.pop(), is_hashed=False),
    "graph-path-parent": lambda bundle: set_manifest(
        bundle, graph=content_of(bundle)["graph"] | {"file": "../honest/cascade.onnx"}
    ),
    "graph-few-outputs": graph(lambda made: made.graph.output.pop(1)),
    "graph-weights-outside": graph(
        lambda made: _move_out(made.graph.initializer[0], "../honest/cascade.onnx")
    ),
}


if __name__ == "__main__":
    main()
