"""Bundles whose members want images at different sizes, made without torch.

The member "6b" is a linear map of the pixels [1, 6, 6], another one than "6a"; the preprocessing of
its size makes them of images.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from encas.bundle_files import file_entry
from encas.cascade import Cascade
from encas.data.preprocessing import Preprocessing
from encas.entries import GraphEntry, InputEntry, MemberEntry
from encas.export.graph import cascade_graph
from encas.manifest import Manifest

N_CLASSES = 3
CLASSES = ("ant", "bee", "cat")


def steps_of(size: int) -> dict:
    """How an image becomes a sample of the model of that size."""
    steps = {"size": [size, size], "resize": size, "mean": [0.5], "std": [0.25]}
    return Preprocessing.of(steps).to_json()


def size_of(member: str) -> int:
    """Height and width of a member's samples."""
    return int(member[:-1])


def sized_member(name: str) -> onnx.ModelProto:
    """Softmax of a linear map of the pixels [1, size, size]."""
    size = size_of(name)
    weights = np.random.default_rng([size, ord(name[-1])]).normal(0, 1, (size * size, N_CLASSES))
    nodes = [
        helper.make_node("Flatten", ["input"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    shape = ["batch", 1, size, size]
    graph = helper.make_graph(
        nodes,
        f"sized_{name}",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", N_CLASSES])],
        [numpy_helper.from_array((weights / size).astype(np.float32), "weights")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def write_view_bundle(
    folder: Path, members: Sequence[str], thresholds: Sequence[float], **values: Any
) -> Path:
    """A bundle of members, each at its size, with the whole cascade as one graph."""
    (folder / "members").mkdir(parents=True)
    sizes = dict.fromkeys(map(size_of, members))
    names = dict(zip(sizes, ("input", "input_2", "input_3"), strict=False))
    models, entries = [sized_member(member) for member in members], []
    for member, model in zip(members, models, strict=True):
        file = f"members/{member}.onnx"
        (folder / file).write_bytes(model.SerializeToString())
        entry = asdict(file_entry(folder, file))
        entries.append(MemberEntry(**entry, name=member, reads=names[size_of(member)]))
    cascade = Cascade(members=tuple(members), thresholds=tuple(thresholds))
    reads = [entry.reads for entry in entries]
    graph = cascade_graph(cascade, models, n_classes=N_CLASSES, reads=reads)
    (folder / "cascade.onnx").write_bytes(graph.SerializeToString())
    first, *others = [_input(name, size) for size, name in names.items()]
    manifest = Manifest(
        name=folder.name,
        cascade=cascade,
        members=tuple(entries),
        input_shape=first.shape,
        preprocessing=first.preprocessing,
        further_inputs=tuple(others),
        n_classes=N_CLASSES,
        classes=CLASSES,
        graph=GraphEntry(**asdict(file_entry(folder, "cascade.onnx"))),
        **values,
    )
    manifest.save(folder)
    return folder


def views(n: int, sizes: Sequence[int] = (4, 6), seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """Random samples of a bundle: name of each input -> [n, 1, size, size]."""
    rng = np.random.default_rng(seed)
    names = ["input", *(f"input_{i + 2}" for i in range(len(sizes) - 1))]
    return {
        name: rng.normal(0, 1, (n, 1, size, size)).astype(np.float32)
        for name, size in zip(names, sizes, strict=True)
    }


def rows_of(x: dict[str, NDArray[np.float32]], rows: slice) -> dict[str, NDArray[np.float32]]:
    """The same rows of every input."""
    return {name: array[rows] for name, array in x.items()}


def _input(name: str, size: int) -> InputEntry:
    return InputEntry(
        name=name, dtype="float32", shape=(1, size, size), preprocessing=steps_of(size)
    )
