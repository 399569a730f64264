"""The samples that a request carries: every input of the model once, all of them equally long."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...entries import InputEntry
from ..protocol.protocol import InputTensor, Refusal, RegionSlice
from ..protocol.tensors import DATATYPES, array_of_bytes, array_of_numbers
from .model_face import ModelFace
from .request_batch import RequestSamples
from .shared_memory import SharedMemory


def read_inputs(
    tensors: Sequence[InputTensor],
    face: ModelFace,
    *,
    max_batch_size: int,
    memory: SharedMemory,
) -> RequestSamples:
    """The samples of a request, as the cascade takes them.

    Args:
        tensors: the inputs as they came, in any order.
        face: what the model takes.
        max_batch_size: the most samples of a request.
        memory: where inputs may lie.

    Raises:
        Refusal: an input is missing, unknown or there twice, has another type, shape or number of
            samples than it must, or holds something else.
    """
    entries = face.inputs
    if len(entries) == 1 == len(tensors) and tensors[0].name == entries[0].name:
        _check(tensors[0], entries[0], face, max_batch_size)
        return _content(tensors[0], entries[0].dtype, memory)
    given = {tensor.name: tensor for tensor in tensors}
    if len(tensors) != len(entries) or any(entry.name not in given for entry in entries):
        raise _misfit(tensors, face)
    # Before anything is read: no content can mend these.
    for entry in entries:
        _check(given[entry.name], entry, face, max_batch_size)
    sizes = {entry.name: given[entry.name].shape[0] for entry in entries}
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"{size} for {name!r}" for name, size in sizes.items())
        raise Refusal(
            "invalid", f"the inputs of model {face.name!r} need equal batch sizes, got {told}"
        )
    return {entry.name: _content(given[entry.name], entry.dtype, memory) for entry in entries}


def _check(tensor: InputTensor, entry: InputEntry, face: ModelFace, largest: int) -> None:
    shape, expected = tensor.shape, DATATYPES[entry.dtype]
    if tensor.datatype != expected:
        raise Refusal(
            "invalid",
            f"inference input {entry.name!r} has the data type {tensor.datatype!r}, "
            f"but model {face.name!r} expects {expected!r}",
        )
    if shape[1:] != entry.shape or not shape:
        raise Refusal(
            "invalid",
            f"unexpected shape for input {entry.name!r} for model {face.name!r}: "
            f"expected {[-1, *entry.shape]}, got {list(shape)}",
        )
    if not 1 <= shape[0] <= largest:
        raise Refusal(
            "invalid",
            f"inference request batch-size must be from 1 to {largest} for {face.name!r}, "
            f"got {shape[0]}",
        )


def _content(tensor: InputTensor, dtype: str, memory: SharedMemory) -> NDArray[Any]:
    content = tensor.content
    if isinstance(content, list):
        return array_of_numbers(content, tensor.shape, dtype, name=tensor.name)
    if isinstance(content, RegionSlice):
        expected = math.prod(tensor.shape) * np.dtype(dtype).itemsize
        if content.byte_size != expected:
            raise Refusal(
                "invalid",
                f"input byte size mismatch for input {tensor.name!r}: expected {expected}, "
                f"got {content.byte_size}",
            )
        content = memory.read(content)
    return array_of_bytes(content, tensor.shape, dtype, name=tensor.name)


def _misfit(tensors: Sequence[InputTensor], face: ModelFace) -> Refusal:
    """What is wrong with the names and their number."""
    names, known = [tensor.name for tensor in tensors], [entry.name for entry in face.inputs]
    kinds = {
        "missing": [name for name in known if name not in names],
        "unexpected": sorted(set(names) - set(known)),
        "more than once": [name for name in known if names.count(name) > 1],
    }
    wrong = "; ".join(f"{kind}: {', '.join(map(repr, n))}" for kind, n in kinds.items() if n)
    if len(names) != len(known):
        plural = "s" if len(known) > 1 else ""
        text = f"expected {len(known)} input{plural} but got {len(names)} for model {face.name!r}"
    else:
        what = kinds["unexpected"] or kinds["more than once"]
        text = f"unexpected inference input {what[0]!r} for model {face.name!r}"
    return Refusal("invalid", f"{text} ({wrong})")
